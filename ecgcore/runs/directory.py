"""Run directories as others read them: complete or not, and the tables of many runs."""

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore import files
from ecgcore.errors import EcgcoreError
from ecgcore.files import read_json

RESULTS = (".csv", ".json", ".parquet", ".safetensors")
"""Suffixes of the files that a run leaves beside its notebook."""

PUBLISHED_DESIGN: dict[str, Any] = {
    "bias": "default",
    "logit_scale": "default",
    "head": "default",
    "receptive_field_ms": 0.0,
    "lead_mixing": "default",
    "normalisation": "record_lead",
    "weight_l1": -1.0,
    "local_fidelity": -1.0,
    "labels": "as_given",
    "shortcut": False,
}
"""Parameters of ``imn_train`` that an ablation changes, with the values that change nothing."""

AS_PUBLISHED = "as published"

SIZE = (
    "epochs", "patience", "batch_size", "learning_rate", "precision", "max_train_records",
    "max_records", "archive",
)  # fmt: skip
"""Parameters that are the same in all runs which are compared or averaged."""

TRAINING_PARAMETERS = (
    *SIZE, "task", "model", "rate_hz", "protocol", "shortcut_mv", *PUBLISHED_DESIGN, "widen",
    "content_hz", "upsampled_from_hz", "muscle_snr_db", "resampler", "folds", "outer_fold",
    "test_share", "split_seed",
)  # fmt: skip
"""Parameters by which two runs train different networks; the seed is not among them."""

NATIVE: dict[str, Any] = {
    "receptive_field_ms": 0.0,
    "widen": "dilation",
    "content_hz": 0.0,
    "upsampled_from_hz": 0,
    "muscle_snr_db": 100.0,
    "resampler": "fft",
}
"""Parameters of ``frequency_train`` in paper B's own arm: everything in samples, nothing added."""


@functools.cache
def _sha256_once(path: Path, mtime_ns: int, size: int) -> str:
    """Return the SHA-256 of a file, cached: a summary asks repeatedly for hundreds of runs."""
    return files.sha256(path)


def damage(folder: Path) -> str:
    """Return what is wrong with a run directory, according to its ``provenance.json``, or ""."""
    try:
        facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        (folder / "params.json").stat()
        for name, digest in facts.get("files", {}).items():
            stat = (folder / name).stat()
            if _sha256_once(folder / name, stat.st_mtime_ns, stat.st_size) != digest:
                return f"{name} was changed"
    except OSError as error:
        return f"{Path(error.filename).name} is missing"
    except (ValueError, AttributeError):
        return "provenance.json cannot be read"
    return ""


def is_current(folder: Path, identity: str, code: str) -> bool:
    """Return whether a folder holds the complete run of this identity, computed by this code."""
    if damage(folder) or not (folder / "notebook.ipynb").exists():
        return False
    facts = read_json(folder / "provenance.json")
    return (facts.get("identity"), facts.get("code")) == (identity, code)


def _finished(folder: Path | str) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    """Yield directory, parameters and provenance of finished runs only."""
    for file in sorted(Path(folder).rglob("params.json")):
        run = file.parent
        if not run.name.endswith(files.TEMPORARY_SUFFIXES) and (run / "provenance.json").exists():
            yield run, read_json(file), read_json(run / "provenance.json")


def runs_digest(folder: Path | str) -> str:
    """Return a hash of the finished runs below a folder: part of the identity of a summary.

    A summary is therefore repeated when one of the runs that it may read was added or changed.
    """
    digest = hashlib.sha256()
    for run, params, facts in _finished(folder):
        if "runs" not in params:  # not itself a summary
            digest.update(f"{run.name} {facts.get('identity')} {facts.get('files')}".encode())
    return digest.hexdigest()[:12]


def find_runs(folder: Path | str, notebook: str) -> dict[str, dict[str, Any]]:
    """Return the parameters of every complete run of a notebook below a folder, by directory.

    ``archive`` is the fingerprint of the archive. Raises ``EcgcoreError`` if there is no complete
    run, or one of them was changed afterwards.
    """
    runs = {}
    for run, params, facts in _finished(folder):
        if params.pop("notebook", None) == notebook:
            if problem := damage(run):
                raise EcgcoreError(f"{run}: {problem}; delete this run directory and run it again.")
            fingerprint = str(facts.get("archive", {}).get("fingerprint", ""))
            runs[str(run)] = params | {"archive": fingerprint[:12]}
    if not runs:
        raise EcgcoreError(f"{folder}: no complete run of {notebook} here; run it first.")
    return runs


def check_archive(folder: Path | str, fingerprint: str, name: str) -> None:
    """Raise :class:`EcgcoreError` for a run below a folder that was computed on another archive."""
    for run, params, facts in _finished(folder):
        archive = facts.get("archive", {})
        if "runs" not in params and archive.get("fingerprint") not in (None, fingerprint):
            raise EcgcoreError(
                f"{run}: was computed on the archive {archive.get('name')}, but the parameter "
                f"'archive' names {name}; name the archive of these runs."
            )


def load_tables(folder: Path | str, notebook: str, name: str) -> pd.DataFrame:
    """Return one table of every run of a notebook, with the run's parameters as columns.

    ``name`` is the table's file stem; runs without it are left out. The column ``run`` is the run
    directory.
    """
    runs = find_runs(folder, notebook)
    paths = {run: Path(run, f"{name}.csv") for run in runs}
    tables = {run: pd.read_csv(path) for run, path in paths.items() if path.exists()}
    if not tables:
        return pd.DataFrame()
    table = pd.concat(tables, names=["run"]).reset_index("run")
    params = pd.DataFrame([runs[run] for run in tables], index=[*tables])
    added = params.drop(columns=table.columns, errors="ignore")
    return table.join(added, on="run").reset_index(drop=True)


def load_predictions(run: Path | str) -> pd.DataFrame:
    """Return one row per record of a run: ecg_id, patient_id, part, y_true, score and logit."""
    return files.read_parquet(Path(run) / "predictions.parquet")


def runs_table(folder: Path | str, notebook: str) -> pd.DataFrame:
    """Return one row per complete run: its directory as ``run``, its parameters, and its costs.

    Metrics of part ``run`` (seconds, records per second, receptive field, parameters) become
    columns with ``run_`` before their name. Raises ``EcgcoreError`` like :func:`find_runs`.
    """
    rows = [{"run": run, **params} for run, params in find_runs(folder, notebook).items()]
    costs = load_tables(folder, notebook, "metrics").query("part == 'run'")
    wide = costs.pivot(index="run", columns="metric", values="value").add_prefix("run_")
    return with_variant(pd.DataFrame(rows)).join(wide, on="run")


def check_comparable(runs: pd.DataFrame, names: Sequence[str] = TRAINING_PARAMETERS) -> None:
    """Raise :class:`EcgcoreError` with two runs and a parameter or archive that they differ in."""
    for name in (name for name in names if name in runs):
        first_of_each = runs.loc[~runs[name].map(str).duplicated(), ["run", name]].head(2)
        if len(first_of_each) > 1:
            (run_a, value_a), (run_b, value_b) = first_of_each.itertuples(index=False, name=None)
            raise EcgcoreError(
                f"{Path(run_a).name} and {Path(run_b).name}: cannot count as seeds of one network, "
                f"because {name} is {value_a} in one and {value_b} in the other; summarise a "
                "folder that holds runs of one kind."
            )


def predictions_by_seed(runs: pd.DataFrame) -> dict[int, pd.DataFrame]:
    """Return the predictions of the test part of each run, by the run's seed.

    ``runs`` contains rows of :func:`runs_table`; rows that differ in more than the seed raise
    :class:`EcgcoreError`.
    """
    check_comparable(runs)
    first = runs.drop_duplicates("seed").to_dict("records")
    tables = {int(row["seed"]): load_predictions(row["run"]) for row in first}
    return {seed: t.query("part == 'test'").reset_index(drop=True) for seed, t in tables.items()}


def networks(folder: Path | str, name: str) -> pd.DataFrame:
    """Return a table of every run of ``imn_train``, each trained network counted once.

    Of runs that trained the same network and differ in the methods or records explained, the first
    counts. The column ``variant`` says what a run changed in the design. If any runs held records
    out, only those count. Raises ``EcgcoreError`` if the training size or archive differs.
    """
    table = with_variant(load_tables(folder, "imn_train", name))
    if table.empty:
        return table
    if (table["protocol"] == "held_out").any():
        table = table[table["protocol"] == "held_out"]
    keys = [key for key in (*TRAINING_PARAMETERS, "seed", "method") if key in table]
    design = [key for key in keys if key not in (*SIZE, "seed", "method")]
    for _, rows in table.groupby(design, dropna=False):
        check_comparable(rows, SIZE)
    first = table.groupby(keys, dropna=False, sort=False)["run"].transform("first")
    return table[table["run"] == first].reset_index(drop=True)


def select_runs(runs: pd.DataFrame, **parameters: Any) -> pd.DataFrame:
    """Return the rows of runs with these parameters and otherwise those of :data:`NATIVE`.

    Numbers need to agree to a thousandth: a receptive field in ms is seldom a round one.
    """
    rows = pd.Series(True, index=runs.index)
    for name, value in {**NATIVE, **parameters}.items():
        is_number = isinstance(value, int | float)
        rows &= np.isclose(runs[name], value, rtol=1e-3) if is_number else runs[name] == value
    return runs[rows]


def variant(params: Mapping[Any, Any]) -> str:
    """Return what a run changes, in words such as ``bias none, weight_l1 1``, or AS_PUBLISHED."""
    values = {name: params.get(name, usual) for name, usual in PUBLISHED_DESIGN.items()}
    words = ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
        if value != PUBLISHED_DESIGN[name]
    )
    words = words.replace("labels shuffled", "shuffled labels")
    return words.replace("shortcut True", "planted shortcut") or AS_PUBLISHED


def with_variant(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a table of runs, parameters as columns, with the column ``variant`` added."""
    design = runs.filter(items=[*PUBLISHED_DESIGN]).to_dict("records")
    return runs.assign(variant=[variant(row) for row in design])


def model_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of :func:`ecgcore.models.build` that a run's parameters ask for."""
    names = [
        n for n in ("bias", "logit_scale", "lead_mixing") if params.get(n, "default") != "default"
    ]
    if params.get("receptive_field_ms"):
        names += [name for name in ("receptive_field_ms", "widen") if name in params]
    head = params.get("head", "default")
    zero_head = {} if head == "default" else {"zero_head": head == "zero"}
    return {name: params[name] for name in names} | zero_head

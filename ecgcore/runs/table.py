"""Runs of one notebook as a table, and their predictions by seed: what summary notebooks read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.errors import EcgcoreError
from ecgcore.runs.directory import find_runs, load_predictions, load_runs, load_tables, read_json
from ecgcore.runs.variants import PUBLISHED_DESIGN, with_variant

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


def runs_table(folder: Path | str, notebook: str) -> pd.DataFrame:
    """Return one row per complete run: its directory as ``run``, its parameters, and its costs.

    Metrics of part ``run`` (seconds, records per second, receptive field, parameters) become
    columns with ``run_`` before their name; ``archive`` is the fingerprint of the archive.
    :class:`EcgcoreError` if there is no complete run of that notebook.
    """
    runs = find_runs(folder, notebook)
    rows = [{"run": run, **params, "archive": _archive(run)} for run, params in runs.items()]
    costs = load_runs(folder, notebook).query("part == 'run'")
    wide = costs.pivot(index="run", columns="metric", values="value").add_prefix("run_")
    return with_variant(pd.DataFrame(rows)).join(wide, on="run")


def _archive(run: str) -> str:
    archive = read_json(Path(run, "provenance.json")).get("archive", {})
    return str(archive.get("fingerprint", ""))[:12]


def check_comparable(runs: pd.DataFrame, names: Sequence[str] = TRAINING_PARAMETERS) -> None:
    """Raise :class:`EcgcoreError` with two runs and a parameter or archive that they differ in."""
    for name in (name for name in names if name in runs):
        first_of_each = runs.loc[~runs[name].map(str).duplicated(), ["run", name]].head(2)
        if len(first_of_each) > 1:
            (one, its), (other, others) = first_of_each.itertuples(index=False, name=None)
            raise EcgcoreError(
                f"{Path(one).name} and {Path(other).name}: cannot count as seeds of one network, "
                f"because {name} is {its} in one and {others} in the other; summarise a folder "
                "that holds runs of one kind."
            )


def predictions_by_seed(runs: pd.DataFrame, part: str = "test") -> dict[int, pd.DataFrame]:
    """Return the predictions of one part of each run, by the run's seed.

    ``runs`` are rows of :func:`runs_table` that differ in nothing but the seed; else
    :func:`check_comparable` raises.
    """
    check_comparable(runs)
    first = runs.drop_duplicates("seed")
    tables = {
        int(s): load_predictions(run) for s, run in zip(first["seed"], first["run"], strict=True)
    }
    return {s: table[table["part"] == part].reset_index(drop=True) for s, table in tables.items()}


def networks(folder: Path | str, name: str, *, protocol: str = "held_out") -> pd.DataFrame:
    """Return a table of every run of ``imn_train``, each trained network counted once.

    Runs that trained the same network and differ in what they asked of it (methods, records
    explained) are not further seeds: of what two of them hold, the first is kept. The column
    ``variant`` says what a run changed in the design. Runs of ``protocol`` are selected where
    there are any; ``all`` selects every one. :class:`EcgcoreError` for runs of one network whose
    size of training or archive differs.
    """
    table = with_variant(load_tables(folder, "imn_train", name))
    if table.empty:
        return table
    if protocol != "all" and (table["protocol"] == protocol).any():
        table = table[table["protocol"] == protocol].copy()
    table["archive"] = table["run"].map({run: _archive(run) for run in table["run"].unique()})
    keys = [key for key in (*TRAINING_PARAMETERS, "seed", "method") if key in table]
    design = [key for key in keys if key not in (*SIZE, "seed", "method")]
    for _, rows in table.groupby(design, dropna=False):
        check_comparable(rows, SIZE)
    first = table.groupby(keys, dropna=False, sort=False)["run"].transform("first")
    return table[table["run"] == first].reset_index(drop=True)


NATIVE: dict[str, Any] = {
    "receptive_field_ms": 0.0,
    "widen": "dilation",
    "content_hz": 0.0,
    "upsampled_from_hz": 0,
    "muscle_snr_db": 100.0,
    "resampler": "fft",
}
"""Parameters of ``frequency_train`` in paper B's own arm: everything in samples, nothing added."""


def select_runs(runs: pd.DataFrame, **parameters: Any) -> pd.DataFrame:
    """Return the rows of a table of runs with these parameters, and those of :data:`NATIVE` else.

    Numbers need to agree to a thousandth: a receptive field in ms is seldom a round one.
    """
    rows = pd.Series(True, index=runs.index)
    for name, value in {**NATIVE, **parameters}.items():
        is_number = isinstance(value, int | float)
        rows &= np.isclose(runs[name], value, rtol=1e-3) if is_number else runs[name] == value
    return runs[rows]

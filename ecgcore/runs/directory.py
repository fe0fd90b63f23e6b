"""Run directories as others read them: complete or not, current or not, and their tables."""

import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore import files
from ecgcore.errors import EcgcoreError

RESULTS = (".csv", ".json", ".parquet", ".safetensors")
"""Suffixes of the files that a run leaves beside its notebook."""


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def _sha256_once(path: Path, mtime_ns: int, size: int) -> str:
    """The SHA-256 of a file as it is now: a summary asks several times for hundreds of runs."""
    return sha256(path)


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file, or an empty one where there is no file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


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
    """Return whether a folder holds the complete run of this identity, made by this code."""
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
    """Return a hash of the finished runs below a folder that summaries may read.

    As part of a summary's identity, it has the summary made anew when a run was added or changed.
    """
    digest = hashlib.sha256()
    for run, params, facts in _finished(folder):
        if "runs" not in params:  # not itself a summary
            digest.update(f"{run.name} {facts.get('identity')} {facts.get('files')}".encode())
    return digest.hexdigest()[:12]


def find_runs(folder: Path | str, notebook: str) -> dict[str, dict[str, Any]]:
    """Return the parameters of every complete run of a notebook below a folder, by directory.

    :class:`EcgcoreError`: there is none, or one that was complete is damaged.
    """
    runs = {}
    for run, params, _ in _finished(folder):
        if params.pop("notebook", None) == notebook:
            if problem := damage(run):
                raise EcgcoreError(f"{run}: {problem}; delete this run directory and run it again.")
            runs[str(run)] = params
    if not runs:
        raise EcgcoreError(
            f"{folder}: no complete run of {notebook} here; run that notebook first."
        )
    return runs


def check_archive(folder: Path | str, fingerprint: str, name: str) -> None:
    """Raise :class:`EcgcoreError` for a run below a folder that was made on another archive."""
    for run, params, facts in _finished(folder):
        archive = facts.get("archive", {})
        if "runs" not in params and archive.get("fingerprint") not in (None, fingerprint):
            raise EcgcoreError(
                f"{run}: was made on the archive {archive.get('name')}, but the parameter "
                f"'archive' names {name}; give the archive of these runs."
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


def load_runs(folder: Path | str, notebook: str) -> pd.DataFrame:
    """Return the tidy metrics of every complete run of a notebook; see :func:`load_tables`."""
    return load_tables(folder, notebook, "metrics")


def load_predictions(run: Path | str) -> pd.DataFrame:
    """Return one row per record of a run: ecg_id, patient_id, part, y_true, score and logit."""
    return files.read_parquet(Path(run) / "predictions.parquet")

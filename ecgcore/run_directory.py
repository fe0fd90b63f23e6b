"""Run directories as others read them: whole or not, current or not, and their tables."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore import files, provenance
from ecgcore.errors import EcgcoreError

RESULTS = (".csv", ".json", ".parquet", ".safetensors")
"""Suffixes of the files that a run leaves beside its notebook."""


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_whole(folder: Path) -> bool:
    """Whether a run directory has all that a finished run leaves, unchanged."""
    return not damage(folder)


def damage(folder: Path) -> str:
    """What is wrong with a run directory, going by the list in ``provenance.json``; or nothing."""
    try:
        facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        for name, was in {"params.json": None, **facts.get("files", {})}.items():
            if was and digest(folder / name) != was:
                return f"{name} was changed"
            if not (folder / name).is_file():
                return f"{name} is missing"
    except OSError as error:
        return f"{Path(error.filename).name} is missing"
    except (ValueError, AttributeError):
        return "provenance.json cannot be read"
    return ""


def is_current(folder: Path, identity: str) -> bool:
    """Whether a run directory holds the run of this identity, whole, made by the code of today."""
    if damage(folder) or not (folder / "notebook.ipynb").exists():
        return False
    facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    made = (facts.get("identity"), facts.get("code"))
    return made == (identity, provenance.code_fingerprint())


def find_runs(folder: Path | str, notebook: str) -> dict[str, dict[str, Any]]:
    """Complete runs of one notebook below a folder: parameters by run directory.

    Raises
    ------
    EcgcoreError
        There is no complete run of that notebook, or one that was complete is damaged.
    """
    found = {}
    for file in sorted(Path(folder).rglob("params.json")):
        run = file.parent
        if run.name.endswith(files.ASIDE) or not (run / "provenance.json").exists():
            continue  # at work, or killed
        params = json.loads(file.read_text(encoding="utf-8"))
        if params.pop("notebook", None) != notebook:
            continue
        if wrong := damage(run):
            raise EcgcoreError(f"{run}: {wrong}; delete this run directory and run it again.")
        found[str(run)] = params
    if not found:
        raise EcgcoreError(
            f"{folder}: no complete run of {notebook} here; run that notebook first."
        )
    return found


def load_tables(folder: Path | str, notebook: str, name: str) -> pd.DataFrame:
    """One table of every run of a notebook, with the run's parameters as columns.

    Parameters
    ----------
    name
        File stem of the table in the run directory; runs that lack it, or where it is empty,
        are passed over.

    Returns
    -------
    pandas.DataFrame
        Rows of each table, the parameters as columns, the run directory in column ``run``.
    """
    frames = []
    for run, params in find_runs(folder, notebook).items():
        file = Path(run, f"{name}.csv")
        if not file.exists() or not file.read_text(encoding="utf-8").strip():
            continue
        frame = pd.read_csv(file)
        for key in params.keys() - set(frame.columns):
            frame[key] = [params[key]] * len(frame)
        frames.append(frame.assign(run=run))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def load_runs(folder: Path | str, notebook: str) -> pd.DataFrame:
    """The tidy metrics of every complete run of a notebook; see :func:`load_tables`."""
    return load_tables(folder, notebook, "metrics")


def load_predictions(run: Path | str) -> pd.DataFrame:
    """One row a record of a run: ecg_id, patient_id, part, y_true, score and logits."""
    return files.read_parquet(Path(run) / "predictions.parquet")

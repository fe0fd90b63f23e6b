"""What the book says of a run: data, code, device, numbers, and the command that repeats it."""

import json
import math
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore import study

PLACES = ("out", "tier", "runs", "archive", "real")
"""Parameters that say where a run was made, which a reader's own machine knows better."""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one where there is no file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def data_kind(archives: Iterable[Mapping[str, Any]]) -> str:
    """*simulated*, *real*, or *simulated and real* records; or none, where no run read any."""
    kinds = {archive.get("is_simulated") for archive in archives if archive}
    words: dict[object, str] = {True: "simulated records", False: "real records"}
    if not kinds:
        return "no records"
    both = "simulated and real records"
    return words.get(kinds.pop(), both) if len(kinds) == 1 else both


def data_name(archive: Mapping[str, Any]) -> str:
    """Name of a real archive; a simulated one has none but that."""
    return "simulated" if archive.get("is_simulated") else str(archive.get("name", "none"))


def commit_words(fact: Mapping[str, Any]) -> str:
    """Short commit, and whether the checkout had changes on top of it."""
    return str(fact["git_commit"])[:10] + (" with changes" if fact["git_dirty"] else "")


def without_places(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that say what was computed."""
    return {k: v for k, v in params.items() if k not in ("notebook", *PLACES)}


def command(params: Mapping[str, Any]) -> str:
    """The command that repeats a run, on the archive that its reader has."""
    words = [f"-p {shlex.quote(f'{k}={_text(v)}')}" for k, v in without_places(params).items()]
    notebook = f"notebooks/{params['notebook']}.ipynb"
    return " ".join(["python -m ecgcore run", notebook, *words, "--out my_run"])


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def gather(folder: Path, pages: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Facts of every whole run in a folder of run directories, by name.

    Parameters
    ----------
    folder
        Holds the run directories.
    pages
        Run directory of each page of ``notebooks/``, by the page's name.
    """
    shown = {Path(run).name: f"notebooks/{page}" for page, run in pages.items()}
    runs = sorted(path for path in folder.iterdir() if path.is_dir() and study.is_whole(path))
    return [_describe(run, shown.get(run.name)) for run in runs if not run.suffix]


def _describe(run: Path, page: str | None) -> dict[str, Any]:
    params, fact = read_json(run / "params.json"), read_json(run / "provenance.json")
    archive = fact["archive"]
    return {
        "name": run.name,
        "notebook": params["notebook"],
        "page": page,
        "data": data_kind([archive]),
        "command": command(params),
        "params": {k: _text(v) for k, v in without_places(params).items()},
        "metrics": _metrics(run / "metrics.csv"),
        "results": {k: _finite(v) for k, v in read_json(run / "results.json").items()},
        "seconds": fact["seconds"],
        "origin": {
            "records": archive.get("n_records"),
            "patients": archive.get("n_patients"),
            "archive": f"{data_name(archive)} {str(archive.get('fingerprint', ''))[:12]}",
            "code": commit_words(fact),
            "device": archive.get("device", "cpu"),
            "minutes": round(fact["seconds"] / 60, 1),
            "peak memory [MiB]": fact["peak_memory_mib"],
        },
    }


def _finite(value: Any) -> Any:
    """JSON as browsers read it has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _metrics(path: Path) -> dict[str, tuple[float | None, ...]]:
    """(value, low, high) of the test part by metric; empty for tables of another kind."""
    if not path.exists() or not path.read_text(encoding="utf-8").strip():
        return {}
    table = pd.read_csv(path)
    if not {"part", "metric", "value"} <= set(table.columns):
        return {}
    of_test = table[table["part"].isin(["test", "run"])]
    columns = of_test.reindex(columns=["value", "low", "high"]).astype(float)
    rows: Iterable[tuple[Any, ...]] = columns.itertuples(index=False, name=None)
    return {
        name: tuple(_finite(v) for v in row)
        for name, row in zip(of_test["metric"], rows, strict=True)
    }

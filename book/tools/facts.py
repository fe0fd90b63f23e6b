"""Describe a run for the book: data, code, device, numbers and the command that repeats it."""

import math
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore.files import TEMPORARY_SUFFIXES
from ecgcore.runs.directory import damage, read_json

PLACES = ("archive", "runs")
"""Parameters that name folders: part of the command, but not of what was computed."""


def data_kind(archives: Iterable[Mapping[str, Any]]) -> str:
    """Return *simulated*, *real* or *simulated and real records*, or *no records*."""
    kinds = {"simulated" if one.get("is_simulated") else "real" for one in archives if one}
    return f"{' and '.join(sorted(kinds, reverse=True)) or 'no'} records"


def data_name(archive: Mapping[str, Any]) -> str:
    """Return the name of a real archive, and *simulated* for any simulated one."""
    return "simulated" if archive.get("is_simulated") else str(archive.get("name", "none"))


def commit_words(facts: Mapping[str, Any]) -> str:
    """Return the short commit, and whether the checkout had uncommitted changes."""
    changes = " (with uncommitted changes)" if facts["git_dirty"] else ""
    return str(facts["git_commit"])[:10] + changes


def computed_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that determine what was computed."""
    return {name: v for name, v in params.items() if name not in ("notebook", *PLACES)}


def repeat_command(params: Mapping[str, Any]) -> str:
    """Return the command that repeats a run in a checkout that has built the same tier.

    Folders in the checkout keep their names; a folder elsewhere on the machine that made the run
    becomes ``path/to/NAME``.
    """
    words = []
    for name, value in params.items():
        if name in PLACES and Path(str(value)).is_absolute():
            value = f"path/to/{Path(str(value)).name}"
        if name != "notebook":
            words.append(f"-p {shlex.quote(f'{name}={as_text(value)}')}")
    notebook = f"notebooks/{params['notebook']}.ipynb"
    return " ".join(["python -m ecgcore run", notebook, *words, "--out my_run"])


def needed_first(params: Mapping[str, Any], tier: str) -> str:
    """Return the command that makes the folders named by :func:`repeat_command`, or ""."""
    if not any(str(params.get(name, "")).startswith("_build/") for name in PLACES):
        return ""
    is_given = str(params.get("archive", "")).endswith("given-store")
    return f"make book TIER={tier}" + (" ARCHIVE=path/to/ptb-xl" if is_given else "")


def as_text(value: Any) -> str:
    """Return a parameter's value as it is written on the command line."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def describe_runs(folder: Path, pages: Mapping[str, Path], tier: str) -> list[dict[str, Any]]:
    """Return the facts of every complete run in a folder of run directories, by name.

    ``pages`` holds the run directory of each page of ``notebooks/``, by the page's name.
    """
    page_of = {Path(run).name: f"notebooks/{page}" for page, run in pages.items()}
    return [
        _describe(run, page_of.get(run.name), tier)
        for run in sorted(file.parent for file in folder.rglob("params.json"))
        if not run.name.endswith(TEMPORARY_SUFFIXES) and not damage(run)
    ]


def _describe(run: Path, page: str | None, tier: str) -> dict[str, Any]:
    params, facts = read_json(run / "params.json"), read_json(run / "provenance.json")
    archive = facts["archive"]
    return {
        "name": run.name,
        "notebook": params["notebook"],
        "page": page,
        "data": data_kind([archive]),
        "command": repeat_command(params),
        "first": needed_first(params, tier),
        "params": {name: as_text(v) for name, v in computed_params(params).items()},
        "metrics": _test_metrics(run / "metrics.csv"),
        "results": {name: _finite(v) for name, v in read_json(run / "results.json").items()},
        "seconds": facts["seconds"],
        "origin": {
            "records": archive.get("n_records"),
            "patients": archive.get("n_patients"),
            "archive": f"{data_name(archive)} {str(archive.get('fingerprint', ''))[:12]}",
            "code": commit_words(facts),
            "device": archive.get("device", "cpu"),
            "minutes": round(facts["seconds"] / 60, 1),
            "peak memory [MiB]": facts["peak_memory_mib"],
        },
    }


def _finite(value: Any) -> Any:
    """Return None for NaN and infinity, which JSON in browsers does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _test_metrics(path: Path) -> dict[str, tuple[float | None, ...]]:
    """Return (value, low, high) of the test part by metric; empty for tables of another kind."""
    table = pd.read_csv(path) if path.exists() else pd.DataFrame()
    if not {"part", "metric", "value"} <= set(table.columns):
        return {}
    of_test = table[table["part"].isin(["test", "run"])].set_index("metric")
    rows = of_test.reindex(columns=["value", "low", "high"]).astype(float)
    return {str(name): tuple(map(_finite, row)) for name, *row in rows.itertuples()}

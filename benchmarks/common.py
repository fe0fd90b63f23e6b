"""Shared parts of the benchmarks: options, new processes, resumable work and results."""

import argparse
import json
import multiprocessing
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore import files
from ecgcore.runs import recorded

ROOT = recorded.FOLDER.parent


def make_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the mutually exclusive options ``--quick`` and ``--record``."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--quick", action="store_true", help="a tiny run to check that it works")
    group.add_argument("--record", action="store_true", help="write the table to results/")
    return parser


def in_new_process(function: Callable[..., Any], *args: Any) -> Any:
    """Call a module's function in a new process, whose peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def finish(
    steps: Mapping[str, Callable[[], dict[str, Any]]], log: Path, key: str
) -> list[dict[str, Any]]:
    """Execute the steps that are not in ``log`` yet; return the rows of all steps.

    ``steps`` are functions that return a row, by name; the name becomes the column ``key``. Rows
    are saved in ``log`` as JSON lines, so that a killed script can continue. A step that fails does
    not stop the others; SystemExit names it at the end.
    """
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    rows = [json.loads(line) for line in text.splitlines()]
    waiting, failed = [name for name in steps if name not in {row[key] for row in rows}], []
    start = time.monotonic()
    for n_done, name in enumerate(waiting, start=1):
        try:
            rows.append({key: name, **steps[name]()})
        except Exception:
            traceback.print_exc()
            failed.append(name)
            continue
        files.write_whole(log, "".join(json.dumps(row, default=float) + "\n" for row in rows))
        minutes = (time.monotonic() - start) / 60 / n_done * (len(waiting) - n_done)
        print(f"{n_done} of {len(waiting)}, about {minutes:.0f} minutes left: {name}", flush=True)
    if failed:
        raise SystemExit(f"Failed: {', '.join(failed)}; the same command tries only these again.")
    return rows


def save(name: str, table: pd.DataFrame, script: str, arguments: str, **facts: Any) -> None:
    """Write ``results/NAME``; ``script`` (a ``__file__``) and ``arguments`` form its command."""
    path = Path(script).resolve().relative_to(ROOT).as_posix()
    facts = {"command": f"python {path} {arguments}", "depends_on": [path], **facts}
    recorded.save(name, table, facts)


def size_mib(folder: Path) -> float:
    """Return the size of a folder's files [MiB]."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20

"""The command *Repeat this run* on every page reproduces the page's own numbers."""

import json
import re
import shlex
import subprocess
import sys
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from ecgcore.runs.directory import read_json

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
NOT_REPEATED = ("seconds", "records_per_s", "cpu_s", "memory")
"""Costs, which differ between runs."""


def command_on(page: Path) -> str:
    text = unescape(re.sub("<[^>]+>", "", page.read_text(encoding="utf-8")))
    return next(re.finditer(r"^python -m ecgcore run .* --out my_run$", text, re.M))[0]


def is_cost(name: str) -> bool:
    return any(word in name for word in NOT_REPEATED)


@pytest.mark.parametrize("name", PAGES)
def test_repeating_gives_the_same_numbers(
    html: Path, built_runs: Path, tmp_path: Path, name: str
) -> None:
    page = html / "notebooks" / f"{name}.html"
    assert page.exists(), f"this build has no page {name}"
    words = shlex.split(command_on(page).replace("--out my_run", f"--out {tmp_path / 'my_run'}"))
    subprocess.run([sys.executable, *words[1:]], cwd=ROOT, check=True)
    (first,) = [
        next(built_runs.rglob(run["name"]))
        for run in json.loads((ROOT / "_build/staging" / built_runs.name / "runs.json").read_text())
        if run["page"] == f"notebooks/{name}"
    ]
    second = tmp_path / "my_run"
    files = sorted(file.name for file in first.glob("*.csv"))
    assert files == sorted(file.name for file in second.glob("*.csv"))
    for file in files:
        tables = [pd.read_csv(folder / file) for folder in (first, second)]
        if "metric" in tables[0]:
            tables = [table[~table["metric"].map(is_cost)] for table in tables]
        tables = [table.drop(columns=list(filter(is_cost, table))) for table in tables]
        pd.testing.assert_frame_equal(*tables, rtol=1e-6)
    results = [pd.Series(read_json(one / "results.json"), dtype=object) for one in (first, second)]
    results = [one[[key for key in one.index if not is_cost(key)]] for one in results]
    pd.testing.assert_series_equal(*results, rtol=1e-6)

"""*Repeat this run*, as it stands on every page: it gives the page's own numbers."""

import json
import math
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ecgcore.runs.directory import read_json

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
NOT_REPEATED = ("seconds", "records_per_s", "cpu_s", "memory")
"""Costs, which differ from time to time."""


class _Text(HTMLParser):
    text = ""

    def handle_data(self, data: str) -> None:
        self.text += data


def command_on(page: Path) -> str:
    parser = _Text()
    parser.feed(page.read_text(encoding="utf-8"))
    lines = [line for line in parser.text.splitlines() if line.startswith("python -m ecgcore run")]
    return next(line for line in lines if line.endswith("--out my_run"))


def is_cost(name: str) -> bool:
    return any(word in name for word in NOT_REPEATED)


def is_same(first: Any, again: Any) -> bool:
    """Compare two values of ``results.json``; numbers may differ by rounding, NaN equals NaN."""
    if isinstance(first, float) and isinstance(again, float):
        if math.isnan(first) or math.isnan(again):
            return math.isnan(first) and math.isnan(again)
        return math.isclose(first, again, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(first, list) and isinstance(again, list):
        return len(first) == len(again) and all(map(is_same, first, again))
    if isinstance(first, dict) and isinstance(again, dict):
        return first.keys() == again.keys() and all(is_same(first[k], again[k]) for k in first)
    return type(first) is type(again) and bool(first == again)


@pytest.mark.parametrize(
    ("first", "again", "expected"),
    [
        (0.5, 0.5 + 1e-9, True),
        (0.5, 0.6, False),
        (math.nan, math.nan, True),
        (math.nan, 0.5, False),
        (0.5, math.nan, False),
        (3, 4, False),
        ("undecided", "worse", False),
        (True, 1, False),
        (None, None, True),
        ([1, math.nan], [1, math.nan], True),
        ({"a": "x"}, {"a": "y"}, False),
    ],
)
def test_every_kind_of_value_is_compared(first: Any, again: Any, expected: bool) -> None:
    assert is_same(first, again) is expected


@pytest.mark.parametrize("name", PAGES)
def test_repeating_gives_the_same_numbers(
    html: Path, built_runs: Path, tmp_path: Path, name: str
) -> None:
    page = html / "notebooks" / f"{name}.html"
    assert page.exists(), f"this build has no page {name}"
    words = shlex.split(command_on(page).replace("--out my_run", f"--out {tmp_path / 'my_run'}"))
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
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
    results = [read_json(folder / "results.json") for folder in (first, second)]
    assert results[0].keys() == results[1].keys()
    for key, value in results[0].items():
        assert is_cost(key) or is_same(value, results[1][key]), (key, value, results[1][key])

"""*Repeat this run*, as it stands on every page: it gives the page's own numbers."""

import json
import math
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

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


@pytest.mark.parametrize("name", PAGES)
def test_repeating_gives_the_same_numbers(
    html: Path, built_runs: Path, tmp_path: Path, name: str
) -> None:
    page = html / "notebooks" / f"{name}.html"
    if not page.exists():
        pytest.skip(f"this build has no page {name}")
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
    for file in sorted(first.glob("*.csv")):
        tables = [pd.read_csv(folder / file.name) for folder in (first, tmp_path / "my_run")]
        if "metric" in tables[0]:
            is_cost = tables[0]["metric"].str.contains("|".join(NOT_REPEATED))
            tables = [table[~is_cost] for table in tables]
        columns = [c for c in tables[0] if not any(word in c for word in NOT_REPEATED)]
        pd.testing.assert_frame_equal(*(table[columns] for table in tables), rtol=1e-6)
    for key, value in read_json(first / "results.json").items():
        again = read_json(tmp_path / "my_run" / "results.json")[key]
        if isinstance(value, float) and not any(word in key for word in NOT_REPEATED):
            assert math.isclose(value, again, rel_tol=1e-6, abs_tol=1e-9) or value != value, key

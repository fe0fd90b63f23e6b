"""Fixtures for the tests that read the built book or open its pages."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browser import DESKTOP, FLAGS, chromium, missing
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def html() -> Path:
    """Return the built book: ``ECGCORE_HTML``, else ``_build/html``."""
    folder = ROOT / os.environ.get("ECGCORE_HTML", "_build/html")
    if not (folder / "index.html").exists():
        missing(f"no built book in {folder}: run make book TIER=smoke")
    return folder


@pytest.fixture(scope="session")
def built_runs(html: Path) -> Path:
    """Return the run directories behind the built book."""
    (tier,) = [path.name.removeprefix(".tier-") for path in html.glob(".tier-*")]
    return ROOT / "_build" / "runs" / tier


@pytest.fixture(scope="session")
def context() -> Iterator[Any]:
    """Yield Chromium without a network for all tests of a process: Playwright allows only one."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser.new_context(offline=True, viewport=DESKTOP)
        browser.close()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run directory whose notebook has a figure, a table and local paths."""
    pixel = (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
        "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    folder = tmp_path / "run"
    folder.mkdir()
    figure = new_code_cell(
        "draw()", execution_count=3, outputs=[new_output("display_data", data={"image/png": pixel})]
    )
    figure.metadata["mystnb"] = {"figure": {"name": "a-figure", "caption": "A."}}
    injected = '# Parameters\nseed = 3\nout = "/somewhere/run"\narchive = "/somewhere/data"'
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# A page"),
            new_code_cell("seed: int = 1", execution_count=1, metadata={"tags": ["parameters"]}),
            new_code_cell(injected, execution_count=2, metadata={"tags": ["injected-parameters"]}),
            figure,
        ],
        metadata={
            "papermill": {"output_path": "/somewhere/run"},
            "language_info": {"name": "python", "pygments_lexer": "python"},
        },
    )
    nbformat.write(notebook, folder / "notebook.ipynb")
    facts = {
        "git_commit": "a" * 40, "git_dirty": False, "seconds": 90.0, "peak_memory_mib": 512,
        "archive": {"name": "toy", "is_simulated": True, "fingerprint": "f" * 64, "n_records": 9},
    }  # fmt: skip
    params = {"notebook": "page", "seed": 3, "runs": "_build/runs/smoke", "archive": "/x/data"}
    results = {"auroc": 0.98765, "n": float("nan")}
    for name, content in {"provenance": facts, "params": params, "results": results}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "metrics.csv").write_text(
        "metric,part,value,low,high\nauroc,test,0.9,0.8,0.95\nauroc,test_balanced,0.7,,\n"
        "train_seconds,run,12,,\n"
    )
    (folder / "claims.csv").write_text(
        "claim,data,measured,value,interval,level,holds where,verdict\n"
        "As good,real,AUROC,-0.02,-0.03 to -0.01,90 %,at least -0.02,undecided\n"
    )
    return folder

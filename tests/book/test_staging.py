"""From run directories to pages: no failed runs, no local paths, the run's own numbers."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_output

from book.tools import launch, staging
from ecgcore.errors import EcgcoreError


def test_a_page_has_its_card_and_no_local_path(root: Path, run: Path, tmp_path: Path) -> None:
    to = tmp_path / "staged"
    staging.stage(root, {"page": run}, to, tier="smoke", gallery=tmp_path, repository="a/b")
    page = nbformat.read(to / "notebooks" / "page.ipynb", as_version=4)
    card = page.cells[1].source
    assert "This build: simulated records, tier smoke" in card
    assert "**Data:** simulated: 9 records" in card
    assert "its numbers mean nothing" in card
    assert "-p seed=3 -p runs=_build/runs/smoke -p archive=path/to/data --out my_run" in card
    assert "After running `make book TIER=smoke`" in card
    for name, address in launch.links("a/b", "page").items():
        assert f"{{bdg-link-primary}}`Open in {name} <{address}>`" in card
    assert "/somewhere" not in (to / "notebooks" / "page.ipynb").read_text()
    assert all("hide-input" in cell.metadata.tags for cell in page.cells[2:4])
    sentence = json.loads((to / "build.json").read_text())["sentence"]
    assert "simulated records (tier smoke, code version aaaaaaaaaa). This tier" in sentence
    assert (to / "book" / "_generated" / "a-figure.png").stat().st_size > 50
    assert len(list((to / "tables" / "recorded").glob("*.csv"))) >= 5
    assert not (to / "book" / "tools").exists()
    practice = (to / "book" / "practice.md").read_text()
    assert "git clone https://github.com/a/b ecg-book" in practice
    assert "ADDRESS" not in practice
    (described,) = json.loads((to / "runs.json").read_text(), parse_constant=pytest.fail)
    assert described["page"] == "notebooks/page"
    assert described["metrics"] == {"auroc": [0.9, 0.8, 0.95], "train_seconds": [12, None, None]}
    assert described["results"] == {"auroc": 0.98765, "n": None}


def test_a_failed_run_is_not_staged(root: Path, run: Path, tmp_path: Path) -> None:
    path = run / "notebook.ipynb"
    notebook = nbformat.read(path, as_version=4)
    error = {"ename": "ValueError", "evalue": "no", "traceback": []}
    notebook.cells[-1].outputs = [new_output("error", **error)]
    nbformat.write(notebook, path)
    with pytest.raises(EcgcoreError, match=r"page\.ipynb: cell 3 raised ValueError"):
        staging.stage(root, {"page": run}, tmp_path / "staged", tier="smoke")
    assert not (tmp_path / "staged").exists()


def small_book(root: Path, run: Path, tmp_path: Path, text: str) -> Path:
    """Return a staged book with a landing page and a run."""
    staging.stage(root, {"page": run}, tmp_path / "staged", tier="smoke")
    toc = "format: jb-book\nroot: book/index\nchapters:\n  - file: notebooks/page\n"
    (tmp_path / "staged" / "_toc.yml").write_text(toc)
    (tmp_path / "staged" / "book" / "index.md").write_text(f"# Title\n\n{text}\n")
    return tmp_path / "staged"


def test_numbers_come_from_the_run_and_empty_sections_are_removed(
    root: Path, run: Path, tmp_path: Path
) -> None:
    section = "## {0}\n\n```{{with-result}} page.{1}\n```\n\nText.\n\n### Below {0}\n\nMore.\n\n"
    text = (
        "AUROC {res}`page.auroc:.3f`, {res}`page.metrics[auroc,test].low:.2f` and $W x$.\n\n"
        ":::{with-result} page.nothing\nnot shown\n:::\n\n"
        ":::{with-result} page.auroc\nis shown\n:::\n\n"
        "```{claims-table}\n:study: page\n```\n"
    )
    text += section.format("Absent", "nothing") + section.format("Present", "auroc")
    text += "## Last\n\nEnd."
    staging.build_book(small_book(root, run, tmp_path, text), tmp_path / "html")
    page = (tmp_path / "html" / "book" / "index.html").read_text()
    parts = (
        '<span class="result">0.988</span>', '<span class="result">0.80</span>', "<math",
        "is shown", "\u22120.02 [\u22120.03 to \u22120.01, 90 %]", "Below Present", "End.",
    )  # fmt: skip
    assert [part for part in parts if part not in page] == []
    assert not re.search("not shown|Absent", page)
    card = (tmp_path / "html" / "notebooks" / "page.html").read_text()
    for part in ("sd-dropdown", "Repeat this run", "run-card"):
        assert part in card


def test_a_missing_number_or_wrong_formula_keeps_the_old_book(
    root: Path, run: Path, tmp_path: Path
) -> None:
    html = tmp_path / "html"
    html.mkdir()
    (html / "index.html").write_text("old page")
    text = "{res}`page.auprc:.3f` {res}`page.metrics[cnn1d,9].low` $\\nosuch x$."
    with pytest.raises(EcgcoreError, match=r"no result 'page\.auprc'") as error:
        staging.build_book(small_book(root, run, tmp_path, text), html)
    message = str(error.value)
    assert "no row with [cnn1d,9]" in message
    assert "Unknown command" in message
    assert "\nbook/index.md:3: WARNING" in message
    assert "\x1b" not in message
    assert (html / "index.html").read_text() == "old page"

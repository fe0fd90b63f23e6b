"""From run directories to pages: nothing that failed, no machine's path, the run's own numbers."""

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from ecgcore import launch, staging
from ecgcore.errors import EcgcoreError

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    figure = new_output("display_data", data={"image/png": PIXEL})
    drawn = new_code_cell("draw()", execution_count=3, outputs=[figure])
    drawn.metadata["mystnb"] = {"figure": {"name": "a-figure", "caption": "A."}}
    injected = '# Parameters\nseed = 3\nout = "/somewhere/run"\narchive = "/somewhere/data"'
    book = new_notebook(
        cells=[
            new_markdown_cell("# A page"),
            new_code_cell("seed: int = 1", execution_count=1, metadata={"tags": ["parameters"]}),
            new_code_cell(injected, execution_count=2, metadata={"tags": ["injected-parameters"]}),
            drawn,
        ],
        metadata={"papermill": {"output_path": "/somewhere/run"}},
    )
    nbformat.write(book, folder / "notebook.ipynb")
    facts = {
        "git_commit": "a" * 40, "git_dirty": False, "seconds": 90.0, "peak_memory_mib": 512,
        "archive": {"name": "toy", "is_simulated": True, "fingerprint": "f" * 64, "n_records": 9},
    }  # fmt: skip
    (folder / "provenance.json").write_text(json.dumps(facts))
    (folder / "params.json").write_text(json.dumps({"notebook": "page", "seed": 3, "archive": "x"}))
    (folder / "results.json").write_text(json.dumps({"auroc": 0.9}))
    return folder


def test_a_page_carries_its_card_and_no_path(root: Path, run: Path, tmp_path: Path) -> None:
    to = tmp_path / "staged"
    staging.stage(root, {"page": run}, to, tier="smoke")
    page = nbformat.read(to / "notebooks" / "page.ipynb", as_version=4)
    card = page.cells[1].source
    assert "Last run: simulated records, tier smoke" in card
    assert "**Data** simulated: 9 records" in card
    assert "**To read** 1 min" in card
    assert "Open in" not in card
    assert "its figures mean nothing" in card
    assert "-p seed=3" in card
    assert "archive=" not in card
    assert "/somewhere" not in (to / "notebooks" / "page.ipynb").read_text()
    assert all("hide-input" in cell.metadata.tags for cell in page.cells[2:4])
    assert json.loads((to / "results.json").read_text()) == {"page": {"auroc": 0.9}}
    assert json.loads((to / "build.json").read_text())["kind"] == "simulated records"
    assert (to / "book" / "_generated" / "a-figure.png").stat().st_size > 50


def test_a_failed_run_is_not_staged(root: Path, run: Path, tmp_path: Path) -> None:
    path = run / "notebook.ipynb"
    book = nbformat.read(path, as_version=4)
    error = {"ename": "ValueError", "evalue": "no", "traceback": []}
    book.cells[-1].outputs = [new_output("error", **error)]
    nbformat.write(book, path)
    with pytest.raises(EcgcoreError, match=r"page\.ipynb: cell 3 raised ValueError"):
        staging.stage(root, {"page": run}, tmp_path / "staged", tier="smoke")
    assert not (tmp_path / "staged").exists()
    (run / "provenance.json").unlink()
    with pytest.raises(EcgcoreError, match="not a finished run"):
        staging.stage(root, {"page": run}, tmp_path / "staged", tier="smoke")


def small_book(tmp_path: Path, root: Path, text: str) -> Path:
    staged = tmp_path / "staged"
    (staged / "book").mkdir(parents=True)
    for name in ("_ext", "_static"):
        (staged / "book" / name).symlink_to(root / "book" / name)
    (staged / "book" / "references.bib").write_text("")
    (staged / "_config.yml").write_text((root / "_config.yml").read_text())
    (staged / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    (staged / "results.json").write_text('{"page": {"auroc": 0.98765}}')
    (staged / "book" / "index.md").write_text(f"# Title\n\n{text}\n")
    return staged


def test_a_number_comes_from_the_run_and_a_formula_is_drawn(root: Path, tmp_path: Path) -> None:
    staged = small_book(tmp_path, root, "AUROC {res}`page.auroc:.3f` and $W x$.")
    staging.build_book(staged, tmp_path / "html")
    page = (tmp_path / "html" / "book" / "index.html").read_text()
    assert '<span class="result">0.988</span>' in page
    assert "<math" in page


def test_a_missing_number_or_wrong_formula_keeps_the_old_book(root: Path, tmp_path: Path) -> None:
    html = tmp_path / "html"
    html.mkdir()
    (html / "index.html").write_text("old page")
    staged = small_book(tmp_path, root, "AUROC {res}`page.auprc:.3f` and $\\nosuch x$.")
    with pytest.raises(EcgcoreError, match=r"no result 'page\.auprc'") as told:
        staging.build_book(staged, html)
    assert "Unknown command" in str(told.value)
    assert "\nbook/index.md:3: WARNING" in str(told.value)
    assert "\x1b" not in str(told.value)
    assert (html / "index.html").read_text() == "old page"


def test_a_published_page_says_where_it_can_be_opened(
    root: Path, run: Path, tmp_path: Path
) -> None:
    staging.stage(root, {"page": run}, tmp_path / "to", tier="smoke", repository="owner/name")
    card = nbformat.read(tmp_path / "to" / "notebooks" / "page.ipynb", as_version=4).cells[1]
    for name, address in launch.links("owner/name", "page").items():
        assert f"[Open in {name}]({address})" in card.source

"""From run directories to pages: nothing that failed, no machine's path, the run's own numbers."""

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_output

from book.tools import facts, launch, staging
from book.tools.__main__ import main
from ecgcore.errors import EcgcoreError


def test_a_page_carries_its_card_and_no_path(root: Path, run: Path, tmp_path: Path) -> None:
    to = tmp_path / "staged"
    staging.stage(root, {"page": run}, to, tier="smoke", gallery=tmp_path, repository="a/b")
    page = nbformat.read(to / "notebooks" / "page.ipynb", as_version=4)
    card = page.cells[1].source
    assert "This build: simulated records, tier smoke" in card
    assert "**Data** simulated: 9 records" in card
    assert "About 1 min to read" in card
    assert "numbers computed in it mean nothing" in card
    assert "-p seed=3 -p runs=_build/runs/smoke -p archive=path/to/data --out my_run" in card
    assert "After `make book TIER=smoke`" in card
    for name, address in launch.links("a/b", "page").items():
        assert f"{{bdg-link-primary}}`Open in {name} <{address}>`" in card
    assert "/somewhere" not in (to / "notebooks" / "page.ipynb").read_text()
    assert all("hide-input" in cell.metadata.tags for cell in page.cells[2:4])
    assert json.loads((to / "results.json").read_text()) == {"page": {"auroc": 0.9}}
    sentence = json.loads((to / "build.json").read_text())["sentence"]
    assert "come from simulated records, tier smoke, code aaaaaaaaaa. This tier shows" in sentence
    assert (to / "book" / "_generated" / "a-figure.png").stat().st_size > 50
    assert (to / "tables" / "page" / "metrics.csv").exists()
    assert len(list((to / "tables" / "recorded").glob("*.csv"))) >= 5
    assert not (to / "book" / "tools").exists()
    assert [one["page"] for one in json.loads((to / "runs.json").read_text())] == ["notebooks/page"]


def test_a_failed_run_is_not_staged(root: Path, run: Path, tmp_path: Path) -> None:
    path = run / "notebook.ipynb"
    notebook = nbformat.read(path, as_version=4)
    error = {"ename": "ValueError", "evalue": "no", "traceback": []}
    notebook.cells[-1].outputs = [new_output("error", **error)]
    nbformat.write(notebook, path)
    with pytest.raises(EcgcoreError, match=r"page\.ipynb: cell 3 raised ValueError"):
        staging.stage(root, {"page": run}, tmp_path / "staged", tier="smoke")
    assert not (tmp_path / "staged").exists()
    (run / "provenance.json").unlink()
    with pytest.raises(EcgcoreError, match="not a finished run"):
        staging.stage(root, {"page": run}, tmp_path / "staged", tier="smoke")


def test_a_page_without_a_run_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["book", "--runs", "r", "--tier", "t", "--staging", "s", "--html", "h", "--page", "x"]
    with pytest.raises(SystemExit, match="2"):
        main(command)
    assert "--page: x: expected NAME=RUN" in capsys.readouterr().err


def test_facts_of_runs_are_plain(run: Path) -> None:
    (run / "results.json").write_text('{"auroc": NaN, "n": 3}')
    (described,) = facts.describe_runs(run.parent, {"page": run}, "smoke")
    assert described["metrics"] == {"auroc": (0.9, 0.8, 0.95), "train_seconds": (12.0, None, None)}
    assert described["results"] == {"auroc": None, "n": 3}
    assert "/x/" not in json.dumps(described, allow_nan=False)


def small_book(tmp_path: Path, root: Path, text: str) -> Path:
    """A staged book of one page, with results, a table and claims."""
    staged = tmp_path / "staged"
    (staged / "book").mkdir(parents=True)
    (staged / "notebooks").mkdir()
    for name in ("_ext", "_static"):
        (staged / "book" / name).symlink_to(root / "book" / name)
    (staged / "book" / "references.bib").write_text("")
    (staged / "_config.yml").write_text((root / "_config.yml").read_text())
    (staged / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n  - file: notebooks/page\n"
    )
    made = {"git_commit": "c" * 40, "git_dirty": True, "seconds": 60, "peak_memory_mib": 512}
    params = {"notebook": "page", "seed": 3, "archive": "_build/data/smoke/simulated-store"}
    card = staging.run_card("page", {**made, "archive": {}}, params, "smoke")
    (staged / "notebooks" / "page.md").write_text(f"# Page\n\n{card.source}\n")
    (staged / "results.json").write_text('{"page": {"auroc": 0.98765}}')
    (staged / "tables" / "page").mkdir(parents=True)
    (staged / "tables" / "page" / "rates.csv").write_text("model,rate_hz,low\ncnn1d,500,-0.1234\n")
    evidence = {
        "data": "real records, recorded", "measured": "AUROC", "value": "-0.02", "level": "90 %",
        "interval": "-0.03 to -0.01", "holds where": "at least -0.02", "verdict": "undecided",
    }  # fmt: skip
    claims = [{"page": "page", "claim": "As good", "evidence": [evidence]}]
    (staged / "claims.json").write_text(json.dumps(claims))
    (staged / "book" / "index.md").write_text(f"# Title\n\n{text}\n")
    return staged


def test_numbers_come_from_the_run_and_formulas_are_drawn(root: Path, tmp_path: Path) -> None:
    text = (
        "AUROC {res}`page.auroc:.3f`, {res}`page.rates[cnn1d,500].low:.2f` and $W x$.\n\n"
        ":::{with-result} page.nothing\nnot shown\n:::\n\n"
        ":::{with-result} page.auroc\nis shown\n:::\n\n"
        "```{claims-table}\n:study: page\n```\n"
    )
    staging.build_book(small_book(tmp_path, root, text), tmp_path / "html")
    page = (tmp_path / "html" / "book" / "index.html").read_text()
    assert '<span class="result">0.988</span>' in page
    assert '<span class="result">\u22120.12</span>' in page
    assert "<math" in page
    assert "is shown" in page
    assert "not shown" not in page
    assert "\u22120.02 [\u22120.03 to \u22120.01, 90 %]" in page
    card = (tmp_path / "html" / "notebooks" / "page.html").read_text()
    assert "sd-dropdown" in card
    assert "Repeat this run" in card
    assert "run-card" in card


def test_a_missing_number_or_wrong_formula_keeps_the_old_book(root: Path, tmp_path: Path) -> None:
    html = tmp_path / "html"
    html.mkdir()
    (html / "index.html").write_text("old page")
    text = "{res}`page.auprc:.3f` {res}`page.rates[cnn1d,9].low` $\\nosuch x$."
    with pytest.raises(EcgcoreError, match=r"no result 'page\.auprc'") as error:
        staging.build_book(small_book(tmp_path, root, text), html)
    message = str(error.value)
    assert "no row with [cnn1d,9]" in message
    assert "Unknown command" in message
    assert "\nbook/index.md:3: WARNING" in message
    assert "\x1b" not in message
    assert (html / "index.html").read_text() == "old page"

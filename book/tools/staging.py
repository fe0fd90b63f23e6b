"""Turn run directories into the book's pages and HTML; if that fails, the old book stays."""

import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import Template
from nbformat.v4 import new_markdown_cell

from book.tools import claims, facts, launch, results
from ecgcore import files
from ecgcore.errors import EcgcoreError
from ecgcore.runs import provenance, recorded
from ecgcore.runs.directory import damage, read_json
from ecgcore.runs.execution import gate

RUN_CARD = Template(Path(__file__).with_name("run_card.md.jinja").read_text(encoding="utf-8"))
CAVEATS = {"smoke": "This tier shows that everything runs; its numbers mean nothing."}
WORDS_PER_MINUTE = 150
"""Reading speed for prose with figures."""

OPEN_TABLES = 3
"""Number of a page's tables that are open at first; readers can open the others."""
PROMPTS = {
    "parameters": "Parameters and their defaults",
    "injected-parameters": "Parameters of this run",
}
_NOT_SHOWN = ("out", "tier", *facts.PLACES)


def make_book(
    runs: Path, pages: Sequence[tuple[str, str]], staging: Path, html: Path, **options: Any
) -> list[Path]:
    """Stage and build the book of the runs in a folder; return its landing page.

    ``pages`` are pairs of a page and its run; ``options`` are those of :func:`stage`.
    """
    html.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(html):
        run_of = {page: runs / run for page, run in pages}
        stage(Path.cwd(), run_of, staging, gallery=runs, **options)
        build_book(staging, html)
    return [html / "index.html"]


def stage(
    root: Path,
    pages: Mapping[str, Path],
    to: Path,
    *,
    tier: str,
    explorer: Path | None = None,
    gallery: Path | None = None,
    repository: str = "",
) -> None:
    """Write Jupyter Book's input to ``to``: prose, configuration, executed notebooks, numbers.

    ``root`` is the checkout; ``pages`` holds the run directory of each page of ``notebooks/``, by
    the page's name.  ``explorer`` is the folder that :func:`book.tools.explorer.export` wrote,
    without which the explorer's page cannot be built.  Every run directory in ``gallery`` gets a
    page.  ``repository`` is the ``OWNER/NAME`` on GitHub that readers clone and from which Colab
    and Binder open notebooks; without it, there are no links.  Raises :class:`EcgcoreError` if a
    notebook does not pass the gate or a run directory is incomplete.
    """
    for page, run in pages.items():
        if problem := damage(run):
            raise EcgcoreError(
                f"{page}: {run} is not a finished run ({problem}); delete it and build again."
            )
        gate(run / "notebook.ipynb", name=f"{page}.ipynb")
    shutil.rmtree(to, ignore_errors=True)
    (to / "notebooks").mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml", "CHANGELOG.md"):
        shutil.copy(root / name, to / name)
    shutil.copytree(root / "book", to / "book", ignore=shutil.ignore_patterns("tools", "*.pyc"))
    shutil.copytree(recorded.FOLDER, to / results.TABLES / "recorded")
    if repository:
        launch.name_repository(to / "book" / "practice.md", repository)
    (to / "book" / "_generated").mkdir()
    for page, run in pages.items():
        _stage_page(page, run, to, tier, repository)
    if explorer is not None:
        shutil.copytree(explorer, to / "book" / "_static" / "explorer_data")
    if gallery is not None:
        files.write_json(to / "runs.json", facts.describe_runs(gallery, pages, tier))
    provenances = [read_json(run / "provenance.json") for run in pages.values()]
    quoted = {page: read_json(run / "results.json") for page, run in pages.items()}
    files.write_json(to / "claims.json", claims.gather(pages))
    files.write_json(to / "results.json", quoted)
    files.write_json(to / "build.json", {"sentence": build_sentence(provenances, tier)})


def _stage_page(page: str, run: Path, to: Path, tier: str, repository: str) -> None:
    """Write a page's notebook with its card, its figures as files, and its tables."""
    notebook = nbformat.read(run / "notebook.ipynb", as_version=4)
    _save_figures(notebook, to / "book" / "_generated")
    prose = " ".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    card = run_card(page, run, tier, n_words=len(prose.split()), repository=repository)
    _clean(notebook, card)
    nbformat.write(notebook, to / "notebooks" / f"{page}.ipynb")
    tables = to / results.TABLES / page
    tables.mkdir()
    for path in run.glob("*.csv"):
        shutil.copy(path, tables)


def build_sentence(provenances: Sequence[Mapping[str, Any]], tier: str) -> str:
    """Return a sentence on a build's data, tier and code, with all values where pages differ."""
    archives = [run["archive"] for run in provenances if run["archive"]]
    names = {facts.data_name(archive) for archive in archives} - {"simulated"}
    data = facts.data_kind(archives) + (f" ({' and '.join(sorted(names))})" if names else "")
    commits = " and ".join(sorted({facts.commit_words(run) for run in provenances}))
    caveat = CAVEATS.get(tier, "")
    origin = f"{data} (tier {tier}, code version {commits})"
    return f"The results of this build come from {origin}. {caveat}"


def run_card(
    page: str, run: Path, tier: str, *, n_words: int, repository: str
) -> nbformat.NotebookNode:
    """Return the cell below a page's title: its data in one line, the rest behind a toggle."""
    run_facts, params = read_json(run / "provenance.json"), read_json(run / "params.json")
    data = run_facts["archive"]
    card = RUN_CARD.render(
        data=data,
        kind=facts.data_kind([data]),
        name=_as_text(facts.data_name(data)),
        device=_as_text(data.get("device", "cpu")),
        tier=tier,
        caveat=CAVEATS.get(tier, ""),
        minutes=max(1, round(n_words / WORDS_PER_MINUTE)),
        links=launch.links(repository, page) if repository else {},
        provenance=run_facts,
        commit=facts.commit_words(run_facts),
        first=facts.needed_first(params, tier),
        command=facts.repeat_command(params).replace("\n", "\\n"),  # it could end the block
    )
    return new_markdown_cell(card, id=f"card-{page}"[:64].replace("_", "-"))


def _as_text(text: str) -> str:
    """Return text with Markdown escaped: the name of a user's folder is not markup."""
    return re.sub(r"([!-/:-@[-`{-~])", r"\\\1", " ".join(text.split()))


def _clean(notebook: nbformat.NotebookNode, card: nbformat.NotebookNode) -> None:
    """Insert the card, hide parameters, fold tables and drop what names this machine."""
    notebook.cells.insert(1, card)
    tables = [cell for cell in notebook.cells if "<table" in str(cell.get("outputs", ""))]
    is_open = [cell for cell in tables if "hide-output" not in cell.metadata.get("tags", [])]
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    in_prose = sum("| --- |" in source for source in prose)
    for cell in is_open[max(0, OPEN_TABLES - in_prose) :]:
        cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-output"]
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        tags = cell.metadata.get("tags", [])
        for tag in PROMPTS.keys() & set(tags):
            cell.metadata["tags"] = [*dict.fromkeys([*tags, "hide-input"])]
            cell.metadata["mystnb"] = {"code_prompt_show": PROMPTS[tag]}
        if "injected-parameters" in tags:
            lines = cell.source.splitlines()
            cell.source = "\n".join(x for x in lines if x.split(" = ")[0] not in _NOT_SHOWN)


def _save_figures(notebook: nbformat.NotebookNode, to: Path) -> None:
    """Save every named figure as a file for pages that show it outside its notebook."""
    for cell in notebook.cells:
        name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        for output in cell.get("outputs", []):
            if name and "image/png" in output.get("data", {}):
                (to / f"{name}.png").write_bytes(base64.b64decode(output["data"]["image/png"]))


def build_book(staging: Path, html: Path) -> None:
    """Build the staged book with warnings as errors; replace the old pages only on success.

    Raises :class:`EcgcoreError` with the warnings, which name page and line, on failure.
    """
    files.restore(html)
    start = "from jupyter_book.cli.main import main; main()"
    paths = [str(provenance.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),  # where the extensions find book.tools
        "PYTHONWARNINGS": "ignore",  # the output must not depend on the reader's settings
        "NO_COLOR": "1",
    }
    # a new folder: the builder of a killed call may still be writing into another
    with tempfile.TemporaryDirectory(prefix=f"{staging.name}.built-", dir=staging.parent) as out:
        command = [sys.executable, "-c", start, "build", str(staging)]
        command += ["--path-output", out, "-W", "--keep-going", "-q"]
        build = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment
        )
        pages = Path(out, "_build", "html")
        if build.returncode or not (pages / "index.html").exists():
            text = re.sub(r"\x1b\[[\d;]*m", "", build.stderr).replace(f"{staging.resolve()}/", "")
            lines = text.splitlines()
            warned = [line for line in lines if "WARNING" in line or "rror" in line] or lines
            words = ["the book could not be built; the old pages are kept.", *warned[-20:]]
            raise EcgcoreError("\n".join(words))
        files.replace_folder(pages, html)

"""From run directories to the book's pages, and from those to HTML, or the old book stays."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_markdown_cell

from ecgcore import claimed, files, launch, study
from ecgcore.errors import EcgcoreError
from ecgcore.run_facts import (
    PLACES,
    command,
    commit_words,
    data_kind,
    data_name,
    gather,
    read_json,
)

CAVEATS = {"smoke": "This tier only shows that everything runs: its figures mean nothing."}
WORDS_A_MINUTE = 150
"""Of prose with figures to look at."""

PROMPTS = {
    "parameters": "Parameters and their defaults",
    "injected-parameters": "Parameters of this run",
}


def stage(
    root: Path,
    runs: Mapping[str, Path],
    to: Path,
    *,
    tier: str,
    explorer: Path | None = None,
    gallery: Path | None = None,
    repository: str = "",
) -> None:
    """Lay out what Jupyter Book reads: prose, configuration, and the executed notebooks.

    Parameters
    ----------
    root
        The checkout: ``_config.yml``, ``_toc.yml`` and ``book/`` are taken from it.
    runs
        Run directory of each page of ``notebooks/``, by the page's name.
    to
        Staging folder; replaced.
    tier
        Shown on every page.
    explorer
        Folder that :func:`ecgcore.explorer.export` wrote; without it the page that explores
        ECGs cannot be built.
    gallery
        Folder of run directories, all of which get a page.
    repository
        ``OWNER/NAME`` on GitHub, from where Colab and Binder open the notebooks; no links if empty.

    Raises
    ------
    EcgcoreError
        A notebook does not pass the gate, or a run directory is not whole.
    """
    for page, run in runs.items():
        if wrong := study.damage(run):
            raise EcgcoreError(
                f"{page}: {run} is not a finished run ({wrong}); delete it and build again."
            )
        study.gate(run / "notebook.ipynb", name=f"{page}.ipynb")
    shutil.rmtree(to, ignore_errors=True)
    (to / "notebooks").mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml", "CHANGELOG.md"):
        shutil.copy(root / name, to / name)
    shutil.copytree(root / "book", to / "book")
    figures = to / "book" / "_generated"
    figures.mkdir()
    results, facts = {}, {}
    for page, run in runs.items():
        facts[page] = read_json(run / "provenance.json")
        results[page] = read_json(run / "results.json")
        params = read_json(run / "params.json")
        notebook = nbformat.read(run / "notebook.ipynb", as_version=4)
        _save_figures(notebook, figures)
        prose = " ".join(c.source for c in notebook.cells if c.cell_type == "markdown")
        words = len(prose.split())
        _clean(notebook, run_card(page, facts[page], params, tier, words, repository))
        nbformat.write(notebook, to / "notebooks" / f"{page}.ipynb")
    if explorer is not None:
        shutil.copytree(explorer, to / "book" / "_static" / "explorer_data")
    if gallery is not None:
        _write_json(to / "runs.json", gather(gallery, runs))
    _write_json(to / "claims.json", claimed.gather(runs))
    _write_json(to / "results.json", results)
    _write_json(to / "build.json", build_facts(facts, tier))


def build_facts(facts: Mapping[str, Mapping[str, Any]], tier: str) -> dict[str, Any]:
    """What the whole build was made from; says so if its pages do not agree."""
    archives = [fact["archive"] for fact in facts.values() if fact["archive"]]
    return {
        "tier": tier,
        "data": " and ".join(sorted({data_name(archive) for archive in archives})),
        "kind": data_kind(archives),
        "commit": " and ".join(sorted({commit_words(fact) for fact in facts.values()})),
        "minutes": round(sum(fact["seconds"] for fact in facts.values()) / 60, 1),
        "caveat": CAVEATS.get(tier, ""),
    }


def run_card(
    page: str,
    fact: Mapping[str, Any],
    params: Mapping[str, Any],
    tier: str,
    n_words: int = 0,
    repository: str = "",
) -> nbformat.NotebookNode:
    """The box below a page's title: data, tier, commit, device, time, and how to repeat it."""
    data = fact["archive"]
    opened = launch.links(repository, page) if repository else {}
    lines = [
        f"````{{admonition}} Last run: {data_kind([data])}, tier {tier}",
        ":class: note run-card",
        _data_words(data),
        f"**Code** `{commit_words(fact)}`. "
        f"**Device** {_as_text(data.get('device', 'cpu'))}. "
        f"**Time** {fact['seconds'] / 60:.1f} min. "
        f"**Peak memory** {fact['peak_memory_mib'] / 1024:.1f} GiB. "
        f"**To read** {max(1, round(n_words / WORDS_A_MINUTE))} min. {CAVEATS.get(tier, '')}",
        "",
        "```{dropdown} Repeat this run",
        "~~~bash",
        command(params).replace("\n", "\\n"),  # a line of its own could end the block
        "~~~",
        "```",
        " ".join(f"[Open in {name}]({address})" for name, address in opened.items()),
        "````",
    ]
    return new_markdown_cell("\n".join(lines), id=f"card-{page}"[:64].replace("_", "-"))


def _data_words(data: Mapping[str, Any]) -> str:
    if not data:
        return "**Data** none but recorded results. "
    return (
        f"**Data** {_as_text(data_name(data))}: {data.get('n_records', 0)} records of "
        f"{data.get('n_patients', 0)} patients, fingerprint `{data.get('fingerprint', '')[:12]}`. "
    )


def _as_text(text: str) -> str:
    """Markdown that shows just this: the name of a stranger's folder is no markup."""
    return re.sub(r"([!-/:-@[-`{-~])", r"\\\1", " ".join(text.split()))


def _clean(notebook: nbformat.NotebookNode, card: nbformat.NotebookNode) -> None:
    """Put the card below the title, hide parameters, drop what names this machine."""
    notebook.cells.insert(1, card)
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        tags = cell.metadata.get("tags", [])
        for tag in PROMPTS.keys() & set(tags):
            cell.metadata["tags"] = [*dict.fromkeys([*tags, "hide-input"])]
            cell.metadata["mystnb"] = {"code_prompt_show": PROMPTS[tag]}
        if "injected-parameters" in tags:
            cell.source = _without_places(cell.source)


def _without_places(source: str) -> str:
    """Injected parameters less those that only say where a run was made."""
    lines = source.splitlines()
    return "\n".join(line for line in lines if line.split(" = ")[0] not in PLACES)


def _save_figures(notebook: nbformat.NotebookNode, to: Path) -> None:
    """Keep every named figure as a file, for the pages that show it outside its notebook."""
    import base64

    for cell in notebook.cells:
        name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        for output in cell.get("outputs", []):
            if name and "image/png" in output.get("data", {}):
                (to / f"{name}.png").write_bytes(base64.b64decode(output["data"]["image/png"]))


def build_book(staging: Path, html: Path) -> None:
    """Build the staged book with warnings as errors, and only then replace the old pages.

    Raises
    ------
    EcgcoreError
        The build failed; the message holds its warnings, which name page and line.
    """
    files.mend(html)
    for left in staging.parent.glob(f"{staging.name}.built-*"):
        shutil.rmtree(left, ignore_errors=True)
    # a folder of its own: the builder of a killed call may still be writing into another
    out = Path(tempfile.mkdtemp(prefix=f"{staging.name}.built-", dir=staging.parent))
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", str(staging)]
    command += ["--path-output", str(out), "-W", "--keep-going", "-q"]
    # the output names the builder's folder, which must not depend on the reader's settings
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    pages = out / "_build" / "html"
    if done.returncode or not (pages / "index.html").exists():
        lines = re.sub(r"\x1b\[[\d;]*m", "", done.stderr).replace(f"{staging.resolve()}/", "")
        told = [line for line in lines.splitlines() if "WARNING" in line or "rror" in line]
        raise EcgcoreError(
            "the book did not build; the old pages stay. "
            + "\n".join(told[-20:] or lines.splitlines()[-20:])
        )
    html.parent.mkdir(parents=True, exist_ok=True)
    files.put(pages, html)
    shutil.rmtree(out, ignore_errors=True)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")

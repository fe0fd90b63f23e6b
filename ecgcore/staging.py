"""From run directories to the book's pages, and from those to HTML, or the old book stays."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_markdown_cell

from ecgcore import study
from ecgcore.errors import EcgcoreError

PLACES = ("out", "tier", "runs", "archive", "real")
CAVEATS = {"smoke": "This tier only shows that everything runs: its figures mean nothing."}
PROMPTS = {
    "parameters": "Parameters and their defaults",
    "injected-parameters": "Parameters of this run",
}


def stage(root: Path, runs: Mapping[str, Path], to: Path, *, tier: str) -> None:
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

    Raises
    ------
    EcgcoreError
        A notebook does not pass the gate, or a run directory is not whole.
    """
    for page, run in runs.items():
        if not study.is_whole(run):
            raise EcgcoreError(f"{page}: {run} is not a finished run.")
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
        facts[page] = json.loads((run / "provenance.json").read_text(encoding="utf-8"))
        results[page] = json.loads((run / "results.json").read_text(encoding="utf-8"))
        params = json.loads((run / "params.json").read_text(encoding="utf-8"))
        notebook = nbformat.read(run / "notebook.ipynb", as_version=4)
        _save_figures(notebook, figures)
        _clean(notebook, run_card(page, facts[page], params, tier))
        nbformat.write(notebook, to / "notebooks" / f"{page}.ipynb")
    _write_json(to / "results.json", results)
    _write_json(to / "build.json", build_facts(facts, tier))


def build_facts(facts: Mapping[str, Mapping[str, Any]], tier: str) -> dict[str, Any]:
    """What the whole build was made from; says so if its pages do not agree."""
    data = sorted({data_name(fact["archive"]) for fact in facts.values()})
    kinds = {fact["archive"].get("is_simulated") for fact in facts.values()} - {None}
    return {
        "tier": tier,
        "data": " and ".join(data),
        "kind": data_kind(kinds.pop() if len(kinds) == 1 else None),
        "commit": " and ".join(sorted({commit_words(fact) for fact in facts.values()})),
        "minutes": round(sum(fact["seconds"] for fact in facts.values()) / 60, 1),
        "caveat": CAVEATS.get(tier, ""),
    }


def data_kind(is_simulated: bool | None) -> str:
    """*simulated*, *real*, or *simulated and real* records."""
    words = {True: "simulated records", False: "real records", None: "simulated and real records"}
    return words[is_simulated]


def data_name(archive: Mapping[str, Any]) -> str:
    """Name of a real archive; a simulated one has none but that."""
    return "simulated" if archive.get("is_simulated") else str(archive.get("name", "none"))


def commit_words(fact: Mapping[str, Any]) -> str:
    """Short commit, and whether the checkout had changes on top of it."""
    return str(fact["git_commit"])[:10] + (" with changes" if fact["git_dirty"] else "")


def run_card(
    page: str, fact: Mapping[str, Any], params: Mapping[str, Any], tier: str
) -> nbformat.NotebookNode:
    """The box below a page's title: data, tier, commit, device, time, and how to repeat it."""
    data = fact["archive"]
    kept = {k: v for k, v in params.items() if k not in ("notebook", *PLACES)}
    words = " ".join(f"-p {key}={_text(value)}" for key, value in kept.items())
    command = f"python -m ecgcore run notebooks/{params['notebook']}.ipynb {words} --out my_run"
    lines = [
        f"````{{admonition}} Last run: {data_kind(data.get('is_simulated'))}, tier {tier}",
        ":class: note run-card",
        f"**Data** {data_name(data)}: {data.get('n_records', 0)} records of "
        f"{data.get('n_patients', 0)} patients, fingerprint `{data.get('fingerprint', '')[:12]}`. "
        f"**Code** `{commit_words(fact)}`. "
        f"**Device** {data.get('device', 'cpu')}. "
        f"**Time** {fact['seconds'] / 60:.1f} min. "
        f"**Peak memory** {fact['peak_memory_mib'] / 1024:.1f} GiB. {CAVEATS.get(tier, '')}",
        "",
        "```{dropdown} Repeat this run",
        "~~~bash",
        command,
        "~~~",
        "```",
        "````",
    ]
    return new_markdown_cell("\n".join(lines), id=f"card-{page}"[:64].replace("_", "-"))


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


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
    out = staging.with_name(staging.name + ".built")
    shutil.rmtree(out, ignore_errors=True)
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
    study.swap(pages, html)
    shutil.rmtree(out, ignore_errors=True)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")

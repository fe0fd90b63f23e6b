"""Export the course as handouts: student copies without solutions, instructor copies with them.

The sources are the book's own pages (``book/course``): exercises and solutions are the directives
``exercise`` and ``solution`` there, and code that belongs to the lesson is a ``python`` block.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import yaml
from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from ecgcore.errors import EcgcoreError
from ecgcore.runs.execution import QUIET

SETUP = 'archive: str = "simulated"  # a folder in PTB-XL layout, a prepared store, or simulated'
PAGES = Path(__file__).parents[1] / "course"
"""The folder of the course's pages; their references are relative to it."""

_DIRECTIVE = re.compile(r"\{([\w-]+)\}\s*(.*)")
_OPTIONS = re.compile(r"\A(:\w+:.*\n)+")
_BANK = Environment(loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True)
_BANK.filters["gift"] = lambda text: re.sub(r"([~=#{}:\\])", r"\\\1", text)


@dataclass(frozen=True)
class Block:
    """A piece of a page: ``text``, ``python``, or a directive such as ``exercise``."""

    kind: str
    text: str
    title: str = ""


def blocks(source: str) -> Iterator[Block]:
    """Yield the pieces of a page in order; a directive's content stays inside its block."""
    lines, start = source.splitlines(), 0
    for token in MarkdownIt().parse(source):
        directive = _DIRECTIVE.match(token.info)
        if token.type != "fence" or token.map is None or not (directive or token.info == "python"):
            continue
        opening, end = token.map
        if lines[end - 1].strip() != token.markup:
            raise EcgcoreError(f"course page: the block '{lines[opening]}' is not closed.")
        if text := "\n".join(lines[start:opening]).strip():
            yield Block("text", text)
        kind, title = directive.groups() if directive else ("python", "")
        yield Block(kind, _OPTIONS.sub("", token.content).strip(), title)
        start = end
    if text := "\n".join(lines[start:]).strip():
        yield Block("text", text)


def plain(text: str) -> str:
    """Return Markdown for any notebook: roles become words, and references become titles."""

    def title(reference: re.Match[str]) -> str:
        return f"*{reference[1] or _title(PAGES / reference[2])}* (a page of the book)"

    text = re.sub(r"\{doc\}`(?:([^`<]*?)\s*<)?([^`>]*)>?`", title, text)
    text = re.sub(r"\{cite:\w+\}`[^`]*`", "", text)
    return re.sub(r"\{[\w:-]+\}`([^`<]*?)\s*(?:<[^`]*>)?`", r"\1", text)


def _title(page: Path) -> str:
    """Return the first heading of a page, which is Markdown or a notebook."""
    files = (page.with_suffix(suffix) for suffix in (".md", ".ipynb"))
    text = next(file for file in files if file.exists()).read_text(encoding="utf-8")
    return text.partition("# ")[2].partition("\n")[0].removesuffix('\\n",')


def notebook(source: str, *, with_solutions: bool) -> nbformat.NotebookNode:
    """Return a session as a notebook."""
    cells, number = [], ""
    pieces = list(blocks(source))
    solutions = iter([piece.text for piece in pieces if piece.kind == "solution"])
    for block in pieces:
        if block.kind in ("text", "python"):
            cells.append(_cell(block))
        elif block.kind == "figure":  # a build's figures are on the page, not in its copies
            caption = block.text.rpartition("\n\n")[2]
            cells.append(new_markdown_cell(f"*Figure on the session's page:* {plain(caption)}"))
        elif block.kind == "exercise":
            number, _, title = block.title.partition(" ")  # for instance 3.1
            text = f"### Exercise {number}: {title}\n\n{plain(block.text)}"
            cells.append(new_markdown_cell(text))
            is_code = "```python" in next(solutions)
            answer = (
                new_code_cell("# your answer") if is_code else new_markdown_cell("*your answer*")
            )
            cells += [] if with_solutions else [answer]
        elif block.kind == "admonition" and with_solutions:  # the teacher's notes
            cells.append(new_markdown_cell(f"**{block.title}**\n\n{plain(block.text)}"))
        elif block.kind == "solution" and with_solutions:
            cells.append(new_markdown_cell(f"**Solution {number}**"))
            parts = blocks(block.text)  # a code-block is output, which the notebook produces itself
            cells += [_cell(part) for part in parts if part.kind != "code-block"]
    cells.insert(1, new_code_cell(SETUP, metadata={"tags": ["parameters"]}))
    for position, cell in enumerate(cells):
        cell.id = f"cell-{position}"  # otherwise every export would differ
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _cell(block: Block) -> nbformat.NotebookNode:
    is_code = block.kind == "python"
    return new_code_cell(block.text) if is_code else new_markdown_cell(plain(block.text))


def questions(source: Path) -> list[dict[str, Any]]:
    """Return the question bank; ``answer`` is the position of the right choice.

    The order of the choices depends only on the ``id``.  Raises :class:`EcgcoreError` if a question
    has missing or unknown fields, or if two questions have the same ``id``.
    """
    bank: list[dict[str, Any]] = yaml.safe_load(source.read_text(encoding="utf-8"))
    for question in bank:
        if set(question) != {"id", "session", "question", "choices", "why"}:
            raise EcgcoreError(f"{source}: question {question.get('id')} has the wrong fields.")
        seed = int.from_bytes(question["id"].encode(), "big") % 2**32
        order = np.random.default_rng(seed).permutation(len(question["choices"]))
        question["choices"] = [str(question["choices"][i]) for i in order]
        question["answer"] = int(np.flatnonzero(order == 0)[0])
    if len({question["id"] for question in bank}) != len(bank):
        raise EcgcoreError(f"{source}: two questions have the same id.")
    return bank


def export(course: Path, to: Path, *, execute: bool = False) -> list[Path]:
    """Write the folders ``student`` and ``instructor``: notebooks, question bank, project.

    With ``execute``, the instructor's notebooks are run first, so that they have outputs.
    Existing folders with these names are replaced.  Raises :class:`EcgcoreError` if ``course``, the
    folder of the course's pages, holds no session, or if a page or question cannot be read.
    """
    sessions = sorted(course.glob("session_*.md"))
    if not sessions:
        raise EcgcoreError(f"{course}: no session there; expected book/course of the checkout.")
    bank = questions(course / "questions.yaml")
    project = plain((course / "project.md").read_text(encoding="utf-8"))
    folders = [to / "student", to / "instructor"]
    for folder in folders:
        with_solutions = folder.name == "instructor"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for path in sessions:
            text = path.read_text(encoding="utf-8")
            session = notebook(text, with_solutions=with_solutions)
            if with_solutions and execute:
                print(f"running {path.stem} (of {len(sessions)}) with its solutions", flush=True)
                NotebookClient(session, timeout=900, extra_arguments=QUIET).execute()
            nbformat.write(session, folder / f"{path.stem}.ipynb")
        (folder / "project.md").write_text(project, encoding="utf-8")
        for name in ["questions.md", *(["questions.gift"] if with_solutions else [])]:  # for Moodle
            template = _BANK.get_template(f"{name}.jinja")
            text = template.render(bank=bank, with_answers=with_solutions)
            (folder / name).write_text(text, encoding="utf-8")
    return folders

"""The course as files to hand out: student copies without solutions, instructor copies with them.

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
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from ecgcore.errors import EcgcoreError

SETUP = 'archive: str = "simulated"  # a folder in PTB-XL layout, a prepared store, or simulated'
_FENCE = re.compile(r"^(`{3,}|~{3,})(.*)$")
_OPTION = re.compile(r"^:(\w+):\s*(.*)$")


@dataclass(frozen=True)
class Block:
    """A piece of a page: ``text``, ``python``, or a directive such as ``exercise``."""

    kind: str
    text: str
    title: str = ""


def blocks(source: str) -> Iterator[Block]:
    """Pieces of a page in order; what is inside a directive stays inside its block."""
    lines, text = iter(source.splitlines()), list[str]()
    for line in lines:
        fence = _FENCE.match(line)
        if not fence:
            text.append(line)
            continue
        inner, info = [], fence.group(2).strip()
        for inside in lines:
            if inside.strip() == fence.group(1):
                break
            inner.append(inside)
        else:
            raise EcgcoreError(f"course page: the block '{line}' is not closed.")
        directive = re.match(r"\{([\w-]+)\}\s*(.*)", info)
        if not directive and info != "python":
            text += [line, *inner, fence.group(1)]
            continue
        if "".join(text).strip():
            yield Block("text", "\n".join(text).strip())
        text = []
        if not directive:
            yield Block("python", "\n".join(inner))
            continue
        while inner and _OPTION.match(inner[0]):
            inner.pop(0)
        yield Block(directive.group(1), "\n".join(inner).strip(), directive.group(2))
    if "".join(text).strip():
        yield Block("text", "\n".join(text).strip())


def plain(text: str) -> str:
    """Markdown as any notebook shows it: the book's roles become words."""
    text = re.sub(r"\{doc\}`(?:[^`<]*<)?([^`>]*)>?`", r"*\1* (a page of the book)", text)
    text = re.sub(r"\{cite:\w+\}`[^`]*`", "", text)
    return re.sub(r"\{[\w:-]+\}`([^`<]*?)\s*(?:<[^`]*>)?`", r"\1", text)


def notebook(source: str, *, with_solutions: bool) -> nbformat.NotebookNode:
    """A session as a notebook."""
    setup = new_code_cell(SETUP, metadata={"tags": ["parameters"]})
    cells, number = [], 0
    for block in blocks(source):
        if block.kind == "text":
            cells.append(new_markdown_cell(plain(block.text)))
        elif block.kind == "python":
            cells.append(new_code_cell(block.text))
        elif block.kind == "exercise":
            number += 1
            words = f"### Exercise {number}: {block.title}\n\n{plain(block.text)}"
            cells.append(new_markdown_cell(words))
            if not with_solutions:
                cells.append(new_code_cell("# your answer"))
        elif block.kind == "solution" and with_solutions:
            cells.append(new_markdown_cell(f"**Solution {number}**"))
            cells += _solution(block.text)
    cells.insert(1, setup)
    for position, cell in enumerate(cells):
        cell.id = f"cell-{position}"  # else every export would differ
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _solution(text: str) -> list[nbformat.NotebookNode]:
    return [
        new_code_cell(b.text) if b.kind == "python" else new_markdown_cell(plain(b.text))
        for b in blocks(text)
    ]


def questions(source: Path) -> list[dict[str, Any]]:
    """The question bank: choices in an order that is the question's own, ``answer`` its position.

    Raises
    ------
    EcgcoreError
        A question lacks a part, or two have one ``id``.
    """
    found = yaml.safe_load(source.read_text(encoding="utf-8"))
    for question in found:
        if set(question) != {"id", "session", "question", "choices", "why"}:
            raise EcgcoreError(f"{source}: question {question.get('id')} lacks a part.")
        seed = int.from_bytes(question["id"].encode(), "big") % 2**32
        order = np.random.default_rng(seed).permutation(len(question["choices"]))
        question["choices"] = [str(question["choices"][i]) for i in order]
        question["answer"] = int(np.flatnonzero(order == 0)[0])
    if len({question["id"] for question in found}) != len(found):
        raise EcgcoreError(f"{source}: two questions have the same id.")
    return list(found)


def as_markdown(bank: list[dict[str, Any]], *, with_answers: bool) -> str:
    """The question bank on paper."""
    lines = ["# Question bank", ""]
    for number, question in enumerate(bank, start=1):
        lines += [f"{number}. (session {question['session']}) {question['question']}", ""]
        lines += [f"   - {'abcdef'[i]}) {c}" for i, c in enumerate(question["choices"])]
        if with_answers:
            lines += ["", f"   Answer: {'abcdef'[question['answer']]}. {question['why']}"]
        lines.append("")
    return "\n".join(lines)


def as_gift(bank: list[dict[str, Any]]) -> str:
    """The question bank in Moodle's GIFT format."""

    def escaped(text: str) -> str:
        return re.sub(r"([~=#{}:\\])", r"\\\1", text)

    parts = []
    for question in bank:
        lines = [f"::{question['id']}:: {escaped(question['question'])} {{"]
        for position, choice in enumerate(question["choices"]):
            sign = "=" if position == question["answer"] else "~"
            lines.append(f"\t{sign}{escaped(choice)}")
        lines += [f"\t####{escaped(question['why'])}", "}"]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def export(course: Path, to: Path) -> None:
    """Write ``student`` and ``instructor``: notebooks, question bank, project.

    Parameters
    ----------
    course
        The book's course pages.
    to
        Folder; what lies there is replaced.

    Raises
    ------
    EcgcoreError
        No session there, or a page or question that cannot be read.
    """
    sessions = sorted(course.glob("session_*.md"))
    if not sessions:
        raise EcgcoreError(f"{course}: no session there; expected book/course of the checkout.")
    bank = questions(course / "questions.yaml")
    for who in ("student", "instructor"):
        knows = who == "instructor"
        shutil.rmtree(to / who, ignore_errors=True)
        (to / who).mkdir(parents=True)
        for session in sessions:
            made = notebook(session.read_text(encoding="utf-8"), with_solutions=knows)
            nbformat.write(made, to / who / f"{session.stem}.ipynb")
        _write(to / who / "questions.md", as_markdown(bank, with_answers=knows))
        project = (course / "project.md").read_text(encoding="utf-8")
        _write(to / who / "project.md", plain(project))
    _write(to / "instructor" / "questions.gift", as_gift(bank))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")

"""The course: exercises that run, solutions that are right, and students who do not get them."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from ecgcore import course, parameters
from ecgcore.errors import EcgcoreError

SESSIONS = [f"session_{number}" for number in range(1, 7)]


@pytest.fixture(scope="module")
def exported(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("course")
    course.export(root / "book" / "course", to)
    return to


def page(root: Path, session: str) -> str:
    return (root / "book" / "course" / f"{session}.md").read_text(encoding="utf-8")


def code_of(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("session", SESSIONS)
def test_the_instructors_copy_runs_with_its_solutions(
    exported: Path, small_store: str, session: str
) -> None:
    notebook = nbformat.read(exported / "instructor" / f"{session}.ipynb", as_version=4)
    nbformat.validate(notebook)
    cells = code_of(notebook)
    assert [p.name for p in parameters.parse_cell(cells[0])] == ["archive"]
    names: dict[str, Any] = {"archive": small_store}
    for source in cells[1:]:
        exec(compile(source, session, "exec"), names)


@pytest.mark.parametrize("session", SESSIONS)
def test_students_get_no_solution(root: Path, exported: Path, session: str) -> None:
    text = page(root, session)
    solved = [b for b in course.blocks(text) if b.kind == "solution"]
    asked = [b for b in course.blocks(text) if b.kind == "exercise"]
    assert len(asked) == len(solved) >= 3
    notebook = nbformat.read(exported / "student" / f"{session}.ipynb", as_version=4)
    nbformat.validate(notebook)
    handed_out = "\n".join(cell.source for cell in notebook.cells)
    others = "\n".join(b.text for b in course.blocks(text) if b.kind != "solution")
    for block in solved:
        told = [line.strip() for line in block.text.splitlines() if len(line.strip()) > 12]
        secret = [line for line in told if line not in others]
        assert len(secret) >= 2
        assert not [
            line for line in secret if line in handed_out or course.plain(line) in handed_out
        ]
    assert handed_out.count("# your answer") == len(asked)
    assert not re.search(r"\b[Ss]olution", handed_out)


def test_an_export_is_the_same_every_time(root: Path, exported: Path, tmp_path: Path) -> None:
    course.export(root / "book" / "course", tmp_path)
    files = [p.relative_to(exported) for p in exported.rglob("*") if p.is_file()]
    assert len(files) == 2 * 8 + 1
    assert all((exported / f).read_bytes() == (tmp_path / f).read_bytes() for f in files)


def test_handouts_hold_words_not_roles(exported: Path) -> None:
    for path in exported.rglob("*"):
        if path.is_file():
            assert not re.search(r"\{\w+(:\w+)?\}`", path.read_text(encoding="utf-8")), path


def test_every_session_has_what_a_teacher_needs(root: Path) -> None:
    for session in SESSIONS:
        text = page(root, session)
        for part in ("```{project-this-page}", "**Time**", "## Objectives", "## Take-aways"):
            assert part in text, (session, part)


def test_questions_are_answered_once_and_secretly(root: Path, exported: Path) -> None:
    bank = course.questions(root / "book" / "course" / "questions.yaml")
    assert {q["session"] for q in bank} == set(range(1, 7))
    assert min(sum(q["session"] == s for q in bank) for s in range(1, 7)) >= 4
    assert len({q["answer"] for q in bank}) > 2, "the right answer is not always at one place"
    paper = (exported / "student" / "questions.md").read_text(encoding="utf-8")
    assert "Answer" not in paper
    assert not [q["why"] for q in bank if q["why"] in paper]
    gift = (exported / "instructor" / "questions.gift").read_text(encoding="utf-8")
    assert len(re.findall(r"^\t=", gift, re.M)) == len(bank)
    assert len(re.findall(r"^\t~", gift, re.M)) == sum(len(q["choices"]) - 1 for q in bank)
    assert not (exported / "student" / "questions.gift").exists()


def test_what_a_page_may_look_like() -> None:
    asked = "````{exercise} T\n:label: t\nDo\n```python\ny\n```\n````"
    found = list(course.blocks(f"A\n\n```python\nx = 1\n```\n\n{asked}\n\nB"))
    assert [b.kind for b in found] == ["text", "python", "exercise", "text"]
    assert found[2].title == "T"
    assert found[2].text == "Do\n```python\ny\n```"
    with pytest.raises(EcgcoreError, match="is not closed"):
        list(course.blocks("```python\nx"))
    assert course.plain("{doc}`../imn`, {term}`logits <logit>`, {cite:p}`a,b`") == (
        "*../imn* (a page of the book), logits, "
    )


def test_a_folder_without_sessions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EcgcoreError, match="no session there"):
        course.export(tmp_path, tmp_path / "to")

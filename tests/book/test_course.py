"""The course: exercises run, solutions are right, and students' copies do not contain them."""

import contextlib
import io
import itertools
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browser import DESKTOP
from refusal import refused

from book.tools import course
from ecgcore.runs import parameters

SESSIONS = [f"session_{number}" for number in range(1, 7)]


@pytest.fixture(scope="module")
def exported(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("course")
    course.export(root / "book" / "course", to)
    return to


def page(root: Path, session: str) -> str:
    return (root / "book" / "course" / f"{session}.md").read_text(encoding="utf-8")


def shown_outputs(source: str) -> dict[str, str]:
    """Return the outputs that the page shows below the code of its solutions, by code."""
    solutions = [block for block in course.blocks(source) if block.kind == "solution"]
    pairs = [pair for s in solutions for pair in itertools.pairwise(course.blocks(s.text))]
    return {a.text: b.text for a, b in pairs if (a.kind, b.kind) == ("python", "code-block")}


def words(text: str) -> list[str]:
    """Return the words of an output without numbers and leads, which depend on the records."""
    return re.sub(r"[+-]?\d[\d.,]*|\b(I{1,3}|aV[RLF]|V[1-6])\b", "#", text).split()


@pytest.mark.parametrize("session", SESSIONS)
def test_the_instructors_copy_runs_with_its_solutions(
    root: Path, exported: Path, small_store: str, session: str
) -> None:
    notebook = nbformat.read(exported / "instructor" / f"{session}.ipynb", as_version=4)
    nbformat.validate(notebook)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert [p.name for p in parameters.parse_cell(cells[0])] == ["archive"]
    names: dict[str, Any] = {"archive": small_store}
    outputs = shown_outputs(page(root, session))
    assert outputs
    for source in cells[1:]:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(source, session, "exec"), names)
        if source in outputs:  # other records give other numbers in the same words
            assert words(printed.getvalue()) == words(outputs[source])


@pytest.mark.parametrize("session", SESSIONS)
def test_students_get_no_solution_and_each_exercise_has_one_number(
    root: Path, exported: Path, session: str
) -> None:
    blocks = list(course.blocks(page(root, session)))
    solutions = [block for block in blocks if block.kind == "solution"]
    exercises = [block for block in blocks if block.kind == "exercise"]
    assert len(exercises) == len(solutions) >= 3
    notebook = nbformat.read(exported / "student" / f"{session}.ipynb", as_version=4)
    nbformat.validate(notebook)
    handed_out = "\n".join(cell.source for cell in notebook.cells)
    secretive = ("solution", "admonition")
    others = "\n".join(block.text for block in blocks if block.kind not in secretive)
    for block in solutions:
        lines = [line.strip() for line in block.text.splitlines() if len(line.strip()) > 12]
        secret = [line for line in lines if line not in others]
        assert len(secret) >= 2
        assert not [s for s in secret if s in handed_out or course.plain(s) in handed_out]
    assert len(re.findall(r"^(# |\*)your answer", handed_out, re.M)) == len(exercises)
    assert not re.search(r"\b[Ss]olution|\{\w+(:\w+)?\}`", handed_out), "or a role of Sphinx"

    source = page(root, session)
    for part in ("```{project-this-page}", "**Time**", "## Take-aways"):
        assert part in source
    titles = [block.title for block in exercises]
    numbers = [f"{session[-1]}.{k}" for k in range(1, len(titles) + 1)]
    assert [title.split()[0] for title in titles] == numbers
    assert source.count("\n:nonumber:\n") == len(titles)
    assert set(re.findall(r"\bexercise (\d\.\d|\d)", source)) == set(numbers), "minute plan"
    for person in ("student", "instructor"):
        copy = nbformat.read(exported / person / f"{session}.ipynb", as_version=4)
        words = "\n".join(cell.source for cell in copy.cells)
        assert re.findall(r"^### Exercise ([\d.]+):", words, re.M) == numbers
        solutions = re.findall(r"^\*\*Solution ([\d.]+)\*\*", words, re.M)
        assert solutions == (numbers if person == "instructor" else [])


ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
NUMERALS = {"two": 2, "three": 3}


def plan_rows(source: str) -> list[tuple[str, str]]:
    """Return the minutes and the content of each row of a session's minute plan."""
    rows = re.findall(r"^\| (\d+ to \d+) \|[^|]*\|[^|]*\| (.*) \|$", source, re.M)
    return [(minutes, shown.strip()) for minutes, shown in rows]


def figures_called(shown: str, n_figures: int) -> list[int]:
    """Return the numbers, from 1, of the figures that a row of the plan names."""
    if span := re.search(r"(\w+) to (\w+) figure", shown):
        first, last = map(ORDINALS.index, span.groups())
        return list(range(first + 1, last + 2))
    if end := re.search(r"last (?:(\w+) )?figure", shown):
        return list(range(n_figures + 1 - NUMERALS.get(end[1], 1), n_figures + 1))
    if start := re.search(r"first (\w+) figures", shown):
        return list(range(1, NUMERALS[start[1]] + 1))
    return [ORDINALS.index(word) + 1 for word in re.findall(r"\w+", shown) if word in ORDINALS]


@pytest.mark.parametrize("session", SESSIONS)
def test_a_page_follows_its_minute_plan(root: Path, exported: Path, session: str) -> None:
    source = page(root, session)
    rows = plan_rows(source)
    minutes = [tuple(map(int, row.split(" to "))) for row, _ in rows]
    assert minutes[0][0] == 0
    assert minutes[-1][1] == 90
    assert all(a[1] == b[0] for a, b in itertools.pairwise(minutes))
    kinds = [b for b in course.blocks(source) if b.kind in ("figure", "exercise")]
    n_figures = sum(block.kind == "figure" for block in kinds)
    row_of: dict[str, int] = {}
    for k, (_, shown) in enumerate(rows):
        called = [f"figure {n}" for n in figures_called(shown, n_figures)]
        for name in [*called, *re.findall(r"exercise [\d.]+", shown)]:
            assert name not in row_of, "a figure is called twice"
            row_of[name] = k
    figures = iter(range(1, n_figures + 1))
    order = [
        f"figure {next(figures)}" if b.kind == "figure" else f"exercise {b.title.split()[0]}"
        for b in kinds
    ]
    assert sorted(order) == sorted(row_of), "a figure is not called"
    called_in = [row_of[name] for name in order]
    assert called_in == sorted(called_in), "figures are called out of order"


@pytest.mark.parametrize("session", SESSIONS)
def test_each_row_of_the_plan_has_a_note_for_the_teacher(
    root: Path, exported: Path, session: str
) -> None:
    source = page(root, session)
    (notes,) = [block for block in course.blocks(source) if block.kind == "admonition"]
    assert notes.title.startswith("Teacher's notes")
    entries = re.findall(r"^- \*\*(\d+ to \d+)\.\*\* (.*)$", notes.text, re.M)
    assert [minutes for minutes, _ in entries] == [minutes for minutes, _ in plan_rows(source)]
    assert all("*Done when*" in text for _, text in entries)
    for person, is_told in {"student": False, "instructor": True}.items():
        copy = nbformat.read(exported / person / f"{session}.ipynb", as_version=4)
        assert any("*Done when*" in cell.source for cell in copy.cells) == is_told


def test_the_teachers_solutions_have_outputs(root: Path, tmp_path: Path) -> None:
    exercise, solution = "1.1 A\nDo", "a\n```python\nprint(6 * 7)\n```"
    source = f"# T\n\n````{{exercise}} {exercise}\n````\n\n````{{solution}} {solution}\n````"
    (tmp_path / "session_1.md").write_text(source, encoding="utf-8")
    for name in ("questions.yaml", "project.md"):
        (tmp_path / name).write_bytes((root / "book" / "course" / name).read_bytes())
    course.export(tmp_path, tmp_path / "to", execute=True)
    for person, expected in {"student": [], "instructor": ["42\n"]}.items():
        notebook = nbformat.read(tmp_path / "to" / person / "session_1.ipynb", as_version=4)
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        assert [output.text for output in outputs] == expected


@pytest.mark.parametrize("session", SESSIONS)
def test_every_slide_fits_the_screen(html: Path, context: Any, session: str) -> None:
    page = context.new_page()
    page.goto((html / "book" / "course" / f"{session}.html").as_uri())
    figures = page.locator("article figure img").count()
    page.click("p.project button")
    shown = page.locator(".slide-bar output")
    n_slides = int(shown.inner_text().partition(" / ")[2])
    heights, pictures = {}, []
    for _ in range(n_slides):
        size = "[document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
        heights[shown.inner_text()] = page.evaluate(size)
        pictures.append(page.locator("article figure img:visible").count())
        page.keyboard.press("ArrowRight")
    width, height = DESKTOP["width"], DESKTOP["height"] * 1.05  # fonts differ between machines
    assert not {n: hw for n, hw in heights.items() if hw[0] > height or hw[1] > width}
    assert max(pictures) == 1
    assert sum(pictures) == figures
    page.close()


def test_each_question_has_one_answer_that_students_do_not_see(root: Path, exported: Path) -> None:
    bank = course.questions(root / "book" / "course" / "questions.yaml")
    assert {q["session"] for q in bank} == set(range(1, 7))
    assert min(sum(q["session"] == s for q in bank) for s in range(1, 7)) >= 4
    assert len({q["answer"] for q in bank}) > 2, "the right answer is always in the same place"
    paper = (exported / "student" / "questions.md").read_text(encoding="utf-8")
    assert "Answer" not in paper
    assert not [q["why"] for q in bank if q["why"] in paper]
    gift = (exported / "instructor" / "questions.gift").read_text(encoding="utf-8")
    assert len(re.findall(r"^\t=", gift, re.M)) == len(bank)
    assert len(re.findall(r"^\t~", gift, re.M)) == sum(len(q["choices"]) - 1 for q in bank)
    assert not (exported / "student" / "questions.gift").exists()


def test_pages_are_parsed_or_refused(tmp_path: Path) -> None:
    exercise = "````{exercise} T\n:label: t\nDo\n```python\ny\n```\n````"
    blocks = list(course.blocks(f"A\n\n```python\nx = 1\n```\n\n{exercise}\n\nB"))
    assert [b.kind for b in blocks] == ["text", "python", "exercise", "text"]
    assert (blocks[2].title, blocks[2].text) == ("T", "Do\n```python\ny\n```")
    refused("is not closed", list, course.blocks("```python\nx"))
    assert course.plain("{doc}`../imn`, {term}`logits <logit>`, {cite:p}`a,b`") == (
        "*Study A: a network that writes its own linear model* (a page of the book), logits, "
    )
    refused("no session there", course.export, tmp_path, tmp_path / "to")

"""Course pages: a button that projects a page as slides, and the question bank."""

from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from interactive import TEMPLATES, needs
from sphinx.application import Sphinx

from ecgcore import course


class ProjectThisPage(Directive):
    """A button; each second-level heading, exercise and solution becomes a slide."""

    def run(self) -> list[nodes.Node]:
        needs(self.state.document.settings.env, "project.js")
        html = '<p class="project" hidden><button type="button">Project this page</button></p>'
        return [nodes.raw("", html, format="html")]


class QuestionBank(Directive):
    """All questions by session, answers folded."""

    def run(self) -> list[nodes.Node]:
        source = Path(self.state.document.settings.env.app.srcdir)
        bank = course.questions(source / "book" / "course" / "questions.yaml")
        html = TEMPLATES.get_template("questions.html").render(bank=bank)
        return [nodes.raw("", html, format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("project-this-page", ProjectThisPage)
    app.add_directive("question-bank", QuestionBank)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

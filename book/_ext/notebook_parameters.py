"""What notebooks take, read from the notebooks: a table each, and a form that writes commands."""

import json
import math
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from interactive import TEMPLATES, needs
from markupsafe import Markup
from sphinx.application import Sphinx

from ecgcore import parameters


def declared_by(source: Path) -> dict[str, list[parameters.Parameter]]:
    """Parameters of every notebook of this book, by the notebook's name."""
    return {
        path.stem: parameters.of_notebook(path)
        for path in sorted((source / "notebooks").glob("*.ipynb"))
    }


class NotebookParameters(Directive):
    """A section a notebook: name, default, meaning and what is allowed."""

    def run(self) -> list[nodes.Node]:
        env = self.state.document.settings.env
        return [
            self._section(name, declared)
            for name, declared in declared_by(Path(env.app.srcdir)).items()
        ]

    def _section(self, name: str, declared: list[parameters.Parameter]) -> nodes.section:
        section = nodes.section(ids=[f"parameters-of-{name.replace('_', '-')}"], names=[name])
        section += nodes.title("", name)
        table = nodes.table(classes=["parameters"])
        section += table
        group = nodes.tgroup(cols=4)
        table += group
        group += [nodes.colspec(colwidth=width) for width in (2, 2, 5, 4)]
        head, body = nodes.thead(), nodes.tbody()
        group += [head, body]
        head += _row(("name", "default", "meaning", "allowed"), code=0)
        for p in declared:
            body += _row((p.name, repr(p.default), p.meaning, p.expected), code=2)
        return section


def _row(texts: tuple[str, ...], code: int) -> nodes.row:
    row = nodes.row()
    for i, text in enumerate(texts):
        entry = nodes.entry()
        paragraph = nodes.paragraph()
        paragraph += nodes.literal("", text) if i < code else nodes.Text(text)
        entry += paragraph
        row += entry
    return row


class ParametersForm(Directive):
    """The form; without scripts the tables below it are all there is."""

    def run(self) -> list[nodes.Node]:
        env = self.state.document.settings.env
        needs(env, "parameters_form.js")
        known = declared_by(Path(env.app.srcdir))
        facts = {name: [describe(p) for p in declared] for name, declared in known.items()}
        html = TEMPLATES.get_template("parameters_form.html").render(
            notebooks=list(known), facts_json=Markup(json.dumps(facts).replace("</", "<\\/"))
        )
        return [nodes.raw("", html, format="html")]


def describe(p: parameters.Parameter) -> dict[str, Any]:
    """A parameter for the form's script; an open limit is null."""
    text = ",".join(map(str, p.default)) if isinstance(p.default, list) else str(p.default)
    limits = p.limits and [limit if math.isfinite(limit) else None for limit in p.limits]
    return {
        "name": p.name,
        "kind": p.kind,
        "default_text": text,
        "meaning": p.meaning,
        "expected": p.expected,
        "allowed": list(p.allowed),
        "limits": limits,
    }


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("notebook-parameters", NotebookParameters)
    app.add_directive("parameters-form", ParametersForm)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""The directive ``notebook-parameters``: a notebook's parameters, read from the notebook."""

from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from ecgcore import parameters


class NotebookParameters(Directive):
    """A table of name, default, meaning and what is allowed."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        source = Path(self.state.document.settings.env.app.srcdir)
        declared = parameters.of_notebook(source / f"notebooks/{self.arguments[0]}.ipynb")
        rows = [(p.name, repr(p.default), p.meaning, p.expected) for p in declared]
        table = nodes.table(classes=["parameters"])
        group = nodes.tgroup(cols=4)
        table += group
        group += [nodes.colspec(colwidth=width) for width in (2, 2, 5, 4)]
        head, body = nodes.thead(), nodes.tbody()
        group += [head, body]
        head += self._row(("name", "default", "meaning", "allowed"), code=0)
        for row in rows:
            body += self._row(row, code=2)
        return [table]

    def _row(self, texts: tuple[str, ...], code: int) -> nodes.row:
        row = nodes.row()
        for i, text in enumerate(texts):
            entry = nodes.entry()
            paragraph = nodes.paragraph()
            paragraph += nodes.literal("", text) if i < code else nodes.Text(text)
            entry += paragraph
            row += entry
        return row


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("notebook-parameters", NotebookParameters)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

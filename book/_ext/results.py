"""Numbers in prose come from the run: the role ``res`` and the directive ``build-card``."""

import json
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

LOGGER = logging.getLogger(__name__)


def read(folder: str, name: str) -> Any:
    path = Path(folder) / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


class ResultRole(SphinxRole):
    """``{res}`page.key:.3f` ``: a number or word that a run of this build left."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        where, _, form = self.text.partition(":")
        page, _, key = where.partition(".")
        value = read(self.env.app.srcdir, "results.json").get(page, {}).get(key)
        if value is None:
            LOGGER.warning("no result '%s' in this build", where, location=self.get_location())
            value, form = "?", ""
        try:
            text = format(value, form)
        except (TypeError, ValueError):
            LOGGER.warning("result '%s' cannot be shown as '%s'", where, form)
            text = "?"
        return [nodes.inline(text, text.replace("-", "\u2212"), classes=["result"])], []


class BuildCard(Directive):
    """Which data and which tier made the numbers of this page."""

    def run(self) -> list[nodes.Node]:
        facts = read(self.state.document.settings.env.app.srcdir, "build.json")
        archive = "" if facts["data"] == "simulated" else f" ({facts['data']})"
        text = (
            f"The numbers on this page were computed from {facts['kind']}{archive}, "
            f"tier {facts['tier']}, by code {facts['commit']}. {facts['caveat']}"
        )
        card = nodes.admonition(classes=["note", "run-card"])
        card += nodes.title("", f"Made from {facts['kind']}")
        card += nodes.paragraph("", text)
        return [card]


class ClaimsTable(Directive):
    """Every claim with its verdicts, of this build and recorded, and the page that measures it."""

    option_spec: ClassVar = {"study": str}

    def run(self) -> list[nodes.Node]:
        source = self.state.document.settings.env.app.srcdir
        start = self.options["study"]
        rows = [r for r in read(source, "claims.json") if r["page"].startswith(start)]
        lines = ["| claim | holds where | this build | recorded |", "| --- | --- | --- | --- |"]
        for row in rows:
            asked = f"{{doc}}`{row['claim']} <../notebooks/{row['page']}>`: {row['measured']}"
            here = f"**{row['verdict']}** {row['value']}"
            before = f"**{row['recorded verdict']}** {row['recorded value']}"
            if row.get("larger value"):
                before += f"; larger study: **{row['larger verdict']}** {row['larger value']}"
            told = [asked, row["holds where"] or "as its page says", here, before]
            cells = [text.replace("|", "\\|").replace(" -", " \u2212") for text in told]
            lines.append("| " + " | ".join(cells) + " |")
        box = nodes.container(classes=["claims"])
        self.state.nested_parse(StringList(lines, source="claims"), self.content_offset, box)
        return [box]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_role("res", ResultRole())
    app.add_directive("build-card", BuildCard)
    app.add_directive("claims-table", ClaimsTable)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

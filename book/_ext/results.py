"""The role ``res``, which inserts numbers from runs into prose, and related directives."""

import json
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from book.tools import claims, results
from ecgcore.errors import EcgcoreError

LOGGER = logging.getLogger(__name__)


class ResultRole(SphinxRole):
    """``{res}`page.key:.3f` ``: a number or word from a run or a recorded table.

    :mod:`book.tools.results` describes addresses; a missing value fails the build.
    The format ``code`` is for commands, whose dashes and quotes must stay as they are.
    """

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        address, _, form = self.text.partition(":")
        is_code = form == "code"
        try:
            value = results.look_up(Path(self.env.srcdir), address)
            text = results.as_shown(value, "" if is_code else form)
        except EcgcoreError as error:
            LOGGER.warning("%s", error, location=self.get_location())
            text = "?"
        parts = [text] if is_code else text.split("`")  # a sentence may quote commands
        kinds = (nodes.literal, nodes.inline) if is_code else (nodes.inline, nodes.literal)
        pairs = [(kinds[i % 2], part) for i, part in enumerate(parts) if part]
        return [kind(part, part, classes=["result"]) for kind, part in pairs], []


class BuildCard(SphinxDirective):
    """The data and the tier behind this page's numbers, except recorded numbers."""

    def run(self) -> list[nodes.Node]:
        facts = json.loads(Path(self.env.srcdir, "build.json").read_text(encoding="utf-8"))
        return [nodes.paragraph("", facts["sentence"], classes=["run-card"])]


class WithoutData(nodes.Invisible, nodes.Element):
    """Marks a section that the build has no data for."""


class WithResult(SphinxDirective):
    """``{with-result} ADDRESS``: its content, or nothing if this build has no such result.

    Without content, the directive applies to the whole section that contains it: heading, text,
    code and figures.
    """

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        try:
            results.look_up(Path(self.env.srcdir), self.arguments[0])
        except EcgcoreError:
            return [] if self.content else [WithoutData()]
        return self.parse_content_to_nodes() if self.content else []


class LeaveOutSections(SphinxTransform):
    """Remove the sections that the build has no data for."""

    default_priority = 10  # before headings and figures are numbered

    def apply(self, **kwargs: Any) -> None:
        for mark in list(self.document.findall(WithoutData)):
            section = mark.parent
            if isinstance(section, nodes.section):
                section.parent.remove(section)
            else:
                LOGGER.warning("with-result without content is not in a section", location=mark)


class ClaimsTable(SphinxDirective):
    """A table of every claim with its evidence and the pages that measure it.

    Options: ``study``, the prefixes of the pages' names, in the order of the rows.
    """

    option_spec: ClassVar = {"study": str}

    def run(self) -> list[nodes.Node]:
        starts = self.options["study"].split()
        listed = json.loads(Path(self.env.srcdir, "claims.json").read_text(encoding="utf-8"))
        lines = ["| claim | data | measured | verdict |", "| --- | --- | --- | --- |"]
        for claim in [c for start in starts for c in listed if c["page"].startswith(start)]:
            page = claim["page"]
            link = f"{{doc}}`{claim['claim']} </notebooks/{page}>`"
            for row in claim["evidence"]:
                measured = f"{row['measured']}: {claims.value_words(row) or 'no value'}"
                if row["holds where"]:
                    measured += f"; the claim holds if this value is {row['holds where']}"
                data = row["data"]
                if row.get("source", page) not in ("", page):
                    data = f"{{doc}}`{data} </notebooks/{row['source']}>`"
                cells = [link, data, measured, f"**{row['verdict']}**"]
                lines.append(f"| {' | '.join(map(_cell, cells))} |")
        table = self.parse_text_to_nodes("\n".join(lines))
        return [nodes.container("", *table, classes=["claims"])] if len(lines) > 2 else []


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace(" -", " \u2212").replace("[-", "[\u2212")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register role and directives."""
    app.add_role("res", ResultRole())
    app.add_directive("build-card", BuildCard)
    app.add_directive("with-result", WithResult)
    app.add_transform(LeaveOutSections)
    app.add_directive("claims-table", ClaimsTable)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

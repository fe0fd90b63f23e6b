"""Numbers in prose come from runs: the role ``res`` and the directives around it."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, ClassVar

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from book.tools import claims, results
from ecgcore.errors import EcgcoreError
from ecgcore.runs import provenance

LOGGER = logging.getLogger(__name__)


class ResultRole(SphinxRole):
    """``{res}`page.key:.3f` ``: a number or word that a run or a recorded table holds.

    :mod:`book.tools.results` says what an address may be; a missing one fails the build.
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
        kind = nodes.literal if is_code else nodes.inline
        return [kind(text, text, classes=["result"])], []


class BuildCard(SphinxDirective):
    """Which data and which tier made the numbers of this page that are not recorded ones."""

    def run(self) -> list[nodes.Node]:
        facts = json.loads(Path(self.env.srcdir, "build.json").read_text(encoding="utf-8"))
        archive = "" if facts["data"] == "simulated" else f" ({facts['data']})"
        text = (
            f"The results of this build come from {facts['kind']}{archive}, tier "
            f"{facts['tier']}, code {facts['commit']}. {facts['caveat']}"
        )
        return [nodes.paragraph("", text, classes=["run-card"])]


class WithoutData(nodes.Invisible, nodes.Element):
    """Marks a section that the build has no data for."""


class WithResult(SphinxDirective):
    """``{with-result} ADDRESS``: its content, or nothing where this build has no such result.

    Without content, the directive speaks for the whole section in which it stands: heading, text,
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
                LOGGER.warning("with-result without content stands in no section", location=mark)


class DifferenceBars(SphinxDirective):
    """``{difference-bars} PAGE.TABLE``: a bar with its interval for each line of the content.

    A line is ``words | row``, with the row as in an address of :mod:`book.tools.results`; the
    table has the columns ``difference``, ``low`` and ``high``.  Options: ``axis``, what is drawn;
    ``margin``, the address of the largest difference that counts as none, which is drawn in grey.
    """

    required_arguments = 1
    has_content = True
    option_spec: ClassVar = {"axis": str, "margin": str}

    def run(self) -> list[nodes.Node]:
        source, columns = Path(self.env.srcdir), ("difference", "low", "high")
        bars = []
        try:
            margin = float(results.look_up(source, self.options["margin"]))
            for line in self.content:
                words, _, row = line.partition(" | ")
                address = f"{self.arguments[0]}[{row}]"
                values = [float(results.look_up(source, f"{address}.{name}")) for name in columns]
                bars.append((words, *values))
        except EcgcoreError as error:
            LOGGER.warning("%s", error, location=self.get_location())
            return []
        return [nodes.raw("", bars_svg(bars, margin, self.options["axis"]), format="html")]


def bars_svg(
    bars: Sequence[tuple[str, float, float, float]], margin: float, axis_label: str
) -> str:
    """Return a drawing in the colours of the page, with its numbers in words for those who listen.

    Each of ``bars`` is its words, the difference and the ends of its interval.
    """
    left, right, row, top = 142, 336, 24, 4
    ends = [0.0, margin, -margin, *(x for _, *values in bars for x in values)]
    scale = (right - left) / (max(ends) - min(ends))
    height = top + row * len(bars)

    def x(value: float) -> str:
        return f"{left + (value - min(ends)) * scale:.1f}"

    def line(x1: str, y1: float, x2: str, y2: float, kind: str = "interval") -> str:
        return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'

    width = 2 * margin * scale
    band = f'x="{x(-margin)}" y="0" width="{width:.1f}" height="{height}"'
    # not the class "margin": the theme looks for that, and takes it for a note in the margin
    parts = [f'<rect class="none" {band}/>']
    for i, (words, value, low, high) in enumerate(bars):
        y = top + row * i + row / 2
        bar = f'x="{x(min(value, 0))}" y="{y - 7}" width="{abs(value) * scale:.1f}" height="14"'
        parts += [f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{escape(words)}</text>']
        parts += [f'<rect class="bar" {bar}/>', line(x(low), y, x(high), y)]
        parts += [line(x(end), y - 4, x(end), y + 4) for end in (low, high)]
        parts.append(f'<circle cx="{x(value)}" cy="{y}" r="2.5"/>')
    parts.append(line(x(0), 0, x(0), height, "zero"))
    step = next(s for s in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if s * scale > 36)
    for k in range(-20, 21):
        if min(ends) <= k * step <= max(ends):
            tick = results.as_shown(k * step, ".2f" if step >= 0.01 else ".3f") if k else "0"
            parts.append(
                f'<text x="{x(k * step)}" y="{height + 15}" text-anchor="middle">{tick}</text>'
            )
    parts.append(f'<text x="338" y="{height + 32}" text-anchor="end">{escape(axis_label)}</text>')
    said = "; ".join(
        f"{words} {results.as_shown(value, '+.3f')} ({results.as_shown(low, '+.3f')} to "
        f"{results.as_shown(high, '+.3f')})"
        for words, value, low, high in bars
    )
    size = f'viewBox="0 0 340 {height + 38}" role="img"'
    label = escape(f"{axis_label}: {said}.", quote=True)
    return f'<svg class="difference-bars" {size} aria-label="{label}">{"".join(parts)}</svg>'


class Citation(SphinxDirective):
    """How to cite the book and the papers that it examines, from ``CITATION.cff``."""

    def run(self) -> list[nodes.Node]:
        text = (provenance.ROOT / "CITATION.cff").read_text(encoding="utf-8")
        book = yaml.safe_load(text)
        lines = [book["message"], ""]
        lines += [f"- {_reference(work)}" for work in (book, *book["references"])]
        return self.parse_text_to_nodes("\n".join(lines))


def _reference(work: dict[str, Any]) -> str:
    names = ("name", "given-names", "family-names")
    authors = [" ".join(one[n] for n in names if n in one) for one in work["authors"]]
    parts = [", ".join(authors).removesuffix("."), f"*{work['title']}*"]
    parts += [f"Version {work['version']}"] if "version" in work else []
    address = work.get("url") or work.get("repository-code")
    return ". ".join(parts) + "." + (f" <{address}>" if address else "")


class ClaimsTable(SphinxDirective):
    """Every claim with its evidence, and the pages that measure it.

    Options: ``study``, the starts of the pages' names in the order in which they are shown.
    """

    option_spec: ClassVar = {"study": str}

    def run(self) -> list[nodes.Node]:
        starts = self.options["study"].split()
        listed = json.loads(Path(self.env.srcdir, "claims.json").read_text(encoding="utf-8"))
        lines = ["| claim | data | measured | verdict |", "| --- | --- | --- | --- |"]
        of_study = [one for start in starts for one in listed if one["page"].startswith(start)]
        for one in of_study:
            link = f"{{doc}}`{one['claim']} </notebooks/{one['page']}>`"
            for row in one["evidence"]:
                measured = f"{row['measured']}: {claims.value_words(row) or 'no value'}"
                if row["holds where"]:
                    measured += f"; the claim holds where it is {row['holds where']}"
                data = row["data"]
                if row.get("source", one["page"]) not in ("", one["page"]):
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
    app.add_directive("difference-bars", DifferenceBars)
    app.add_directive("citation", Citation)
    app.add_transform(LeaveOutSections)
    app.add_directive("claims-table", ClaimsTable)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""Directives of interactive pages, whose scripts and styles are loaded on no other page."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from book.tools import course, results
from book.tools.facts import as_text
from ecgcore.errors import EcgcoreError
from ecgcore.runs import parameters

LOGGER = logging.getLogger(__name__)
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    undefined=StrictUndefined,
)
TEMPLATES.filters["shown"] = results.as_shown
EXPLORER = "explorer_data"
INTERVAL = ("difference", "low", "high")
RUNS = "runs"
"""Folder of the pages of runs."""


class Interactive(SphinxDirective):
    """A directive that fills a template."""

    @property
    def source(self) -> Path:
        """The staged book."""
        return Path(self.env.srcdir)

    def needs(self, *files: str) -> None:
        """Load these files of ``_static`` on this page, in this order."""
        self.env.metadata[self.env.docname].setdefault("needs", []).extend(files)

    def filled(self, template: str, **values: Any) -> list[nodes.Node]:
        """Return the template's HTML; ``facts`` become JSON that a script can read."""
        text = json.dumps(values.pop("facts_json", None)).replace("</", "<\\/")
        html = TEMPLATES.get_template(template).render(facts_json=Markup(text), **values)
        return [nodes.raw("", html, format="html")]


class ProjectThisPage(Interactive):
    """A button; each second-level heading, exercise and solution becomes a slide."""

    def run(self) -> list[nodes.Node]:
        self.needs("project.js")
        html = '<p class="project" hidden><button type="button">Project this page</button></p>'
        return [nodes.raw("", html, format="html")]


class QuestionBank(Interactive):
    """All questions by session, with folded answers."""

    def run(self) -> list[nodes.Node]:
        bank = course.questions(self.source / "book" / "course" / "questions.yaml")
        return self.filled("questions.html", bank=bank)


class EcgExplorer(Interactive):
    """Controls, paper, tables and a fallback picture, from ``explorer.json`` of this build."""

    def run(self) -> list[nodes.Node]:
        path = self.source / "book" / "_static" / EXPLORER / "explorer.json"
        if not path.exists():
            raise self.error(
                "ecg-explorer: this build has no explorer data; add a section 'explorer' to the "
                "tier."
            )
        facts = json.loads(path.read_text(encoding="utf-8"))
        scripts = ("network", "segments", "paper", "worker", "explorer")
        self.needs("explorer/explorer.css", f"{EXPLORER}/weights.js")
        self.needs(*(f"explorer/{name}.js" for name in scripts))
        folder = f"{'../' * self.env.docname.count('/')}_static/{EXPLORER}/"
        return self.filled(
            "explorer.html",
            facts=facts,
            facts_json={**facts, "folder": folder},
            folder=folder,
            length_s=facts["n_samples"] / facts["rate_hz"],
            methods=[*facts["methods"], "input_x_gradient"],
        )


class ParametersForm(Interactive):
    """A form that writes commands; the page of all parameters replaces it without scripts."""

    def run(self) -> list[nodes.Node]:
        self.needs("parameters_form.js")
        declared = declared_parameters(self.source)
        facts = {name: [describe(p) for p in each] for name, each in declared.items()}
        return self.filled("parameters_form.html", notebooks=list(declared), facts_json=facts)


class NotebookParameters(Interactive):
    """A section per notebook: each parameter's name, default, meaning and allowed values."""

    def run(self) -> list[nodes.Node]:
        sections = []
        for name, declared in declared_parameters(self.source).items():
            section = nodes.section(ids=[f"parameters-of-{name.replace('_', '-')}"], names=[name])
            section += nodes.title("", name)
            section += self.filled("parameters.html", name=name, declared=declared)
            sections.append(section)
        return sections


def declared_parameters(source: Path) -> dict[str, list[parameters.Parameter]]:
    """Return the parameters of every notebook of the book, by the notebook's name."""
    notebooks = sorted((source / "notebooks").glob("*.ipynb"))
    return {path.stem: parameters.of_notebook(path) for path in notebooks}


def describe(p: parameters.Parameter) -> dict[str, Any]:
    """Return a parameter for the form's script; an open limit is null."""
    limits = p.limits and [limit if math.isfinite(limit) else None for limit in p.limits]
    same = {name: getattr(p, name) for name in ("name", "kind", "meaning", "expected")}
    return {**same, "default_text": as_text(p.default), "allowed": p.allowed, "limits": limits}


class RunGallery(Interactive):
    """A sortable, filterable table of all runs, and the differences between any two."""

    def run(self) -> list[nodes.Node]:
        self.needs("gallery.js")
        runs = described_runs(self.source)
        return self.filled(
            "gallery.html",
            runs=runs,
            columns=varying_parameters(runs),
            notebooks=list(dict.fromkeys(run["notebook"] for run in runs)),
            up="../" * self.env.docname.count("/"),
            folder=RUNS,
            facts_json={run["name"]: run for run in runs},
        )


def described_runs(source: Path) -> list[dict[str, Any]]:
    """Return the facts of all runs, as written by staging."""
    path = source / "runs.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def varying_parameters(runs: list[dict[str, Any]]) -> list[str]:
    """Return the parameters in which runs of a notebook differ, in the notebook's order."""
    names = []
    for run in runs:
        same = [other["params"] for other in runs if other["notebook"] == run["notebook"]]
        names += [k for k, v in run["params"].items() if any(o.get(k) != v for o in same)]
    return list(dict.fromkeys(names))


def run_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield one page per run, without a source file, so that the table of contents stays short."""
    for run in described_runs(Path(app.srcdir)):
        body = TEMPLATES.get_template("run.html").render(run=run)
        yield f"{RUNS}/{run['name']}", {"title": run["name"], "body": body}, "page.html"


class DifferenceBars(Interactive):
    """``{difference-bars} PAGE.TABLE``: a bar with its interval for each line of the content.

    A line is ``words | row``, with the row as in an address of :mod:`book.tools.results`, or
    ``words | PAGE.TABLE[row]`` for a row of another table, whose bar is only outlined; a table has
    the columns ``difference``, ``low`` and ``high``. Options: ``axis``, the axis label;
    ``margin``, the address of the largest negligible difference, which is drawn in grey.
    """

    required_arguments = 1
    has_content = True
    option_spec: ClassVar = {"axis": str, "margin": str}

    def run(self) -> list[nodes.Node]:
        bars = []
        try:
            margin = float(results.look_up(self.source, self.options["margin"]))
            for line in self.content:
                words, _, row = line.partition(" | ")
                is_other = row.endswith("]")
                address = row if is_other else f"{self.arguments[0]}[{row}]"
                cells = [float(results.look_up(self.source, f"{address}.{n}")) for n in INTERVAL]
                bars.append((words, is_other, *cells))
        except EcgcoreError as error:
            LOGGER.warning("%s", error, location=self.get_location())
            return []
        ends = [0.0, margin, -margin, *(end for _, _, *values in bars for end in values)]
        low, high = min(ends), max(ends)
        ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high)
        ticks = [tick for tick in ticks if low <= tick <= high]
        axis = {"label": self.options["axis"], "low": low, "high": high, "ticks": ticks}
        return self.filled("difference_bars.svg", bars=bars, margin=margin, axis=axis)


def add_files(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Load the scripts and styles that the page's directives need."""
    for file in dict.fromkeys(app.env.metadata.get(pagename, {}).get("needs", [])):
        if file.endswith(".css"):
            app.add_css_file(file)
        else:
            app.add_js_file(file, loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("project-this-page", ProjectThisPage)
    app.add_directive("question-bank", QuestionBank)
    app.add_directive("ecg-explorer", EcgExplorer)
    app.add_directive("parameters-form", ParametersForm)
    app.add_directive("notebook-parameters", NotebookParameters)
    app.add_directive("run-gallery", RunGallery)
    app.add_directive("difference-bars", DifferenceBars)
    app.add_js_file("print.js", loading_method="defer")
    app.add_js_file("folded.js", loading_method="defer")
    app.connect("html-page-context", add_files, priority=400)
    app.connect("html-collect-pages", run_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""The gallery of runs: a table on one page, and a page for each run directory of this build."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from interactive import TEMPLATES, needs
from markupsafe import Markup
from sphinx.application import Sphinx

FOLDER = "runs"


def runs_of(source: str | Path) -> list[dict[str, Any]]:
    """What staging found in the run directories."""
    path = Path(source) / "runs.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def varying(runs: list[dict[str, Any]]) -> list[str]:
    """Parameters in which runs of one notebook differ, in their notebook's order."""
    found = []
    for run in runs:
        same = [other["params"] for other in runs if other["notebook"] == run["notebook"]]
        found += [k for k, v in run["params"].items() if any(o.get(k) != v for o in same)]
    return list(dict.fromkeys(found))


class RunGallery(Directive):
    """A table of all runs that can be sorted and filtered, and the difference of any two."""

    def run(self) -> list[nodes.Node]:
        env = self.state.document.settings.env
        runs = runs_of(env.app.srcdir)
        needs(env, "gallery.js")
        facts = json.dumps({run["name"]: run for run in runs}).replace("</", "<\\/")
        html = TEMPLATES.get_template("gallery.html").render(
            runs=runs,
            columns=varying(runs),
            notebooks=list(dict.fromkeys(run["notebook"] for run in runs)),
            up="../" * env.docname.count("/"),
            folder=FOLDER,
            facts_json=Markup(facts),
        )
        return [nodes.raw("", html, format="html")]


def run_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page a run, made without a source file, so that the contents stay short."""
    for run in runs_of(app.srcdir):
        body = TEMPLATES.get_template("run.html").render(run=run)
        yield f"{FOLDER}/{run['name']}", {"title": run["name"], "body": body}, "page.html"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("run-gallery", RunGallery)
    app.connect("html-collect-pages", run_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

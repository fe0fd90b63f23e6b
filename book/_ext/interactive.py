"""Pages that do something: their own scripts and styles, and nothing on any other page."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    undefined=StrictUndefined,
)


def needs(env: BuildEnvironment, *files: str) -> None:
    """Say that the page being read needs these files of ``_static``, in this order."""
    meta = env.metadata.setdefault(env.docname, {})
    known = meta.get("needs", "").split()
    meta["needs"] = " ".join(dict.fromkeys([*known, *files]))


def static_folder(env: BuildEnvironment) -> str:
    """``_static/`` as seen from the page being read."""
    return "../" * env.docname.count("/") + "_static/"


def add_files(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    for file in app.env.metadata.get(pagename, {}).get("needs", "").split():
        if file.endswith(".css"):
            app.add_css_file(file)
        else:
            app.add_js_file(file, loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", add_files, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

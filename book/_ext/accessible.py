"""What Sphinx writes that a screen reader stumbles over, put right in the finished page."""

from typing import Any

from sphinx.application import Sphinx

REPAIRS = {
    # docutils gives the list a role whose children its entries cannot be
    'role="list" class="citation-list"': 'class="citation-list"',
    # pandas draws borders by an attribute that HTML dropped
    '<table border="1" class="dataframe">': '<table class="dataframe">',
}


def repair(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    body = context.get("body")
    if body:
        for wrong, right in REPAIRS.items():
            body = body.replace(wrong, right)
        context["body"] = body


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", repair)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

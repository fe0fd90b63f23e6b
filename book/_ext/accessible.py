"""What Sphinx writes that a screen reader stumbles over, put right in the finished page."""

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

REPAIRS = {
    # docutils gives the list a role whose children its entries cannot be
    'role="list" class="citation-list"': 'class="citation-list"',
    ' role="doc-biblioentry"': "",  # which newer rules allow on list items only
    # pandas draws borders by an attribute that HTML dropped
    '<table border="1" class="dataframe">': '<table class="dataframe">',
    # a table with a format of its own looks like every other
    '<table id="T_': '<table class="dataframe" id="T_',
    # the empty corner above row names is no heading
    "<th></th>": "<td></td>",
    '<th class="head"><p></p></th>': "<td></td>",
    # the logo above the contents is outside every landmark
    'class="bd-sidebar-primary bd-sidebar"': (
        'class="bd-sidebar-primary bd-sidebar" role="complementary" aria-label="Sidebar"'
    ),
}
CORNER = re.compile(r'<th (class="(?:blank|index_name)[^"]*")\s*>(?:&nbsp;)?</th>')


def repair(app: Sphinx, exception: Exception | None) -> None:
    """Repair what Sphinx, pandas and the theme's templates wrote."""
    for path in [] if exception else Path(app.outdir).rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for wrong, right in REPAIRS.items():
            text = text.replace(wrong, right)
        path.write_text(CORNER.sub(r"<td \1></td>", text), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", repair)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

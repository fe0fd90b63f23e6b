"""Repair markup in finished pages that hinders sighted readers or screen readers."""

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

REPAIRS = {
    # docutils gives the list a role that does not allow its entries as children
    'role="list" class="citation-list"': 'class="citation-list"',
    ' role="doc-biblioentry"': "",  # newer rules allow it on list items only
    # pandas draws borders with an attribute that HTML has dropped
    '<table border="1" class="dataframe">': '<table class="dataframe">',
    # a table with its own format should look like every other table
    '<table id="T_': '<table class="dataframe" id="T_',
    # the empty corner above row names is not a heading
    "<th></th>": "<td></td>",
    '<th class="head"><p></p></th>': "<td></td>",
    # the logo above the contents is outside every landmark
    'class="bd-sidebar-primary bd-sidebar"': (
        'class="bd-sidebar-primary bd-sidebar" role="complementary" aria-label="Sidebar"'
    ),
}
TITLES = (
    # sphinx-exercise puts titles in brackets and no space before links to exercises
    (re.compile(r"(Exercise \d+) ?(</span>)? ?\(([^<]*)\)(?=</)"), r"\1\2: \3"),
    (re.compile(r"Exercise \((\d+\.\d+) ([^<]*)\)(?=</)"), r"Exercise \1: \2"),
    (re.compile(r'Solution to(<a class="reference internal" href="[^"]*">) '), r"Solution to \1"),
)
PICTURE = re.compile(r"(<figure[^>]*>\s*)((?:<a [^>]*>)?<img [^>]*>(?:</a>)?)")
TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
TAG = re.compile(r"<[^>]*>")
ROW = re.compile(r"<tr.*?</tr>", re.DOTALL)
CELL = re.compile(r"<(t[dh])\b([^>]*)>(.*?)</\1>", re.DOTALL)
NUMBER = re.compile(r"[-−+]?[\d.,]+(?:e[-+]?\d+)?(?: ?%)?|")
CORNER = re.compile(r'<th (class="(?:blank|index_name)[^"]*")\s*>(?:&nbsp;)?</th>')


def align_numbers(table: str) -> str:
    """Return a table in which the cells of purely numeric columns are marked.

    Columns are counted from the right, since only row names, on the left, can span several rows.
    """
    rows = [
        [TAG.sub("", content).strip() for *_, content in CELL.findall(row)]
        for row in ROW.findall(table)
    ]
    body = rows[table[: table.find("<tbody")].count("<tr") :]
    width = max(map(len, rows), default=0)
    columns = [[row[-i] for row in body if len(row) >= i] for i in range(1, width + 1)]
    holds_numbers = [any(one) and all(map(NUMBER.fullmatch, one)) for one in columns]

    def mark(row: re.Match[str]) -> str:
        n = len(CELL.findall(row[0]))
        places = iter(range(n - 1, -1, -1))
        return CELL.sub(
            lambda cell: (
                f"<{cell[1]}{cell[2]} data-number>{cell[3]}</{cell[1]}>"
                if holds_numbers[next(places)]
                else cell[0]
            ),
            row[0],
        )

    return ROW.sub(mark, table)


def repair(app: Sphinx, exception: Exception | None) -> None:
    """Repair the HTML that Sphinx, pandas and the theme's templates wrote."""
    for path in [] if exception else Path(app.outdir).rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for wrong, right in REPAIRS.items():
            text = text.replace(wrong, right)
        for pattern, replacement in TITLES:
            text = pattern.sub(replacement, text)
        text = PICTURE.sub(r'\1<div class="pst-scrollable-table-container">\2</div>', text)
        text = CORNER.sub(r"<td \1></td>", text)
        text = TABLE.sub(lambda table: align_numbers(table[0]), text)
        path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", repair)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

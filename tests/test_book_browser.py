"""The built book as a reader without a network meets it: every page in headless Chromium."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from browser import DESKTOP, PHONE
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

pytestmark = pytest.mark.xdist_group("browser")

# else axe fetches style sheets by script, which file:// forbids, and reports all that passed
QUICK = {"preload": False, "resultTypes": ["violations"]}
RUN_AXE = "([skipped, options]) => axe.run({exclude: skipped}, options)"
COLOURED = ("data_tour", "recipes")
"""Pages whose code is examined too, word by word; it is coloured alike on all, and takes long."""

LOOK = """() => {
  document.querySelectorAll('details').forEach(d => d.open = true);
  const seen = e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0; };
  return {
    ids: [...document.querySelectorAll('[id]')].map(e => e.id),
    links: [...document.querySelectorAll('a[href]')].map(a => a.href),
    headings: [...document.querySelectorAll('article h1')].map(h => h.textContent),
    formulas: [...document.querySelectorAll('math')].filter(seen).length,
    broken_formulas: document.querySelectorAll('merror, .formula:not(:has(math))').length,
    images: [...document.querySelectorAll('article img')].map(i => ({
      src: i.getAttribute('src'), alt: i.getAttribute('alt') || '',
      drawn: i.complete && i.naturalWidth > 0 && (seen(i) || !!i.closest('.print-only'))})),
  };
}"""


@dataclass
class Visit:
    """What one page did and showed."""

    path: Path
    requests: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    overflow_px: dict[int, int] = field(default_factory=dict)
    violations: dict[str, list[str]] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="session")
def visits(html: Path, context: Any) -> list[Visit]:
    """Every page, opened once from ``file://`` with the network off."""
    pages = sorted(p for p in html.rglob("*.html") if "_static" not in p.parts)
    return [visit(context, path) for path in pages if not is_redirect(path)]


def visit(context: Any, path: Path) -> Visit:
    """Open one page, wide and narrow, light and dark; the theme changes colours only."""
    page, seen = context.new_page(), Visit(path)
    page.on("request", lambda r: seen.requests.append(r.url))
    page.on("requestfailed", lambda r: seen.failures.append(f"{r.url}: {r.failure}"))
    page.on("pageerror", lambda e: seen.complaints.append(str(e)))
    page.on("console", lambda m: seen.complaints.append(m.text) if m.type == "error" else None)
    page.goto(path.as_uri(), wait_until="load")
    page.wait_for_function("[...document.images].every(i => i.complete)")
    seen.shown = page.evaluate(LOOK)
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        width = page.evaluate("document.documentElement.scrollWidth")
        seen.overflow_px[size["width"]] = width - size["width"]
    page.add_style_tag(content="* { transition: none !important; }")
    if examined_by_axe(path):
        page.evaluate(AXE_SCRIPT)
        skipped = [] if path.stem in COLOURED else [".highlight"]
        for theme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
            page.evaluate("t => { document.documentElement.dataset.theme = t; }", theme)
            found = page.evaluate(RUN_AXE, [skipped, {**QUICK, **options}])
            seen.violations[theme] = [
                f"{v['id']} ({v['impact']}): {node['html'][:120]}"
                for v in found["violations"]
                for node in v["nodes"]
            ]
    page.close()
    return seen


def examined_by_axe(path: Path) -> bool:
    """Pages of runs are all made by one template: one with metrics and one without will do."""
    one_of_each = {"data_tour", "frequency_train-cnn1d-100", "frequency_train-cnn1d-100-42"}
    return path.parent.name != "runs" or path.stem in one_of_each


def each(visits: list[Visit], html: Path, of: Any) -> dict[str, Any]:
    """What ``of`` finds on each page, less the pages where it finds nothing."""
    found = {str(v.path.relative_to(html)): of(v) for v in visits}
    return {page: what for page, what in found.items() if what}


def is_redirect(path: Path) -> bool:
    """Whether a page only sends the reader on, as Jupyter Book's own ``index.html`` does."""
    return 'http-equiv="Refresh"' in path.read_text(encoding="utf-8")


def test_book_has_every_page_of_its_contents(root: Path, html: Path, visits: list[Visit]) -> None:
    named = re.findall(r"(?:root|file): (\S+)", (root / "_toc.yml").read_text(encoding="utf-8"))
    assert len(named) > 10
    pages = {str(v.path.relative_to(html)) for v in visits}
    assert {f"{name}.html" for name in named} <= pages


def test_front_door_leads_to_landing_page(html: Path) -> None:
    sent = re.search(r"url=([^\"]+)", (html / "index.html").read_text(encoding="utf-8"))
    assert sent is not None
    assert (html / sent.group(1)).exists()


def test_pages_ask_for_nothing_outside_the_book(html: Path, visits: list[Visit]) -> None:
    def outside(seen: Visit) -> list[str]:
        return [r for r in seen.requests if not r.startswith((html.as_uri(), "data:", "blob:"))]

    assert all(len(v.requests) > 1 for v in visits)
    assert each(visits, html, outside) == {}
    assert each(visits, html, lambda v: v.failures) == {}


def test_console_stays_silent(html: Path, visits: list[Visit]) -> None:
    assert each(visits, html, lambda v: v.complaints) == {}


def test_each_page_has_one_title(html: Path, visits: list[Visit]) -> None:
    untitled = {"genindex.html", "search.html", "py-modindex.html"}

    def wrong(seen: Visit) -> list[str]:
        own = seen.path.name in untitled
        return [] if own or len(seen.shown["headings"]) == 1 else [str(seen.shown["headings"])]

    assert each(visits, html, wrong) == {}


def test_every_image_is_drawn_and_described(html: Path, visits: list[Visit]) -> None:
    def wrong(seen: Visit) -> list[str]:
        return [
            f"{image['src']}: drawn {image['drawn']}, alt '{image['alt']}'"
            for image in seen.shown["images"]
            if not image["drawn"]
            or len(image["alt"]) < 20
            or re.search(r"\.(png|svg)$|[0-9a-f]{16}", image["alt"])
        ]

    assert sum(len(v.shown["images"]) for v in visits) >= 10
    assert each(visits, html, wrong) == {}


def test_every_formula_of_the_source_is_drawn(html: Path, visits: list[Visit]) -> None:
    total = 0
    for seen in visits:
        expected = formulas_in_source(html, seen.path)
        total += expected
        assert seen.shown["broken_formulas"] == 0, seen.path.name
        if "api" in seen.path.name:  # docstrings bring formulas of their own
            assert seen.shown["formulas"] >= expected
        else:
            assert seen.shown["formulas"] == expected, seen.path.name
    assert total >= 10


def formulas_in_source(html: Path, page: Path) -> int:
    """Formulas that the source of a page holds, counted by a Markdown parser."""
    name = page.relative_to(html).with_suffix("")
    markdown = html / "_sources" / f"{name}.md"
    notebook = html / "_sources" / f"{name}.ipynb"
    if markdown.exists():
        return count_formulas(markdown.read_text(encoding="utf-8"))
    if notebook.exists():
        cells = nbformat.read(notebook, as_version=4).cells
        return sum(count_formulas(c.source) for c in cells if c.cell_type == "markdown")
    return 0


def count_formulas(text: str) -> int:
    """Inline and display formulas, also those inside directives."""
    parser = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, double_inline=True)
    count = 0
    for token in parser.parse(text):
        if token.type == "fence" and token.info.startswith("{"):
            count += 0 if "code" in token.info else count_formulas(token.content)
        count += token.type.startswith("math_block")
        count += sum(child.type.startswith("math_inline") for child in token.children or [])
    return count


def test_counter_of_formulas_sees_them_all() -> None:
    assert count_formulas("$a$ and $b$\n\n$$\nc\n$$\n\n```{note}\n$d$\n```\n\n`$e$` costs 5 $") == 4


def test_links_and_anchors_resolve(html: Path, visits: list[Visit]) -> None:
    ids = {v.path.resolve(): {*v.shown["ids"], "", "top"} for v in visits}

    def dead(seen: Visit) -> list[str]:
        found = []
        for link in seen.shown["links"]:
            parts = urlsplit(link)
            if parts.scheme != "file":
                continue
            target = Path(unquote(parts.path)).resolve()
            known = ids.get(target)
            if not target.is_file() or (known and unquote(parts.fragment) not in known):
                found.append(link)
        return found

    assert sum(len(v.shown["links"]) for v in visits) > 100
    assert each(visits, html, dead) == {}


@pytest.mark.parametrize("width_px", [PHONE["width"], DESKTOP["width"]])
def test_no_page_is_wider_than_the_screen(html: Path, visits: list[Visit], width_px: int) -> None:
    assert each(visits, html, lambda v: max(0, v.overflow_px[width_px])) == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_accessible_by_the_rules_of_axe(html: Path, visits: list[Visit], theme: str) -> None:
    assert sum(theme in v.violations for v in visits) > 10
    assert each(visits, html, lambda v: v.violations.get(theme)) == {}


def test_pages_are_light(html: Path, visits: list[Visit]) -> None:
    assert each(visits, html, lambda v: v.path.stat().st_size > 500 * 1024) == {}


def test_search_works_offline(html: Path, context: Any) -> None:
    page = context.new_page()
    page.goto((html / "search.html").as_uri() + "?q=receptive+field")
    page.wait_for_selector("ul.search li a", timeout=30_000)
    found = [link.get_attribute("href") for link in page.query_selector_all("ul.search li a")]
    page.close()
    pages = {str(href).split("?")[0].split("#")[0] for href in found}
    assert "notebooks/frequency_cause.html" in pages
    assert all((html / name).exists() for name in pages)


def test_first_content_reads_without_javascript(html: Path, context: Any) -> None:
    plain = context.browser.new_context(java_script_enabled=False, offline=True, viewport=DESKTOP)
    page = plain.new_page()
    for name in ("book/index", "notebooks/imn_belief", "book/explorer"):
        page.goto((html / f"{name}.html").as_uri())
        assert page.locator("article h1").first.is_visible()
        assert page.locator("article p").first.is_visible()
        assert len(page.locator("article").first.inner_text()) > 1000
    plain.close()

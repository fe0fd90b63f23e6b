"""The built book as a reader without a network sees it: every page in headless Chromium."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from browser import DESKTOP, PHONE

# All pages are opened in one fixture, which takes minutes on a busy machine.
pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(1500)]

# otherwise, axe fetches style sheets by script, which file:// forbids, and reports passed checks
QUICK = {"preload": False, "resultTypes": ["violations"]}
RUN_AXE = "([skipped, options]) => axe.run({exclude: skipped}, options)"
THEMES = {"light": {}, "dark": {"runOnly": ["color-contrast"]}}
"""Axe's options by theme; a theme changes only colours."""
COLOURED = ("imn_train",)
"""Pages whose code is examined too, word by word, which takes long; code has the same colours on
all pages and at all widths."""

LOOK = """() => {
  const tables = document.querySelectorAll('article table:not(details table)').length;
  document.querySelectorAll('details').forEach(d => d.open = true);
  const seen = e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0; };
  return {
    open_tables: tables,
    ids: [...document.querySelectorAll('[id]')].map(e => e.id),
    links: [...document.querySelectorAll('a[href]')].map(a => a.href),
    n_h1: document.querySelectorAll('article h1').length,
    formulas: [...document.querySelectorAll('math')].filter(seen).length,
    broken_formulas: document.querySelectorAll('merror, .formula:not(:has(math))').length,
    text: [...document.querySelectorAll('article')].map(a => {
      const copy = a.cloneNode(true);
      copy.querySelectorAll('pre, script, style').forEach(e => e.remove());
      return copy.textContent; }).join(' '),
    images: [...document.querySelectorAll('article img')].map(i => ({
      src: i.getAttribute('src'), alt: i.getAttribute('alt') || '',
      drawn: i.complete && i.naturalWidth > 0 && (seen(i) || !!i.closest('.print-only'))})),
  };
}"""


WIDE_TABLES = """() => {
  const scrolls = e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
  const box = e => e.matches('article') || scrolls(e) ? e : box(e.parentElement);
  return [...document.querySelectorAll('article table')]
    .map(t => [t.scrollWidth, box(t.parentElement).clientWidth, t.textContent])
    .filter(([width, room]) => width > room + 1)  // both are rounded
    .map(([width, room, text]) => `${width} > ${room} px: ${text.trim().slice(0, 60)}`);
}"""
NOT_COMPUTED = re.compile(r"\bNaN\b|\bnot run\b|task\(s\)|\bnot measured\b")
"""Words for results that this build did not compute; pages must leave such results out."""
MADE_BY_SPHINX = {"genindex", "search", "py-modindex"}


@dataclass
class Visit:
    """What one page requested, reported and showed."""

    path: Path
    requests: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    overflow_px: dict[int, int] = field(default_factory=dict)
    wide_tables: list[str] = field(default_factory=list)
    axe_runs: int = 0
    violations: list[str] = field(default_factory=list)
    shown: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="session")
def visits(html: Path, context: Any) -> list[Visit]:
    """Return the visits of all pages, each opened once from ``file://`` without a network."""
    pages = sorted(p for p in html.rglob("*.html") if "_static" not in p.parts)
    visited = [visit(context, path) for path in pages if not is_redirect(path)]
    for seen in visited:
        inside = (html.as_uri(), "data:", "blob:")
        seen.outside = [url for url in seen.requests if not url.startswith(inside)]
    return visited


def visit(context: Any, path: Path) -> Visit:
    """Open one page narrow and wide, light and dark; return what it showed."""
    page, seen = context.new_page(), Visit(path)
    page.on("request", lambda r: seen.requests.append(r.url))
    page.on("requestfailed", lambda r: seen.failures.append(f"{r.url}: {r.failure}"))
    page.on("pageerror", lambda e: seen.complaints.append(str(e)))
    page.on("console", lambda m: seen.complaints.append(m.text) if m.type == "error" else None)
    page.goto(path.as_uri(), wait_until="load")
    page.wait_for_function("[...document.images].every(i => i.complete)")
    seen.shown = page.evaluate(LOOK)
    page.add_style_tag(content="* { transition: none !important; }")
    page.evaluate(AXE_SCRIPT)
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        width = page.evaluate("document.documentElement.scrollWidth")
        seen.overflow_px[size["width"]] = width - size["width"]
        if size == PHONE:
            page.wait_for_timeout(350)  # until the theme has re-examined which parts scroll
        for theme, options in THEMES.items() if examined_by_axe(path) else ():
            page.evaluate("t => { document.documentElement.dataset.theme = t; }", theme)
            is_skipped = path.stem not in COLOURED or size == PHONE
            skipped = [".highlight"] if is_skipped else []
            found = page.evaluate(RUN_AXE, [skipped, {**QUICK, **options}])["violations"]
            seen.axe_runs += 1
            seen.violations += [
                f"{width} px, {theme}: {v['id']} ({v['impact']}): {node['html'][:120]}"
                for v in found
                for node in v["nodes"]
            ]
    if path.parent.name == "notebooks":
        seen.wide_tables = page.evaluate(WIDE_TABLES)
    page.close()
    return seen


def examined_by_axe(path: Path) -> bool:
    """Return whether axe examines a page; of pages of runs, one with metrics and one without."""
    one_of_each = {"frequency_train-cnn1d-100", "frequency_train-cnn1d-100-42"}
    return path.parent.name != "runs" or path.stem in one_of_each


def is_redirect(path: Path) -> bool:
    """Return whether a page only redirects, as Jupyter Book's own ``index.html`` does."""
    return 'http-equiv="Refresh"' in path.read_text(encoding="utf-8")


def test_book_has_every_page_in_its_contents(root: Path, html: Path, visits: list[Visit]) -> None:
    named = re.findall(r"(?:root|file): (\S+)", (root / "_toc.yml").read_text(encoding="utf-8"))
    assert len(named) > 10
    pages = {str(v.path.relative_to(html)) for v in visits}
    assert {f"{name}.html" for name in named} <= pages
    (start,) = re.findall(r"url=([^\"]+)", (html / "index.html").read_text(encoding="utf-8"))
    assert (html / start).exists()


def bad_images(seen: Visit) -> list[str]:
    return [
        f"{image['src']}: drawn {image['drawn']}, alt '{image['alt']}'"
        for image in seen.shown["images"]
        if not image["drawn"]
        or len(image["alt"]) < 20
        or re.search(r"\.(png|svg)$|[0-9a-f]{16}", image["alt"])
    ]


def placeholders(seen: Visit) -> list[str]:
    """Return words for missing results; the library's page may mention NaN."""
    words = NOT_COMPUTED.findall(seen.shown["text"])
    return [word for word in words if not (seen.path.stem == "api" and word == "NaN")]


FAULTS: dict[str, Callable[[Visit], Any]] = {
    "requests outside the book": lambda seen: seen.outside,
    "failed requests": lambda seen: seen.failures,
    "console messages": lambda seen: seen.complaints,
    "no title, or several": lambda seen: (
        seen.path.stem not in MADE_BY_SPHINX and seen.shown["n_h1"] != 1
    ),
    "images not drawn or not described": bad_images,
    "formulas not drawn": lambda seen: seen.shown["broken_formulas"],
    "wider than a phone": lambda seen: max(0, seen.overflow_px[PHONE["width"]]),
    "wider than a desktop": lambda seen: max(0, seen.overflow_px[DESKTOP["width"]]),
    "words for what was not computed": placeholders,
    "more than three open tables": lambda seen: (
        seen.path.stem not in MADE_BY_SPHINX and seen.shown["open_tables"] > 3
    ),
    "tables wider than their column": lambda seen: seen.wide_tables,
    "violations of axe's rules": lambda seen: seen.violations,
    "heavier than 500 KiB": lambda seen: seen.path.stat().st_size > 500 * 1024,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_page_has(html: Path, visits: list[Visit], fault: str) -> None:
    found = {str(v.path.relative_to(html)): FAULTS[fault](v) for v in visits}
    assert {page: what for page, what in found.items() if what} == {}


def test_pages_were_examined(visits: list[Visit]) -> None:
    assert all(len(v.requests) > 1 for v in visits)
    assert sum(len(v.shown["images"]) for v in visits) >= 10
    assert sum(v.shown["formulas"] for v in visits) >= 10
    assert sum(len(v.shown["links"]) for v in visits) > 100
    assert sum(v.axe_runs == 4 for v in visits) > 10


def test_links_and_anchors_resolve(html: Path, visits: list[Visit]) -> None:
    ids = {v.path.resolve(): {*v.shown["ids"], "", "top"} for v in visits}

    def is_dead(link: str) -> bool:
        parts = urlsplit(link)
        target = Path(unquote(parts.path)).resolve()
        has_anchor = unquote(parts.fragment) in (ids.get(target) or {unquote(parts.fragment)})
        return parts.scheme == "file" and not (target.is_file() and has_anchor)

    dead = {str(v.path.relative_to(html)): list(filter(is_dead, v.shown["links"])) for v in visits}
    assert {page: links for page, links in dead.items() if links} == {}


def test_no_verdict_is_lost_with_a_section(root: Path, html: Path) -> None:
    texts = {p.stem: p.read_text(encoding="utf-8") for p in (root / "notebooks").glob("*.ipynb")}
    with_verdict = [name for name, text in texts.items() if "{admonition} Verdict" in text]
    assert len(with_verdict) > 10
    for name in with_verdict:
        page = (html / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        assert re.search(r'admonition-title">Verdict', page), name


def test_search_works_offline(html: Path, context: Any) -> None:
    page = context.new_page()
    page.goto((html / "search.html").as_uri() + "?q=receptive+field")
    page.wait_for_selector("ul.search li a", timeout=30_000)
    found = [link.get_attribute("href") for link in page.query_selector_all("ul.search li a")]
    page.close()
    pages = {str(href).split("?")[0].split("#")[0] for href in found}
    assert "notebooks/frequency_cause.html" in pages
    assert all((html / name).exists() for name in pages)


def test_first_content_is_readable_without_javascript(html: Path, context: Any) -> None:
    plain = context.browser.new_context(java_script_enabled=False, offline=True, viewport=DESKTOP)
    page = plain.new_page()
    for name in ("book/index", "notebooks/imn_belief", "book/explorer"):
        page.goto((html / f"{name}.html").as_uri())
        assert page.locator("article h1").first.is_visible()
        assert page.locator("article p").first.is_visible()
        assert len(page.locator("article").first.inner_text()) > 1000
    plain.close()


ON_PAPER = """() => {
  const seen = e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0 };
  const article = document.querySelector('article');
  const style = e => { const s = getComputedStyle(e); return [s.backgroundColor, s.color]; };
  const lightness = c => c.match(/[0-9.]+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 3;
  const cut = e => e.scrollWidth > e.clientWidth + 2 &&
    ['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX);
  return {
    folded: [...article.querySelectorAll('details:not(.hide)')]
      .filter(d => ![...d.children].slice(1).some(seen)).length,
    cut: [...article.querySelectorAll('table, pre, .wide, .output')].filter(e => seen(e) && cut(e))
      .map(e => e.textContent.trim().slice(0, 40)),
    page: lightness(style(document.body)[0]),
    text: [...article.querySelectorAll('p, pre, pre span, td, li')].filter(seen)
      .map(e => lightness(style(e)[1])).reduce((a, b) => Math.max(a, b), 0),
  };
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_print_dark_on_white_with_commands_opened(
    html: Path, context: Any, theme: str
) -> None:
    page = context.new_page()
    page.add_init_script(f"for (const k of ['mode', 'theme']) localStorage.setItem(k, '{theme}')")
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 less its margins
    for name in ("book/index", "notebooks/imn_train", "book/course/session_1"):
        page.goto((html / f"{name}.html").as_uri())
        page.emulate_media(media="print", color_scheme=theme)
        paper = page.evaluate(ON_PAPER)
        assert paper["folded"] == 0, name
        assert paper["cut"] == [], name
        assert paper["page"] > 250, name
        assert paper["text"] < 160, name
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate("document.documentElement.dataset.theme") == "light"
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate("document.documentElement.dataset.theme") == theme
    page.close()


def test_the_landing_page_fits_one_screen(html: Path, context: Any) -> None:
    """Results, their picture and the three buttons fit; on a phone the picture comes last."""
    page = context.new_page()
    page.set_viewport_size(DESKTOP)
    page.goto((html / "book" / "index.html").as_uri())
    buttons, cards = page.locator("article .sd-btn"), page.locator("article .sd-card")
    picture = page.locator("article .landing-picture")
    assert (buttons.count(), cards.count(), picture.count()) == (3, 2, 1)
    bars = page.locator("article .sd-card svg.difference-bars")
    assert "AUROC" in str(bars.get_attribute("aria-label"))
    assert bars.locator("rect.bar").count() == 5

    def place(locator: Any) -> tuple[float, float]:
        """Return top and bottom [px]."""
        box = locator.bounding_box()
        return box["y"], box["y"] + box["height"]

    assert place(buttons.last)[1] <= DESKTOP["height"]
    assert place(cards.first)[0] == pytest.approx(place(cards.last)[0])
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(500)  # until the sidebar is gone
    assert place(cards.first)[0] < PHONE["height"] / 2 + 50
    assert place(cards.last)[1] < place(buttons.first)[0]
    assert place(buttons.last)[1] < min(place(picture)[0], 2.1 * PHONE["height"])
    page.close()

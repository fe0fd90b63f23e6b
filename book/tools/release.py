"""Make a release: the pages as a zip for offline reading, the book as a PDF, and the results.

Two releases of the same pages are byte-identical except for the PDF, which Chromium dates itself.
"""

import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ecgcore import files
from ecgcore.errors import EcgcoreError
from ecgcore.runs import provenance

PAGES, PDF, RESULTS = "ecg-book-html.zip", "ecg-book.pdf", "ecg-book-results.zip"
CONTENTS = "Contents"
CHROMIUM = ("chromium", "google-chrome", "chromium-browser")

_PRINTING: dict[str, Any] = {
    "format": "A4",
    "margin": {"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
    "print_background": True,
    "tagged": True,
    "header_template": "<span></span>",
}
_FOOT = (
    '<div style="width:100%;font-size:8px;padding:0 16mm;display:flex;'
    'justify-content:space-between"><span>{title}</span>'
    '<span>{number}-<span class="pageNumber"></span></span></div>'
)
_CONTENTS = '<body style="font-family: sans-serif; line-height: 1.7"><h1>Contents</h1>'


def make_release(html: Path, to: Path, *, root: Path) -> list[Path]:
    """Write the archives of a built book and their checksums into ``to``, all or nothing.

    ``root`` is the checkout, for ``_toc.yml`` and ``results/``.  Returns the paths of
    ``ecg-book-html.zip``, ``ecg-book.pdf``, ``ecg-book-results.zip``, ``manifest.json`` and
    ``SHA256SUMS``.  Raises :class:`EcgcoreError` if there is no built book, no Chromium, or if the
    packages for printing are not installed.
    """
    if not (html / "index.html").exists():
        raise EcgcoreError(f"{html}: no built book there; run make book, or name a built one.")
    order = pages_in_order((root / "_toc.yml").read_text(encoding="utf-8"))
    if absent := [name for name in order if not (html / f"{name}.html").exists()]:
        raise EcgcoreError(f"{html}: no page {absent[0]}, which _toc.yml names; run make book.")
    partial = Path(f"{to}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    print_pdf(html, order, partial / PDF)
    make_zip(html, partial / PAGES, inside="ecg-book")
    make_zip(root / "results", partial / RESULTS, inside="ecg-book-results")
    _write_manifest(partial, html, root)
    files.replace_folder(partial, to)
    return sorted(to.iterdir())


def _write_manifest(folder: Path, html: Path, root: Path) -> None:
    commit, is_dirty = provenance.git_state(root)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    tier = next((p.name.removeprefix(".tier-") for p in html.glob(".tier-*")), "unknown")
    manifest = {"commit": commit, "with_changes": is_dirty, "tier": tier, "bytes": sizes}
    files.write_json(folder / "manifest.json", manifest)
    lines = [f"{files.sha256(folder / name)}  {name}\n" for name in [*sizes, "manifest.json"]]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def pages_in_order(toc: str) -> list[str]:
    """Return the names of the pages, without suffix, as ``_toc.yml`` lists them."""
    return re.findall(r"^\s*(?:- )?(?:root|file): (\S+)", toc, re.MULTILINE)


def make_zip(folder: Path, to: Path, *, inside: str) -> None:
    """Write a folder as a zip, sorted and with all dates 1980, below one folder ``inside``."""
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = zipfile.ZipInfo(f"{inside}/{path.relative_to(folder).as_posix()}")
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, path.read_bytes())


def print_pdf(html: Path, pages: Sequence[str], to: Path) -> None:
    """Print pages one after another into one PDF, with bookmarks and links between chapters.

    Chapters number their own pages, as in *3-1*, since each is printed separately; the contents
    follow the first chapter. Links to pages of the book become links inside the PDF; links to other
    local files are dropped, since they would name this machine's folders.
    """
    try:
        from playwright.sync_api import sync_playwright
        from pypdf import PdfReader, PdfWriter
        from pypdf.constants import PageLabelStyle as Style
    except ImportError as error:
        raise EcgcoreError(f"{error.name} is not installed: pip install 'ecgcore[test]'.") from None
    if not (chromium := next(filter(None, map(shutil.which, CHROMIUM)), None)):
        raise EcgcoreError("printing the PDF needs Chromium: run .ci/install-browser.")
    book, starts = PdfWriter(), dict[str, int]()
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        for number, (name, path, title) in enumerate(_print_pages(page, html, pages, scratch)):
            starts[name] = first = len(book.pages)
            book.append(PdfReader(path), outline_item=title, import_outline=False)
            label: dict[str, Any] = {"prefix": f"{max(0, number - 1)}-", "style": Style.DECIMAL}
            if name == CONTENTS:
                label = {"style": Style.LOWERCASE_ROMAN}
            book.set_page_label(first, len(book.pages) - 1, **label)
        browser.close()
        _link_inside(book, html, starts)
        book.add_metadata({"/Title": "ECG deep learning, questioned", "/Producer": "ecgcore"})
        book.compress_identical_objects()
        book.write(to)


def _print_pages(
    page: Any, html: Path, names: Sequence[str], scratch: str
) -> list[tuple[str, Path, str]]:
    """Print pages offline; return (page, PDF, title) of each, with the contents second."""
    chapters, lines = [], [_CONTENTS]
    for number, name in enumerate(names):
        link, path = (html / f"{name}.html").resolve().as_uri(), Path(scratch, f"{number}.pdf")
        page.goto(link, wait_until="load")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")  # see _static/print.js
        title = str(page.evaluate("document.querySelector('article h1').firstChild.data"))
        foot = _FOOT.format(title=escape(title), number=number)
        page.pdf(path=path, footer_template=foot, display_header_footer=True, **_PRINTING)
        lines.append(f'<p>{number} <a href="{link}">{escape(title)}</a></p>')
        chapters.append((name, path, title))
    path = Path(scratch, "contents.pdf")
    path.with_suffix(".html").write_text("".join(lines), encoding="utf-8")
    page.goto(path.with_suffix(".html").as_uri())
    page.pdf(path=path, **_PRINTING)
    return [chapters[0], (CONTENTS, path, CONTENTS), *chapters[1:]]


def _link_inside(book: Any, html: Path, starts: Mapping[str, int]) -> None:
    from pypdf.generic import ArrayObject, DictionaryObject, NameObject

    folder = unquote(html.resolve().as_uri()) + "/"
    for page in book.pages:
        remaining = ArrayObject()
        for annotation in page.get("/Annots") or ():
            action: Any = annotation.get_object().get("/A")
            target = unquote(str(action.get_object().get("/URI", ""))) if action else ""
            name = target.removeprefix(folder).split("#")[0].removesuffix(".html")
            if name in starts:
                place = [book.pages[starts[name]].indirect_reference, NameObject("/Fit")]
                link = {"/S": NameObject("/GoTo"), "/D": ArrayObject(place)}
                annotation.get_object()[NameObject("/A")] = DictionaryObject(
                    {NameObject(key): value for key, value in link.items()}
                )
            if name in starts or not target.startswith("file:"):
                remaining.append(annotation)
        if "/Annots" in page:
            page[NameObject("/Annots")] = remaining

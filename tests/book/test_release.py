"""A release can be read without our tools: zip, PDF, results, checksums."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from browser import chromium

from book.tools import release
from ecgcore.errors import EcgcoreError

CHAPTERS = ["book/index", "book/explorer", "notebooks/imn_belief"]


@pytest.fixture(scope="module")
def released(root: Path, html: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a release with three chapters in the PDF and all pages in the zip."""
    assert chromium()
    place = tmp_path_factory.mktemp("release")
    listed = "".join(f"  - file: {name}\n" for name in CHAPTERS[1:])
    (place / "_toc.yml").write_text(f"format: jb-book\nroot: {CHAPTERS[0]}\nchapters:\n{listed}")
    for name in ("results", "book"):
        (place / name).symlink_to(root / name)
    # in its own process, since Playwright allows only one instance per process
    command = [sys.executable, "-m", "book.tools", "release", "--html", html, "--to", "made"]
    subprocess.run(command, cwd=place, check=True)
    return place / "made"


def test_checksums_hold(released: Path) -> None:
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.check_output(command, cwd=released, text=True).count(": OK") == 4
    listed = json.loads((released / "manifest.json").read_text())["bytes"]
    files = (release.PAGES, release.PDF, release.RESULTS)
    assert listed == {name: (released / name).stat().st_size for name in files}


def test_pages_are_small_and_zips_are_identical(released: Path, html: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(released / release.PAGES) as archive:
        names = archive.namelist()
    assert (released / release.PAGES).stat().st_size < 40 * 2**20
    assert {f"ecg-book/{p.relative_to(html)}" for p in html.rglob("*.html")} <= set(names)
    assert all(name.startswith("ecg-book/") and ".." not in name for name in names)
    release.make_zip(html, tmp_path / "again.zip", inside="ecg-book")
    assert (tmp_path / "again.zip").read_bytes() == (released / release.PAGES).read_bytes()


def test_pdf_has_chapters_contents_and_internal_links(released: Path) -> None:
    from pypdf import PdfReader

    pdf = PdfReader(released / release.PDF)
    titles = [entry.title for entry in pdf.outline]
    assert len(titles) == len(CHAPTERS) + 1
    assert titles[1] == "Contents"
    starts = [pdf.get_destination_page_number(entry) for entry in pdf.outline]
    for title, start in zip(titles, starts, strict=True):
        text = pdf.pages[start].extract_text()
        assert "".join(title.split()) in "".join(text.split())
    assert pdf.page_labels[starts[3]] == "2-1"
    actions = [
        (annotation.get_object().get("/A") or {})
        for page in pdf.pages
        for annotation in page.get("/Annots", [])
    ]
    assert sum(action.get("/S") == "/GoTo" for action in actions) >= len(CHAPTERS)
    outside = [str(action["/URI"]) for action in actions if "/URI" in action]
    assert all(link.startswith("https://") for link in outside)
    assert b"file:" not in (released / release.PDF).read_bytes()


def test_a_book_that_lacks_a_page_is_not_released(root: Path, tmp_path: Path) -> None:
    for problem in ("no built book", "no page book/index.*make book"):
        with pytest.raises(EcgcoreError, match=problem):
            release.make_release(tmp_path, tmp_path / "made", root=root)
        (tmp_path / "index.html").write_text("")
    assert not (tmp_path / "made").exists()

"""Terms of the glossary: each is linked to its meaning once per page."""

import re
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "book" / "_ext"))
from terms import meanings

LINK = re.compile(r'<a class="[^"]*\bmeaning\b[^"]*" href="[^"#]*#([^"]+)" title="([^"]+)"')


def test_first_mentions_link_to_their_meaning(root: Path, html: Path) -> None:
    known = meanings((root / "book/glossary.md").read_text(encoding="utf-8"))
    assert all(meaning.endswith(".") for meaning in known.values() if meaning)
    links = {page: LINK.findall(page.read_text(encoding="utf-8")) for page in html.rglob("*.html")}
    assert sum(map(len, links.values())) > 100
    for page, found in links.items():
        twice = [word for word, n in Counter(name for name, _ in found).items() if n > 1]
        assert not twice, page
    text = (html / "book" / "course" / "session_6.html").read_text(encoding="utf-8")
    assert re.search(r'class="[^"]*meaning[^"]*" href="[^"]*" title="[^"]+">seeds</a>', text)
    assert not links[html / "book" / "glossary.html"]

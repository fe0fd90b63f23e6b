"""Turn the first mention of each glossary term on a page into a link that shows its meaning."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

GLOSSARY = "book/glossary"
NOT_IN = (nodes.title, nodes.reference, nodes.literal, nodes.literal_block, nodes.math, nodes.raw,
          nodes.caption, nodes.term, nodes.rubric)  # fmt: skip
NOT_FOR_READERS = "minute-plan"  # the section of a course's session that only teachers open
ENTRY = re.compile(r"((?:^\S.*\n)+)  (.+)", re.MULTILINE)


def meanings(text: str) -> dict[str, str]:
    """Return the meaning of each term in the glossary's source."""
    inside = text.split("```{glossary}\n", 1)[1]
    return {word: meaning for words, meaning in ENTRY.findall(inside) for word in words.split("\n")}


def forms(words: Iterable[str]) -> dict[str, str]:
    """Return the term for each form that a text may use: plural, or capitalised.

    A term of the glossary always maps to itself, even if it is also a form of another term.
    """
    words = list(words)
    word_of = {word: word for word in words}
    for word in words:
        starts = [word, word[0].upper() + word[1:]] if word[1:2].isalpha() else [word]
        for form in [start + ending for start in starts for ending in ("", "s", "es")]:
            word_of.setdefault(form, word)
            word_of.setdefault(form.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}"), word)
    return word_of


def pattern_of(words: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern whose only group matches any of these words, the longest first."""
    options = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.compile(rf"(?<![\w-])({options})(?![\w-])")


def keeps_plain(node: nodes.Element) -> bool:
    """Return whether words inside a node are left without links."""
    return isinstance(node, NOT_IN) or NOT_FOR_READERS in node.get("ids", ())


def link(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link the first mention of every term; longer terms are tried first."""
    objects = app.env.get_domain("std").objects  # type: ignore[attr-defined]
    ids = {name: place[1] for (kind, name), place in objects.items() if kind == "term"}
    if docname == GLOSSARY or not ids:
        return
    meaning_of = meanings(Path(app.srcdir, f"{GLOSSARY}.md").read_text(encoding="utf-8"))
    unlinked = meaning_of.keys() & ids.keys()
    word_of = forms(sorted(unlinked))
    pattern = pattern_of(word_of)
    base = app.builder.get_relative_uri(docname, GLOSSARY)
    options = {"internal": True, "classes": ["meaning"]}
    for text in list(doctree.findall(nodes.Text)):
        above = text.parent
        while above is not None and not keeps_plain(above):
            above = above.parent
        pieces = [] if above is not None else pattern.split(str(text))
        for k, piece in enumerate(pieces):
            if (word := word_of.get(piece)) in unlinked:
                unlinked -= {w for w in unlinked if meaning_of[w] == meaning_of[word]}
                where = {"refuri": f"{base}#{ids[word]}", "reftitle": meaning_of[word]}
                pieces[k] = nodes.reference("", piece, **where, **options)
        if len(pieces) > 1:
            text.parent.replace(text, [nodes.Text(p) if isinstance(p, str) else p for p in pieces])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-resolved", link)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

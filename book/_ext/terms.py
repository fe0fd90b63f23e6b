"""The first mention of a glossary's word on a page becomes a link that shows its meaning."""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

GLOSSARY = "book/glossary"
NOT_IN = (nodes.title, nodes.reference, nodes.literal, nodes.literal_block, nodes.math, nodes.raw,
          nodes.caption, nodes.term, nodes.rubric)  # fmt: skip
ENTRY = re.compile(r"((?:^\S.*\n)+)  (.+)", re.MULTILINE)


def meanings(text: str) -> dict[str, str]:
    """Return the meaning of each word of the glossary's source."""
    inside = text.split("```{glossary}\n", 1)[1]
    return {word: meaning for words, meaning in ENTRY.findall(inside) for word in words.split("\n")}


def link(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link the first mention of every word; longer words are looked for first."""
    objects = app.env.get_domain("std").objects  # type: ignore[attr-defined]
    ids = {name: place[1] for (kind, name), place in objects.items() if kind == "term"}
    if docname == GLOSSARY or not ids:
        return
    known = meanings(Path(app.srcdir, f"{GLOSSARY}.md").read_text(encoding="utf-8"))
    left = known.keys() & ids.keys()
    words = "|".join(map(re.escape, sorted(left, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![\w-])({words})(?![\w-])")
    base = app.builder.get_relative_uri(docname, GLOSSARY)
    how = {"internal": True, "classes": ["meaning"]}
    for text in list(doctree.findall(nodes.Text)):
        above = text.parent
        while above is not None and not isinstance(above, NOT_IN):
            above = above.parent
        pieces = [] if above is not None else pattern.split(str(text))
        for k, piece in enumerate(pieces):
            if piece in left:
                left -= {word for word in left if known[word] == known[piece]}
                where = {"refuri": f"{base}#{ids[piece]}", "reftitle": known[piece]}
                pieces[k] = nodes.reference("", piece, **where, **how)
        if len(pieces) > 1:
            text.parent.replace(text, [nodes.Text(p) if isinstance(p, str) else p for p in pieces])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-resolved", link)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

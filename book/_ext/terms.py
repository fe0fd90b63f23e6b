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
    source = Path(app.srcdir, f"{GLOSSARY}.md")
    if docname == GLOSSARY or not source.exists():
        return
    known = {w: m for w, m in meanings(source.read_text(encoding="utf-8")).items() if w}
    ids = {name: place[1] for name, place in _places(app).items()}
    left = {word for word in known if word in ids}
    if not left:
        return
    words = "|".join(map(re.escape, sorted(left, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![\w-])({words})(?![\w-])")
    base = app.builder.get_relative_uri(docname, GLOSSARY)
    for text in list(doctree.findall(nodes.Text)):
        if any(isinstance(node, NOT_IN) for node in _above(text)):
            continue
        parts: list[nodes.Node] = []
        for piece in pattern.split(str(text)):
            if piece in left:
                left -= {word for word in left if known[word] == known[piece]}
                target, title = f"{base}#{ids[piece]}", known[piece]
                parts.append(
                    nodes.reference(
                        "", piece, refuri=target, reftitle=title, internal=True, classes=["meaning"]
                    )
                )
            elif piece:
                parts.append(nodes.Text(piece))
        if len(parts) > 1 or isinstance(parts[:1] and parts[0], nodes.reference):
            text.parent.replace(text, parts)


def _places(app: Sphinx) -> dict[str, tuple[str, str]]:
    objects = app.env.get_domain("std").objects  # type: ignore[attr-defined]
    return {name: place for (kind, name), place in objects.items() if kind == "term"}


def _above(node: nodes.Node) -> list[nodes.Node]:
    found = []
    while node.parent is not None:
        node = node.parent
        found.append(node)
    return found


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-resolved", link)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

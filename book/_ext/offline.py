"""Pages that need no network: formulas as MathML made at build time, no Thebe.

MathML Core is drawn by Chromium, Firefox and Safari themselves, is read out by screen readers and
needs no script; MathJax would be 2 MB of script that may not lie in git, or a network.
"""

from typing import Any

import latex2mathml.converter
from docutils import nodes
from sphinx.application import Sphinx


def mathml(latex: str, display: str) -> str:
    return latex2mathml.converter.convert(latex, display=display)


def visit_inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(f'<span class="formula">{mathml(node.astext(), "inline")}</span>')
    raise nodes.SkipNode


def visit_block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def without_thebe(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Jupyter Book loads Thebe on every page; it asks for the network and we do not use it."""
    scripts = context.get("script_files", [])
    context["script_files"] = [s for s in scripts if "thebe" not in _text(s)]
    context["css_files"] = [s for s in context.get("css_files", []) if "thebe" not in _text(s)]


def _text(asset: Any) -> str:
    attributes = getattr(asset, "attributes", {}) or {}
    return f"{getattr(asset, 'filename', asset)} {attributes.get('body', '')}".lower()


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer(
        "mathml", inline_renderers=(visit_inline, None), block_renderers=(visit_block, None)
    )
    app.connect("html-page-context", without_thebe, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

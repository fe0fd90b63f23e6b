"""Make pages work without a network: formulas become MathML at build time, and Thebe is removed.

Chromium, Firefox and Safari draw MathML Core without scripts, and screen readers read it aloud.
MathJax would need a network, or 2 MB of script, which must not be in git. math-core rejects
commands that it does not know, so a mistyped formula fails the build.
"""

from html import escape
from typing import Any

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

LOGGER = logging.getLogger(__name__)
CONVERTER = LatexToMathML(annotation=True, fancy_error=False)


def mathml(node: nodes.Element, *, display: bool) -> str:
    latex = node.astext()
    try:
        return CONVERTER.convert_with_local_state(latex, displaystyle=display)
    except LatexError as error:
        LOGGER.warning("formula '%s' cannot be drawn: %s", latex, error, location=node)
        return f"<code>{escape(latex)}</code>"


def visit_inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(f'<span class="formula">{mathml(node, display=False)}</span>')
    raise nodes.SkipNode


def visit_block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(translator.starttag(node, "div", CLASS="formula", tabindex="0"))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append(f"{mathml(node, display=True)}</div>\n")
    raise nodes.SkipNode


def without_thebe(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Remove Thebe, which Jupyter Book loads on every page: it is unused and needs a network."""
    for kind in ("script_files", "css_files"):
        context[kind] = [s for s in context.get(kind, []) if "thebe" not in _text(s)]


def _text(asset: Any) -> str:
    attributes = getattr(asset, "attributes", {}) or {}
    return f"{getattr(asset, 'filename', asset)} {attributes.get('body', '')}".lower()


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer(
        "mathml", inline_renderers=(visit_inline, None), block_renderers=(visit_block, None)
    )
    app.connect("html-page-context", without_thebe, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

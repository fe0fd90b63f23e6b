"""The directive ``ecg-explorer``: the frame that ``_static/explorer`` fills with life."""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from interactive import TEMPLATES, needs, static_folder
from markupsafe import Markup
from sphinx.application import Sphinx

DATA = "explorer_data"
MODELS = {
    "imn": "IMN (writes its own weights)",
    "imn_categorical": "IMN with two outputs",
    "blackbox_cnn2d": "black box (the IMN's encoder alone)",
}
POSITIVE = {
    "norm_vs_mi": "infarction",
    "norm_vs_sttc": "ST-T change",
    "norm_vs_cd": "conduction disturbance",
    "norm_vs_hyp": "hypertrophy",
}


class EcgExplorer(Directive):
    """Controls, paper, tables and a fallback picture, from ``explorer.json`` of this build."""

    def run(self) -> list[nodes.Node]:
        env = self.state.document.settings.env
        source = Path(env.app.srcdir) / "book" / "_static" / DATA / "explorer.json"
        if not source.exists():
            raise self.error("ecg-explorer: this build has no explorer data (ecgcore explorer).")
        facts = json.loads(source.read_text(encoding="utf-8"))
        scripts = ("network", "segments", "paper", "worker", "explorer")
        needs(
            env, "explorer/explorer.css", f"{DATA}/weights.js",
            *(f"explorer/{name}.js" for name in scripts),
        )  # fmt: skip
        folder = f"{static_folder(env)}{DATA}/"
        for_script = json.dumps({**facts, "folder": folder}).replace("</", "<\\/")
        html = TEMPLATES.get_template("explorer.html").render(
            facts=facts,
            facts_json=Markup(for_script),
            folder=folder,
            length_s=facts["n_samples"] / facts["rate_hz"],
            methods=[*facts["methods"], "input_x_gradient"],
            model_words=MODELS,
            positive=POSITIVE.get(facts["task"], "positive"),
        )
        return [nodes.raw("", html, format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("ecg-explorer", EcgExplorer)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""Measure where a build's time goes: seconds of its notebooks' cells by purpose.

Usage: ``where_time_goes.py RUNS``, where RUNS holds the executed notebooks of a tier, such as
``_build/runs/lecture``. The sums are saved in ``results/where_time_goes``.
"""

import sys
from collections import Counter
from pathlib import Path

import nbformat
import pandas as pd

from ecgcore.runs import recorded

PURPOSES = {
    "imports (kernel start)": ("begin(",),
    "training": ("training.fit(",),
    "explanations": ("explanations.examine(", "explanations.attribute(", "decompose("),
    "answers of networks": ("predict_logits(", ".logits("),
    "data": ("open_data(", ".inputs(", "load_ludb("),
}
"""A cell has the first purpose of which it contains one of these words."""


def seconds_by_purpose(notebook: Path) -> dict[str, float]:
    """Return the seconds of one executed notebook's cells by purpose."""
    total: Counter[str] = Counter()
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code":
            fitting = [p for p, words in PURPOSES.items() if any(w in cell.source for w in words)]
            seconds = cell.metadata.get("papermill", {}).get("duration") or 0.0
            total[[*fitting, "tables and figures"][0]] += seconds
    return total


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Usage: python workflow/where_time_goes.py RUNS")
    runs = Path(sys.argv[1])
    paths = sorted(runs.rglob("notebook.ipynb"))
    table = pd.DataFrame({path.parent.name: seconds_by_purpose(path) for path in paths}).T.fillna(0)
    print(table.assign(sum=table.sum(axis=1)).sort_values("sum").round(1).to_string())
    sums = table.sum().sort_values(ascending=False).rename("seconds").rename_axis("purpose")
    shares = sums.to_frame().assign(share=sums / sums.sum()).round(3)
    print(shares)
    facts = {
        "command": f"python workflow/where_time_goes.py _build/runs/{runs.name}",
        "depends_on": ["workflow/where_time_goes.py"],
        "tier": runs.name,
        "n_notebooks": len(table),
    }
    recorded.save("where_time_goes", shares.reset_index(), facts)

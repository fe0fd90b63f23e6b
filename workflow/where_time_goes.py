"""Where a book's time goes: seconds of its notebooks' cells by purpose.

Usage: ``where_time_goes.py RUNS``, which holds the executed notebooks of a
tier, such as ``_build/runs/lecture``. Keeps the sums in ``results/where_time_goes``.
"""

import sys
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
"""The first purpose with one of these words in a cell is the cell's."""


def seconds_by_purpose(notebook: Path) -> dict[str, float]:
    """Return the seconds of one executed notebook's cells by purpose."""
    total: dict[str, float] = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        seconds = cell.metadata.get("papermill", {}).get("duration") or 0.0
        if cell.cell_type == "code":
            words = ((p, any(w in cell.source for w in has)) for p, has in PURPOSES.items())
            purpose = next((p for p, is_it in words if is_it), "tables and figures")
            total[purpose] = total.get(purpose, 0.0) + seconds
    return total


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Usage: python workflow/where_time_goes.py RUNS")
    paths = sorted(Path(sys.argv[1]).rglob("notebook.ipynb"))
    table = pd.DataFrame({path.parent.name: seconds_by_purpose(path) for path in paths}).T.fillna(0)
    print(table.assign(sum=table.sum(axis=1)).sort_values("sum").round(1).to_string())
    sums = table.sum().sort_values(ascending=False).rename("seconds").rename_axis("purpose")
    facts = {
        "command": f"python workflow/where_time_goes.py _build/runs/{Path(sys.argv[1]).name}",
        "depends_on": ["workflow/where_time_goes.py"],
        "tier": Path(sys.argv[1]).name,
        "n_notebooks": len(table),
    }
    kept = sums.to_frame().assign(share=sums / sums.sum()).round(3)
    recorded.save("where_time_goes", kept.reset_index(), facts)
    print(kept)

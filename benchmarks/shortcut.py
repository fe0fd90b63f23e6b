"""Networks that learn a planted shortcut, and the explanations that show it.

    python benchmarks/shortcut.py STORE [--runs FOLDER] [--record]

STORE is the prepared archive of the lecture tier. The page on belief shows the table: a small
build's own network may not learn the burst, which would make the lesson an empty one.
"""

import argparse
from pathlib import Path

import pandas as pd

from ecgcore.data import open_store
from ecgcore.runs import directory, recorded, run_notebook
from ecgcore.runs.trained import load_trained_run
from ecgcore.statistics import evaluate, ranking

NOTEBOOK = recorded.FOLDER.parent / "notebooks" / "imn_train.ipynb"
PARAMS = {
    "task": "norm_vs_mi", "rate_hz": 62, "epochs": 10, "batch_size": 4, "max_train_records": 300,
    "explained_records": 48, "deletion_records": 2, "shortcut": True, "shortcut_mv": 1.0,
    "seed": 1, "tier": "lecture",
}  # fmt: skip


def measure(store: str, run: Path) -> list[dict[str, object]]:
    """Return one row per explanation of a trained network."""
    network, opened = load_trained_run(run), open_store(store)
    answers = directory.load_predictions(run)
    test = answers[answers["part"] == "test"]
    without = network.pipeline.without_shortcut().inputs(opened, test["ecg_id"], test["y_true"])
    auroc = {
        "auroc_with_bursts": evaluate(test["y_true"], test["ranking"])["auroc"],
        "auroc_without": evaluate(test["y_true"], ranking(network.logits(without)))["auroc"],
    }
    maps = pd.read_csv(run / "explained.csv").groupby("method")["shortcut_mass_accuracy"].mean()
    kept = ["imn", "saliency", "input_x_gradient", "grad_cam", "squared_signal", "random"]
    shares = maps.reindex(kept).dropna()
    return [
        {"model": network.params["model"], "method": name, "on_the_burst": share, **auroc}
        for name, share in shares.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("--runs", type=Path, default=Path("_build/runs/shortcut"))
    parser.add_argument("--record", action="store_true")
    args = parser.parse_args()
    rows, commits = [], set()
    for model in ("imn", "blackbox_cnn2d"):
        run = args.runs / model
        run_notebook(NOTEBOOK, {**PARAMS, "model": model, "archive": args.store}, run)
        rows += measure(args.store, run)
        commits.add(directory.read_json(run / "provenance.json")["git_commit"])
    table = pd.DataFrame(rows).round(4)
    print(table.to_string(index=False))
    if args.record:
        facts = {
            "command": "python benchmarks/shortcut.py STORE --record",
            "runs_commit": sorted(commits),
            "runs_dirty": False,
            "archive": {"is_simulated": True, "n_records": 1200},
            "depends_on": ["benchmarks/shortcut.py", "notebooks/imn_train.ipynb"],
        }
        recorded.save("shortcut", table, facts)


if __name__ == "__main__":
    main()

"""Train networks on a planted shortcut and score the explanations that should show it.

    python benchmarks/shortcut.py STORE [--record]

STORE is the prepared archive of the lecture tier. The page on belief shows the table,
because a small build's own network may not learn the burst, which would leave the lesson empty.
"""

import argparse
from pathlib import Path

import pandas as pd
from common import ROOT, save

from ecgcore.data import Store, open_store
from ecgcore.runs import directory, run_notebook
from ecgcore.runs.trained import load_trained_run
from ecgcore.statistics import evaluate, ranking

NOTEBOOK = "notebooks/imn_train.ipynb"
PARAMS = {
    "task": "norm_vs_mi", "rate_hz": 62, "epochs": 10, "batch_size": 4, "max_train_records": 300,
    "explained_records": 48, "deletion_records": 2, "shortcut": True, "shortcut_mv": 1.0,
    "seed": 1, "tier": "lecture",
}  # fmt: skip
METHODS = ("imn", "saliency", "input_x_gradient", "grad_cam", "squared_signal", "random")


def measure(store: Store, run: Path) -> list[dict[str, object]]:
    """Return one row per explanation of a trained network."""
    network = load_trained_run(run)
    test = directory.load_predictions(run).query("part == 'test'")
    pipeline = network.pipeline.without_shortcut()
    without_bursts = pipeline.inputs(store, test["ecg_id"], test["y_true"])
    rankings = {
        "auroc_with_bursts": test["ranking"],
        "auroc_without": ranking(network.logits(without_bursts)),
    }
    aurocs = {name: evaluate(test["y_true"], r)["auroc"] for name, r in rankings.items()}
    shares = pd.read_csv(run / "explained.csv").groupby("method")["shortcut_mass_accuracy"].mean()
    return [
        {"model": network.params["model"], "method": name, "on_the_burst": shares[name], **aurocs}
        for name in METHODS
        if name in shares
    ]


def main() -> None:
    """Parse the command line, train and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("store")
    parser.add_argument("--record", action="store_true", help="write results/shortcut.*")
    args = parser.parse_args()
    store, rows = open_store(args.store), []
    for model in ("imn", "blackbox_cnn2d"):
        run = ROOT / "_build" / "runs" / "shortcut" / model
        run_notebook(ROOT / NOTEBOOK, {**PARAMS, "model": model, "archive": args.store}, run)
        rows += measure(store, run)
    table = pd.DataFrame(rows).round(4)
    print(table.to_string(index=False))
    if args.record:
        facts = {
            "archive": {"is_simulated": store.is_simulated, "n_records": len(store.table)},
            "depends_on": ["benchmarks/shortcut.py", NOTEBOOK],
        }
        save("shortcut", table, __file__, "STORE --record", **facts)


if __name__ == "__main__":
    main()

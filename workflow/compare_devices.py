"""Compare networks trained in fp32 on a CPU and on a GPU: ``compare_devices.py RUNS ARCHIVE``.

Follows ``results/plans/precision.md``; arguments as of ``compare_precision.py``. Answers come from
``results/real_imn`` and ``results/real_sampling``, which a CPU trained, and
``results/precision_fp32``. Writes ``results/devices``, one row per network and rate.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from compare_precision import AUROC_MARGIN, CELLS, by_seed, described, folders

from ecgcore import statistics
from ecgcore.data import Store, open_data
from ecgcore.runs import directory, recorded
from ecgcore.runs.trained import load_trained_run

PROBABILITY_TOLERANCE = 0.001


def device_row(runs: Path, cell: str, store: Store) -> dict[str, Any]:
    """Return the row of one network and rate in fp32: AUROC of both devices, answers compared.

    ``probability_error`` and ``logit_error`` are the largest over the test records of three seeds,
    of weights that a GPU trained and that answered there and here; nan where no weights were kept.
    """
    studies = {"cpu": "real_imn" if "imn_train" in cell else "real_sampling"}
    studies["gpu"] = "precision_fp32"
    network, rate_hz, within = described(cell)
    tables = {where: by_seed(study, cell) for where, study in studies.items()}
    common = sorted(tables["cpu"].keys() & tables["gpu"].keys())
    means = {
        where: statistics.seed_mean({seed: table[seed] for seed in common}, within=within).value
        for where, table in tables.items()
    }
    row = {"network": network, "rate_hz": rate_hz}
    row |= {f"auroc_{where}": value for where, value in means.items()}
    row["auroc_difference"] = difference = means["gpu"] - means["cpu"]
    row["auroc_within_0.02"] = "yes" if abs(difference) < AUROC_MARGIN else "no"
    errors = np.array([[np.nan, np.nan]])
    if "imn_train" in cell:
        errors = np.array(
            [answers_apart(run, store) for run in folders(runs, "cuda", "fp32", cell)]
        )
    row["probability_error"], row["logit_error"] = errors.max(axis=0)
    close = row["probability_error"] < PROBABILITY_TOLERANCE
    row["probability_within_0.001"] = "yes" if close else "no" if "imn_train" in cell else ""
    return row


def answers_apart(run: Path, store: Store) -> tuple[float, float]:
    """Return by how much a run's probabilities and logits differ from the same weights' here."""
    trained = load_trained_run(run)
    test = directory.load_predictions(run).query("part == 'test'")
    logits = trained.logits(trained.pipeline.inputs(store, test["ecg_id"], test["y_true"]))
    here = statistics.positive_probability(logits)
    errors = (np.abs(here - test["score"]).max(), np.abs(logits - test["logit"]).max())
    return float(errors[0]), float(errors[1])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("Usage: python workflow/compare_devices.py RUNS ARCHIVE")
    runs, archive = Path(sys.argv[1]), open_data(sys.argv[2])
    cells = [cell for cell in CELLS if not cell.endswith("imn_plus")]  # only a GPU trained it
    result = pd.DataFrame([device_row(runs, cell, archive) for cell in cells]).round(6)
    facts = {
        "command": "python workflow/compare_devices.py RUNS ARCHIVE",
        "depends_on": ["workflow/compare_devices.py", "workflow/compare_precision.py"],
    }
    recorded.save("devices", result, facts)

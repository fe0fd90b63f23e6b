"""Compare networks trained in fp32 on a CPU and on a GPU: ``compare_devices.py RUNS ARCHIVE``.

Follows ``results/plans/precision.md``; the arguments are those of ``compare_precision.py``. The CPU
runs are recorded in ``results/real_imn`` and ``results/real_sampling``, the GPU runs in
``results/precision_fp32``. Writes ``results/devices``, one row per network and rate. Weights that
were trained on a GPU are read from RUNS/fp32, prepared records from ARCHIVE; for a network without
weights there, the recorded errors are kept.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from compare_precision import AUROC_MARGIN, CELLS, by_seed, described
from torch.nn import functional

from ecgcore import statistics
from ecgcore.data import Store, open_data
from ecgcore.runs import directory, recorded
from ecgcore.runs.trained import load_trained_run

PROBABILITY_TOLERANCE = 0.001
ERRORS = ["probability_error", "logit_error", "probability_error_tf32", "logit_error_tf32"]


def device_row(runs: Path, cell: str, store: Store) -> dict[str, Any]:
    """Return the fp32 row of one network and rate: AUROC on both devices and prediction errors.

    The errors are the largest differences, over the test records of all seeds, between predictions
    of the same weights there and here; for ``_tf32``, convolutions here round as the GPU's do.
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
    if weights := sorted((runs / "fp32").glob(f"{cell}-*/weights.safetensors")):
        errors = [prediction_errors(path.parent, store) for path in weights]
        row |= dict(zip(ERRORS, np.max(errors, axis=0), strict=True))
    else:
        recorded_rows = recorded.load("devices").table.set_index(["network", "rate_hz"])
        row |= recorded_rows.reindex(columns=ERRORS).loc[(network, rate_hz)].to_dict()
    close = row["probability_error"] < PROBABILITY_TOLERANCE
    row["probability_within_0.001"] = "yes" if close else "no" if "imn_train" in cell else ""
    return row


def to_tf32(values: torch.Tensor) -> torch.Tensor:
    """Round fp32 values to the 10-bit mantissa of NVIDIA's TF32."""
    return ((values.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)


def prediction_errors(run: Path, store: Store) -> list[float]:
    """Return :data:`ERRORS` of one run whose predictions were computed on a GPU."""
    trained = load_trained_run(run)
    test = directory.load_predictions(run).query("part == 'test'")
    x = trained.pipeline.inputs(store, test["ecg_id"], test["y_true"])
    exact, errors = functional.conv2d, []

    def rounded(x: torch.Tensor, weight: torch.Tensor, *more: Any) -> torch.Tensor:
        return exact(to_tf32(x), to_tf32(weight), *more)

    for conv2d in (exact, rounded):
        functional.conv2d = conv2d
        logits = trained.logits(x)
        functional.conv2d = exact
        probability = statistics.positive_probability(logits)
        errors += [np.abs(probability - test["score"]).max(), np.abs(logits - test["logit"]).max()]
    return errors


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("Usage: python workflow/compare_devices.py RUNS ARCHIVE")
    runs, archive = Path(sys.argv[1]), open_data(sys.argv[2])
    cells = [cell for cell in CELLS if not cell.endswith("imn_plus")]  # trained on a GPU only
    result = pd.DataFrame([device_row(runs, cell, archive) for cell in cells]).round(6)
    facts = {
        "command": "python workflow/compare_devices.py RUNS ARCHIVE",
        "depends_on": ["workflow/compare_devices.py", "workflow/compare_precision.py"],
    }
    recorded.save("devices", result, facts)

"""Ask two trained networks of study 3 for their costly explanations: ``examine_posthoc.py RUNS``.

Writes ``results/real_imn/posthoc``: the deletion test of integrated gradients, GradientSHAP,
occlusion, KernelSHAP and LIME beside W * x and gradient times input, on the first infarctions of
the test part. The first seed of the IMN and of the black box; one seed decides nothing.
"""

import sys
from pathlib import Path

import pandas as pd

from ecgcore import explanations, files
from ecgcore.data import open_data
from ecgcore.runs import directory, recorded
from ecgcore.runs.trained import load_trained_run

NETWORKS = ("imn", "blackbox_cnn2d")
METHODS = (
    "imn", "input_x_gradient", "integrated_gradients", "gradient_shap", "occlusion",
    "kernel_shap", "lime",
)  # fmt: skip
EFFORT = explanations.Effort(n_rerun=30, n_runs=500)


def posthoc(folder: Path) -> pd.DataFrame:
    """Return ``method, control, ecg_id, patient_id, lerf_minus_morf_bridge`` for one run."""
    run = load_trained_run(folder)
    store = open_data(run.params["archive"])
    ids = pd.read_csv(folder / "explained.csv")["ecg_id"].drop_duplicates()[: EFFORT.n_rerun]
    x = run.pipeline.inputs(store, ids, [1] * len(ids))
    test = directory.load_predictions(folder).query("part == 'test'")
    scores = explanations.examine(
        run.networks[0], x, METHODS, rate_hz=run.rate_hz, seed=int(run.params["seed"]),
        effort=EFFORT, logit_sd=float(test["logit"].std()),
    ).records  # fmt: skip
    named = ids.to_numpy()[scores["record"]]
    columns = scores[["method", "control", "lerf_minus_morf_bridge"]]
    return columns.assign(ecg_id=named, patient_id=store.table["patient_id"][named].to_numpy())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Usage: python workflow/examine_posthoc.py RUNS")
    runs = {name: Path(sys.argv[1], f"imn_train-norm_vs_mi-{name}-1") for name in NETWORKS}
    tables = [posthoc(folder).assign(model=name, seed=1) for name, folder in runs.items()]
    facts = {
        "command": "python workflow/examine_posthoc.py RUNS",
        "depends_on": ["workflow/examine_posthoc.py"],
    }
    with files.locked(recorded.FOLDER / "real_imn"):
        recorded.save("real_imn/posthoc", pd.concat(tables).round(5), facts)

"""Compute the costly explanations of study 3's trained networks.

Usage: ``examine_posthoc.py RUNS``. Uses a GPU if there is one; on one core, a network takes about
an hour. Each network's scores are saved in ``posthoc.csv`` of its run, so that a killed call can
continue; delete this file to compute them again.

Writes ``results/real_imn/posthoc``: the deletion test of integrated gradients, GradientSHAP,
occlusion, KernelSHAP and LIME beside W * x and gradient times input, on the first infarctions of
the test part. Only the first seed of each network is used; one seed supports no verdict.
"""

import sys
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from ecgcore import explanations, files, training
from ecgcore.data import open_data
from ecgcore.runs import directory, recorded
from ecgcore.runs.trained import load_trained_run

COMMAND = "python workflow/examine_posthoc.py RUNS"
FILE = "imn_train-norm_vs_mi-{}-1/posthoc.csv"
NETWORKS = ("imn", "imn_categorical", "imn_plus", "blackbox_cnn2d", "xresnet1d101")
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
    network = run.networks[0].to(training.resolve_device())
    scores = explanations.examine(
        network, x, METHODS, seed=int(run.params["seed"]),
        effort=EFFORT, logit_sd=float(test["logit"].std()),
    ).records  # fmt: skip
    ecg_ids = ids.to_numpy()[scores["record"]]
    patients = store.table["patient_id"][ecg_ids].to_numpy()
    columns = scores[["method", "control", "lerf_minus_morf_bridge"]]
    return columns.assign(ecg_id=ecg_ids, patient_id=patients)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(f"Usage: {COMMAND}")
    paths = {name: Path(sys.argv[1], FILE.format(name)) for name in NETWORKS}
    for name in tqdm([name for name, path in paths.items() if not path.is_file()]):
        scores = posthoc(paths[name].parent).assign(model=name, seed=1)
        files.write_whole(paths[name], scores.to_csv(index=False))
    table = pd.concat([pd.read_csv(path) for path in paths.values()]).round(5)
    facts = {"command": COMMAND, "depends_on": ["workflow/examine_posthoc.py"]}
    recorded.save("real_imn/posthoc", table, facts)

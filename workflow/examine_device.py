"""Apply the networks of study 5 to the records of the archive that they were not trained on.

Usage: ``examine_device.py RUNS DATA``. RUNS holds the folders ``independent`` and ``tied`` with
runs of ``frequency_train``, DATA the stores ``independent-store`` and ``tied-store``. Each record
is scored by the network that was trained without the patients of the record's fold. The logits are
saved in ``results/device/elsewhere``, as ``results/plans/device.md`` describes.
"""

import sys
from pathlib import Path

import pandas as pd

from ecgcore import labels, splits, statistics, training
from ecgcore.data import Store, open_data
from ecgcore.runs import find_runs, recorded
from ecgcore.runs.trained import TrainedRun, load_trained_run

COMMAND = "python workflow/examine_device.py RUNS DATA"


def elsewhere(run: TrainedRun, store: Store) -> pd.DataFrame:
    """Return ``fold, ecg_id, patient_id, y_true, logit`` for every record of the task."""
    y = labels.task_labels(store.table, store.statements, run.params["task"])
    n_folds, seed = run.params["folds"], run.params["split_seed"]
    parts = []
    for k, split in enumerate(splits.outer_folds(store.table, y, n_folds=n_folds, seed=seed)):
        truth = y[split.test]
        x = run.pipeline.inputs(store, truth.index, truth)
        logit = statistics.positive_logit(training.predict_logits(run.networks[k], x))
        part = pd.DataFrame({"fold": k + 1, "ecg_id": split.test, "y_true": truth, "logit": logit})
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    return table.assign(patient_id=store.table["patient_id"][table["ecg_id"]].to_numpy())


def all_elsewhere(runs: Path, data: Path) -> pd.DataFrame:
    """Return :func:`elsewhere` for every CNN1D at both rates, with its training archive."""
    tables = []
    for trained_on, other in (("independent", "tied"), ("tied", "independent")):
        store = open_data(data / f"{other}-store")
        for folder in find_runs(runs / trained_on, "frequency_train"):
            run = load_trained_run(folder)
            rate_hz, seed = run.params["rate_hz"], run.params["seed"]
            if run.params["model"] == "cnn1d" and rate_hz in (100, 500):
                columns = {"trained_on": trained_on, "rate_hz": rate_hz, "seed": seed}
                tables.append(elsewhere(run, store).assign(**columns))
    return pd.concat(tables).round(5).sort_values(["trained_on", "rate_hz", "seed", "ecg_id"])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(f"Usage: {COMMAND}")
    answers = all_elsewhere(Path(sys.argv[1]), Path(sys.argv[2]))
    (recorded.FOLDER / "device").mkdir(exist_ok=True)
    depends_on = ["workflow/examine_device.py", "notebooks/frequency_train.ipynb"]
    recorded.save("device/elsewhere", answers, {"command": COMMAND, "depends_on": depends_on})

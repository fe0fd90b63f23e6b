"""Ask the networks of study 5 about records whose device is independent of the disease.

Usage: ``examine_device.py RUNS STORE``. ``RUNS`` holds runs of ``frequency_train`` on the archive
in which the device comes with AF, ``STORE`` is the archive without that tie. Each record is
answered by the network of the fold whose patients it never saw; ``results/device/elsewhere`` keeps
the answers, as ``results/plans/device.md`` describes them.
"""

import sys

import pandas as pd

from ecgcore import files, labels, splits, statistics, training
from ecgcore.data import Store, open_data
from ecgcore.runs import find_runs, recorded
from ecgcore.runs.trained import TrainedRun, load_trained_run


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


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("Usage: python workflow/examine_device.py RUNS STORE")
    store = open_data(sys.argv[2])
    runs = [load_trained_run(folder) for folder in find_runs(sys.argv[1], "frequency_train")]
    keys = [{name: run.params[name] for name in ("rate_hz", "seed")} for run in runs]
    tables = [elsewhere(r, store).assign(**key) for r, key in zip(runs, keys, strict=True)]
    facts = {
        "command": "python workflow/examine_device.py RUNS STORE",
        "depends_on": ["workflow/examine_device.py", "notebooks/frequency_train.ipynb"],
        "archive": store.fingerprint[:12],
    }
    answers = pd.concat(tables).round(5).sort_values(["rate_hz", "seed", "ecg_id"])
    with files.locked(recorded.FOLDER / "device"):
        (recorded.FOLDER / "device").mkdir(exist_ok=True)
        recorded.save("device/elsewhere", answers, facts)

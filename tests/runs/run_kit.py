"""Finished runs, made in a moment from random weights and invented predictions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from archives import some_adu

from ecgcore import models, preprocessing, runs, statistics, training
from ecgcore.data import Record, open_store
from ecgcore.runs import parameters

RESULTS = {"auroc": 0.912, "auroc_low": 0.85, "auroc_high": 0.95, "n_train": 173, "n_test": 9}
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def noise_record(rate_hz: int = 100) -> Record:
    """Return a 10 s record drawn like those of :func:`archives.write_archive`."""
    adu = some_adu(1, 10 * rate_hz, seed=9)[0]
    return Record("mine", (adu / 1000).astype(np.float32), rate_hz)


def begin_run(notebook: str, folder: Path, archive: str, **given: Any) -> runs.Run:
    """Begin a run of one of the book's notebooks without executing the notebook."""
    folder.mkdir(parents=True)
    declared = parameters.of_notebook(NOTEBOOKS / f"{notebook}.ipynb")
    run = runs.Run(notebook, parameters.check(declared, {"archive": archive, **given}), folder)
    run.open_data()
    return run


def imn_run(folder: Path, archive: str, *, model: str = "imn", **given: Any) -> Path:
    """Make a finished ``imn_train`` run, said to come from 173 simulated records."""
    run, store = begin_run("imn_train", folder, archive, model=model, **given), open_store(archive)
    ids, y = range(1, 41), [0] * 40
    pipeline = runs.InputPipeline.from_params(run.params).fit(store, ids, y)
    network = models.build(model, rate_hz=100, n_samples=1000, seed=3).eval()
    training.save_weights(network, folder / "weights.safetensors")
    run.note(is_simulated=True)
    few = pd.DataFrame({"part": "valid", "y_true": [0, 1], "logit": [-1.0, 1.0]})
    tables = {"lead_statistics": pipeline.table()}
    run.finish(predictions=few, tables=tables, results=RESULTS)
    return folder


def folds_run(folder: Path, archive: str, logit: float, **given: Any) -> Path:
    """Make a finished ``frequency_train`` run of two networks with this logit for the noise record.

    Three quarters of the validation records with such a logit are classified correctly.
    """
    run = begin_run("frequency_train", folder, archive, folds=2, **given)
    network = models.build("cnn1d", rate_hz=100, n_samples=1000, seed=3).eval()
    signals_mv = noise_record().signals_mv[None]
    x = preprocessing.preprocess(signals_mv, 100, 100)
    now = float(statistics.positive_logit(training.predict_logits(network, x))[0])
    for last in list(network.parameters())[-2:]:
        last.data *= logit / now
    valid = pd.DataFrame({"ecg_id": range(80), "y_true": np.tile([0, 1], 40), "part": "valid"})
    sign = np.where(valid.ecg_id < 20, -1, 1) * (2 * valid.y_true - 1)
    valid = valid.assign(patient_id=valid.ecg_id, logit=sign * logit, fold=1)
    for fold in (1, 2):
        training.save_weights(network, folder / f"weights_fold{fold}.safetensors")
    run.finish(predictions=pd.concat([valid, valid.assign(fold=2)]), results=RESULTS)
    return folder


def toy_run(folder: Path, notebook: str = "imn_train", archive: str = "a", **given: Any) -> Path:
    """Make a finished run with random scores for five test records; nothing was trained."""
    folder.mkdir(parents=True)
    params = {
        "task": "norm_vs_mi", "model": "imn", "rate_hz": 100, "protocol": "held_out", "epochs": 5,
        "batch_size": 8, "seed": 1, "methods": ["imn"], "labels": "as_given", **given,
    }  # fmt: skip
    facts = {"notebook": notebook, "archive": {"name": archive, "fingerprint": archive * 12}}
    (folder / "params.json").write_text(json.dumps({"notebook": notebook, **params}))
    (folder / "provenance.json").write_text(json.dumps(facts))
    metrics = {"part": ["test", "run"], "metric": ["auroc", "train_seconds"], "value": [0.5, 1.0]}
    pd.DataFrame(metrics).to_csv(folder / "metrics.csv", index=False)
    explained = pd.DataFrame({"method": params["methods"], "mass": 0.1, "ecg_id": 7})
    explained.to_csv(folder / "explained.csv", index=False)
    frame = pd.DataFrame({"ecg_id": range(5), "patient_id": range(5), "y_true": [0, 1, 0, 1, 0]})
    scores = np.random.default_rng(len(folder.name)).random(5)
    frame.assign(part="test", score=scores).to_parquet(folder / "predictions.parquet")
    return folder

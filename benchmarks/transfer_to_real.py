"""Judge the simulator from outside: train on simulated AF and NORM alone, test on real records.

    python benchmarks/transfer_to_real.py PTBXL_DIR [--seeds 3] [--record] [--quick]

The real archive is used in the last step only: neither for training nor for choosing an epoch
(simulated validation folds do that). Each seed simulates its own archive and trains one network on
it; every network is reported. Intervals come from resampled patients.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgcore.data import Archive
from ecgcore.labels import task_labels
from ecgcore.models import build
from ecgcore.preprocessing import preprocess
from ecgcore.runs import recorded
from ecgcore.statistics import bootstrap, positive_logit
from ecgcore.training import TrainConfig, fit, predict_logits
from ecgsim import simulate_archive

RATE_HZ = 100
PREVALENCE = {"NORM": 0.6, "AF": 0.4}
Part = tuple[NDArray[np.float32], NDArray[np.int64], pd.DataFrame]


def records(archive: Archive) -> Part:
    """Return preprocessed records of ``af_vs_norm``, their labels, and their rows."""
    y = task_labels(archive.table, archive.statements, "af_vs_norm")
    x = preprocess(archive.signals(RATE_HZ, y.index.to_numpy()), RATE_HZ, RATE_HZ)
    return x, y.to_numpy().astype(np.int64), archive.table.loc[y.index]


def simulated_records(n_records: int, seed: int) -> Part:
    with tempfile.TemporaryDirectory() as folder:
        path = simulate_archive(
            Path(folder) / "simulated",
            n_records=n_records,
            seed=seed,
            rates_hz=(RATE_HZ,),
            prevalence=PREVALENCE,
        )
        return records(Archive(path))


def result_row(
    seed: int | str, tested_on: str, y: NDArray, logit: NDArray, table: pd.DataFrame
) -> dict:
    """Return the AUROC with its interval."""
    patients = table["patient_id"].to_numpy()
    probability = 1 / (1 + np.exp(-logit))
    options = {"metrics": ["auroc"], "ranking": logit, "groups": patients, "seed": 0}
    auroc = bootstrap(y, probability, **options).iloc[0]
    bounds = {name: round(float(auroc[name]), 4) for name in ("value", "low", "high")}
    row = {"seed": seed, "tested_on": tested_on, "metric": "auroc", **bounds}
    print(row, flush=True)
    return {**row, "n": len(y), "n_positive": int(y.sum())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path, help="archive in PTB-XL's layout")
    parser.add_argument("--n-records", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", default="cnn1d")
    parser.add_argument("--record", action="store_true", help="write results/transfer_to_real.*")
    parser.add_argument("--quick", action="store_true", help="a small run that shows that it works")
    args = parser.parse_args()
    if args.quick:
        args.n_records, args.epochs, args.seeds = 300, 2, 1
    start = time.perf_counter()
    real = Archive(args.real)
    real_x, real_y, real_table = records(real)
    rows, logits = [], []
    for seed in range(1, args.seeds + 1):
        x, y, table = simulated_records(args.n_records, seed)
        fold = table["strat_fold"].to_numpy()
        train, valid, test = fold <= 8, fold == 9, fold == 10
        model = build(args.model, rate_hz=RATE_HZ, n_samples=x.shape[-1], seed=seed)
        config = TrainConfig(epochs=args.epochs, batch_size=32, monitor="auroc", seed=seed)
        fit(model, x[train], y[train], x[valid], y[valid], config)
        logit = positive_logit(predict_logits(model, x[test]))
        rows.append(result_row(seed, "simulated", y[test], logit, table[test]))
        logits.append(positive_logit(predict_logits(model, real_x)))
        rows.append(result_row(seed, "real", real_y, logits[-1], real_table))
    rows.append(result_row("mean logit", "real", real_y, np.mean(logits, axis=0), real_table))
    if args.record:
        options = {name: getattr(args, name) for name in ("n_records", "epochs", "seeds", "model")}
        facts = {
            "command": "python benchmarks/transfer_to_real.py PTBXL_DIR --record",
            "parameters": {**options, "rate_hz": RATE_HZ, "prevalence": PREVALENCE},
            "tested_on": {"name": real.name, "fingerprint": real.fingerprint},
            "seconds": round(time.perf_counter() - start),
        }
        recorded.save("transfer_to_real", pd.DataFrame(rows), facts)


if __name__ == "__main__":
    main()

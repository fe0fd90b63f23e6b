"""Judge the simulator from outside: train on simulated AF and NORM alone, test on real records.

    python benchmarks/transfer_to_real.py PTBXL_DIR [--seeds 3] [--record] [--quick]

Nothing of the real archive is used before the last step: neither for training nor for choosing an
epoch (simulated validation folds do that). Each seed simulates an archive of its own and trains a
network on it; every one of them is reported. Intervals are from resampled patients.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgcore import recorded
from ecgcore.compare import bootstrap
from ecgcore.models import build
from ecgcore.ptbxl import Archive
from ecgcore.signals import preprocess
from ecgcore.simulate import simulate_archive
from ecgcore.tasks import labels
from ecgcore.train import TrainConfig, fit, predict

RATE_HZ = 100
PREVALENCE = {"NORM": 0.6, "AF": 0.4}
Part = tuple[NDArray[np.float32], NDArray[np.int64], pd.DataFrame]


def records(archive: Archive) -> Part:
    """Preprocessed records of ``af_vs_norm``, their labels, and their rows."""
    y = labels(archive.table, archive.statements, "af_vs_norm")
    x = preprocess(archive.signals(RATE_HZ, y.index.to_numpy()), RATE_HZ, RATE_HZ)
    return x, y.to_numpy().astype(np.int64), archive.table.loc[y.index]


def simulated(n_records: int, seed: int) -> Part:
    with tempfile.TemporaryDirectory() as folder:
        path = simulate_archive(
            Path(folder) / "simulated",
            n_records=n_records,
            seed=seed,
            rates_hz=(RATE_HZ,),
            prevalence=PREVALENCE,
        )
        return records(Archive(path))


def row(seed: int | str, tested_on: str, y: NDArray, score: NDArray, rows: pd.DataFrame) -> dict:
    """AUROC with its interval."""
    patients = rows["patient_id"].to_numpy()
    found = bootstrap(y, score, metrics=["auroc"], groups=patients, seed=0).iloc[0]
    bounds = {name: round(float(found[name]), 4) for name in ("value", "low", "high")}
    made = {"seed": seed, "tested_on": tested_on, "metric": "auroc", **bounds}
    print(made, flush=True)
    return {**made, "n": len(y), "n_positive": int(y.sum())}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path, help="archive in PTB-XL's layout")
    parser.add_argument("--n-records", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", default="cnn1d")
    parser.add_argument("--record", action="store_true", help="write results/transfer_to_real.*")
    parser.add_argument("--quick", action="store_true", help="a small run that shows it works")
    args = parser.parse_args(argv)
    if args.quick:
        args.n_records, args.epochs, args.seeds = 300, 2, 1
    start = time.perf_counter()
    real = Archive(args.real)
    real_x, real_y, real_rows = records(real)
    rows, scores = [], []
    for seed in range(1, args.seeds + 1):
        x, y, made = simulated(args.n_records, seed)
        fold = made["strat_fold"].to_numpy()
        train, valid, test = fold <= 8, fold == 9, fold == 10
        model = build(args.model, rate_hz=RATE_HZ, n_samples=x.shape[-1], seed=seed)
        config = TrainConfig(epochs=args.epochs, batch_size=32, monitor="auroc", seed=seed)
        fit(model, x[train], y[train], x[valid], y[valid], config, progress=None)
        rows.append(row(seed, "simulated", y[test], predict(model, x[test]), made[test]))
        scores.append(predict(model, real_x))
        rows.append(row(seed, "real", real_y, scores[-1], real_rows))
    rows.append(row("mean score", "real", real_y, np.mean(scores, axis=0), real_rows))
    if args.record:
        how = {name: getattr(args, name) for name in ("n_records", "epochs", "seeds", "model")}
        facts = {
            "command": "python benchmarks/transfer_to_real.py PTBXL_DIR --record",
            "parameters": {**how, "rate_hz": RATE_HZ, "prevalence": PREVALENCE},
            "tested_on": {"name": real.name, "fingerprint": real.fingerprint},
            "seconds": round(time.perf_counter() - start),
        }
        recorded.save("transfer_to_real", pd.DataFrame(rows), facts)


if __name__ == "__main__":
    main()

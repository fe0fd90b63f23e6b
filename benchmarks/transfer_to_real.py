"""Judge the simulator from outside: train on simulated AF and NORM alone, test on real records.

Run ``python benchmarks/transfer_to_real.py PTBXL_DIR``. Nothing of the real archive is used before
the last step: neither for training nor for choosing an epoch (the simulated validation folds do
that). The AUROC comes with a bootstrap interval over patients.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgcore.compare import bootstrap
from ecgcore.models import build
from ecgcore.ptbxl import Archive
from ecgcore.signals import preprocess
from ecgcore.simulate import simulate_archive
from ecgcore.tasks import labels
from ecgcore.train import TrainConfig, fit, predict

RATE_HZ = 100
PREVALENCE = {"NORM": 0.6, "AF": 0.4}


def records(archive: Archive) -> tuple[NDArray[np.float32], NDArray[np.int64], pd.DataFrame]:
    """Preprocessed records of ``af_vs_norm``, their labels, and their rows."""
    y = labels(archive.table, archive.statements, "af_vs_norm")
    x = preprocess(archive.signals(RATE_HZ, y.index.to_numpy()), RATE_HZ, RATE_HZ)
    return x, y.to_numpy().astype(np.int64), archive.table.loc[y.index]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path, help="archive in PTB-XL's layout")
    parser.add_argument("--n-records", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3, help="models whose scores are averaged")
    parser.add_argument("--model", default="cnn1d")
    parser.add_argument("--quick", action="store_true", help="a small run that shows it works")
    args = parser.parse_args(argv)
    n_records, epochs, seeds = (
        (300, 2, 1)
        if args.quick
        else (
            args.n_records,
            args.epochs,
            args.seeds,
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        path = simulate_archive(
            Path(folder) / "simulated",
            n_records=n_records,
            seed=1,
            rates_hz=(RATE_HZ,),
            prevalence=PREVALENCE,
        )
        x, y, rows = records(Archive(path))
    fold = rows["strat_fold"].to_numpy()
    parts = [fold <= 8, fold == 9, fold == 10]
    real_x, real_y, real_rows = records(Archive(args.real))
    scores = []
    for seed in range(seeds):
        model = build(args.model, rate_hz=RATE_HZ, n_samples=x.shape[-1])
        config = TrainConfig(epochs=epochs, batch_size=32, monitor="auroc", seed=seed)
        (train, valid, test) = parts
        fit(model, x[train], y[train], x[valid], y[valid], config, progress=None)
        held_out = bootstrap(y[test], predict(model, x[test]), metrics=["auroc"], seed=0)
        print(f"seed {seed}, simulated test fold:", held_out.to_string(), flush=True)
        scores.append(predict(model, real_x))
        one = bootstrap(real_y, scores[-1], metrics=["auroc"], seed=0)
        print(f"seed {seed}, real:", one.to_string(), flush=True)
    table = bootstrap(
        real_y,
        np.mean(scores, axis=0),
        metrics=["auroc"],
        groups=real_rows["patient_id"].to_numpy(),
        seed=0,
    )
    print(f"real records: {len(real_y)}, in AF: {int(real_y.sum())}; mean of {seeds} models")
    print(table.to_string())


if __name__ == "__main__":
    main()

"""Judge the simulator externally: train on simulated AF and NORM only, test on real records.

    python benchmarks/transfer_to_real.py PTBXL_DIR [--record | --quick]

The real archive is used in the last step only: neither for training nor for choosing an epoch
(simulated validation folds do that). Each seed simulates its own archive and trains one network on
it; every network is reported. Intervals come from resampled patients.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from common import make_parser, save
from numpy.typing import NDArray

from ecgcore.data import Archive
from ecgcore.labels import task_labels
from ecgcore.models import build
from ecgcore.preprocessing import preprocess
from ecgcore.statistics import bootstrap, positive_logit, positive_probability
from ecgcore.training import TrainConfig, fit, predict_logits
from ecgsim import simulate_archive

MODEL, RATE_HZ, PREVALENCE = "cnn1d", 100, {"NORM": 0.6, "AF": 0.4}
SIZE = {"n_records": 4000, "epochs": 8, "seeds": 3}
TINY = {"n_records": 300, "epochs": 2, "seeds": 1}
Part = tuple[NDArray[np.float32], NDArray[np.int64], pd.DataFrame]


def records(archive: Archive) -> Part:
    """Return preprocessed records of ``af_vs_norm``, their labels, and their rows."""
    y = task_labels(archive.table, archive.statements, "af_vs_norm")
    x = preprocess(archive.signals(RATE_HZ, y.index.to_numpy()), RATE_HZ, RATE_HZ)
    return x, y.to_numpy().astype(np.int64), archive.table.loc[y.index]


def simulated_records(n_records: int, seed: int) -> Part:
    """Return the same for a simulated archive, which is not kept."""
    options = {"seed": seed, "rates_hz": (RATE_HZ,), "prevalence": PREVALENCE}
    with tempfile.TemporaryDirectory() as folder:
        path = simulate_archive(Path(folder) / "simulated", n_records=n_records, **options)
        return records(Archive(path))


def result_row(
    seed: int | str, tested_on: str, y: NDArray, logit: NDArray, table: pd.DataFrame
) -> dict:
    """Return the AUROC with its interval."""
    options = {"metrics": ["auroc"], "ranking": logit, "groups": table["patient_id"].to_numpy()}
    auroc = bootstrap(y, positive_probability(logit), **options, seed=0).iloc[0]
    bounds = auroc[["value", "low", "high"]].astype(float).round(4).to_dict()
    row = {"seed": seed, "tested_on": tested_on, "metric": "auroc", **bounds}
    print(row, flush=True)
    return {**row, "n": len(y), "n_positive": int(y.sum())}


def main() -> None:
    """Parse the command line, train and test."""
    parser = make_parser(__doc__)
    parser.add_argument("real", type=Path, help="archive in PTB-XL's layout")
    args = parser.parse_args()
    size, start = TINY if args.quick else SIZE, time.perf_counter()
    real = Archive(args.real)
    real_x, real_y, real_table = records(real)
    rows, logits = [], []
    for seed in range(1, size["seeds"] + 1):
        x, y, table = simulated_records(size["n_records"], seed)
        fold = table["strat_fold"].to_numpy()
        train, valid, test = fold <= 8, fold == 9, fold == 10
        model = build(MODEL, rate_hz=RATE_HZ, n_samples=x.shape[-1], seed=seed)
        config = TrainConfig(epochs=size["epochs"], batch_size=32, monitor="auroc", seed=seed)
        fit(model, x[train], y[train], x[valid], y[valid], config)
        logit = positive_logit(predict_logits(model, x[test]))
        rows.append(result_row(seed, "simulated", y[test], logit, table[test]))
        logits.append(positive_logit(predict_logits(model, real_x)))
        rows.append(result_row(seed, "real", real_y, logits[-1], real_table))
    rows.append(result_row("mean logit", "real", real_y, np.mean(logits, axis=0), real_table))
    if args.record:
        others = {"model": MODEL, "rate_hz": RATE_HZ, "prevalence": PREVALENCE}
        facts = {
            "parameters": {**size, **others},
            "tested_on": {"name": real.name, "fingerprint": real.fingerprint},
            "seconds": round(time.perf_counter() - start),
        }
        save("transfer_to_real", pd.DataFrame(rows), __file__, "PTBXL_DIR --record", **facts)


if __name__ == "__main__":
    main()

"""The same training again: same command, another number of threads, another seed.

    python benchmarks/repeat.py [--record] [--quick]

The book's engineering page shows the table. Each training is a process of its own.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.data import Archive, open_store, prepare
from ecgcore.runs import recorded
from ecgcore.statistics import evaluate, positive_probability
from ecgsim import simulate_archive

NAME = "repeat"
MODELS = ("cnn1d", "cnn_lstm", "imn")
CASES = {  # threads, seed
    "the first": (1, 1),
    "the same again": (1, 1),
    "two threads": (2, 1),
    "another seed": (1, 2),
}


def train(model_name: str, threads: int, seed: int, store: Path, epochs: int, to: Path) -> None:
    """Train AF against NORM at 62 Hz and write the probabilities of the test part."""
    import torch

    from ecgcore.labels import task_labels
    from ecgcore.models import build
    from ecgcore.preprocessing import preprocess
    from ecgcore.splits import official
    from ecgcore.training import TrainConfig, fit, predict_logits

    torch.set_num_threads(threads)
    opened = open_store(store)
    y = task_labels(opened.table, opened.statements, "af_vs_norm")
    split = official(opened.table, y.index.to_numpy())

    def part(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return preprocess(opened.signals(100, ids), 100, 62), y.loc[ids].to_numpy()

    (x_test, y_test), (x_train, y_train) = part(split.test), part(split.train)
    model = build(model_name, rate_hz=62, n_samples=x_test.shape[-1], seed=seed)
    loss = "bce_pos_weight" if model.n_outputs == 1 else "cross_entropy"
    config = TrainConfig(epochs=epochs, batch_size=16, loss=loss, seed=seed, device="cpu")
    fit(model, x_train, y_train, *part(split.valid), config)
    score = positive_probability(predict_logits(model, x_test, device="cpu"))
    np.savez(to, score=score, y=y_test)


def compare(model_name: str, store: Path, epochs: int, folder: Path) -> list[dict[str, object]]:
    """Return one row per case, compared with the first."""
    rows, first = [], np.empty(0)
    for case, (threads, seed) in CASES.items():
        to = folder / f"{model_name} {case}.npz"
        job = map(str, (model_name, threads, seed, store, epochs, to))
        subprocess.run([sys.executable, __file__, "--job", *job], check=True)
        answers = np.load(to)
        score = answers["score"]
        first = first if len(first) else score
        row = {
            "model": model_name,
            "case": case,
            "threads": threads,
            "seed": seed,
            "same_bytes": score.tobytes() == first.tobytes(),
            "largest_difference": float(np.abs(score - first).max()),
            "auroc": round(evaluate(answers["y"], score)["auroc"], 4),
            "test_records": len(score),
        }
        print(row, flush=True)
        rows.append(row)
    return rows


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--record", action="store_true", help=f"write results/{NAME}.*")
    parser.add_argument("--quick", action="store_true", help="a small size, to see that it runs")
    parser.add_argument("--records", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--job", nargs=6, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        name, threads, seed, store, epochs, to = args.job
        train(name, int(threads), int(seed), Path(store), int(epochs), Path(to))
        return
    models = MODELS[:1] if args.quick else MODELS
    if args.quick:
        args.records, args.epochs = 150, 1
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        how = {"seed": 1, "rates_hz": (100,), "prevalence": {"NORM": 0.6, "AF": 0.4}}
        archive = simulate_archive(folder / "archive", n_records=args.records, **how)
        prepare(Archive(archive), folder / "store")
        for model_name in models:
            rows += compare(model_name, folder / "store", args.epochs, folder)
    if args.record:
        script = f"benchmarks/{NAME}.py"
        facts = {"command": f"python {script} --record", "depends_on": [script]}
        facts |= {"records": args.records, "epochs": args.epochs}
        recorded.save(NAME, pd.DataFrame(rows), facts)


if __name__ == "__main__":
    main()

"""The same training again: same command, other threads, other seed; how far apart it ends.

    python benchmarks/repeat.py [--record] [--quick]

The book's engineering page shows the table.  Each training is a process of its own.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ecgcore import ptbxl, recorded, wfdb16
from ecgcore.metrics import evaluate
from ecgcore.simulate import simulate_archive

NAME = "repeat"
MODELS = ("cnn1d", "cnn_lstm", "imn")
CASES = {  # threads, seed
    "the first": (1, 1),
    "the same again": (1, 1),
    "two threads": (2, 1),
    "another seed": (1, 2),
}


def train(model_name: str, threads: int, seed: int, store: Path, epochs: int, to: Path) -> None:
    """Body of a process: train AF against NORM at 62 Hz, leave the test part's answers."""
    import torch

    from ecgcore import splits, tasks
    from ecgcore.models import build
    from ecgcore.signals import preprocess
    from ecgcore.train import TrainConfig, fit, predict

    torch.set_num_threads(threads)
    opened = wfdb16.open_store(store)
    y = tasks.labels(opened.table, opened.statements, "af_vs_norm")
    split = splits.official(opened.table, y.index.to_numpy())

    def part(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return preprocess(opened.signals(100, ids), 100, 62), y.loc[ids].to_numpy()

    (x_test, y_test), (x_train, y_train) = part(split.test), part(split.train)
    model = build(model_name, rate_hz=62, n_samples=x_test.shape[-1], seed=seed)
    loss = "bce_pos_weight" if model_name == "imn" else "cross_entropy"
    config = TrainConfig(epochs=epochs, batch_size=16, loss=loss, seed=seed, device="cpu")  # type: ignore[arg-type]
    fit(model, x_train, y_train, *part(split.valid), config, progress=False)
    np.savez(to, score=predict(model, x_test, device="cpu"), y=y_test)


def compare(model_name: str, store: Path, epochs: int, folder: Path) -> list[dict[str, object]]:
    """One row a case, beside the first."""
    rows, first = [], np.empty(0)
    for case, (threads, seed) in CASES.items():
        to = folder / f"{model_name} {case}.npz"
        words = [sys.executable, __file__, "--job", model_name, str(threads), str(seed)]
        subprocess.run([*words, str(store), str(epochs), str(to)], check=True)
        found = np.load(to)
        score = found["score"]
        first = score if not len(first) else first
        row = {
            "model": model_name,
            "case": case,
            "threads": threads,
            "seed": seed,
            "same_bytes": score.tobytes() == first.tobytes(),
            "largest_difference": float(np.abs(score - first).max()),
            "auroc": round(evaluate(found["y"], score)["auroc"], 4),
            "test_records": len(score),
        }
        print(row, flush=True)
        rows.append(row)
    return rows


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--record", action="store_true", help=f"write results/{NAME}.*")
    parser.add_argument("--quick", action="store_true", help="small, to see that it runs")
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
        shares = {"NORM": 0.6, "AF": 0.4}
        simulate_archive(
            folder / "archive", n_records=args.records, seed=1, rates_hz=(100,), prevalence=shares
        )
        wfdb16.prepare(ptbxl.Archive(folder / "archive"), folder / "store")
        for model_name in models:
            rows += compare(model_name, folder / "store", args.epochs, folder)
    if args.record:
        facts = {"command": f"python benchmarks/{NAME}.py --record", "epochs": args.epochs}
        recorded.save(NAME, pd.DataFrame(rows), facts | {"records": args.records})


if __name__ == "__main__":
    main()

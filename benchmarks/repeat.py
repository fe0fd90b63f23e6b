"""The same training again: same command, another number of threads, another seed.

    python benchmarks/repeat.py [--record | --quick]

Each training is a process of its own.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import in_new_process, make_parser, save
from tqdm import tqdm

from ecgcore.data import Archive, open_store, prepare
from ecgcore.labels import task_labels
from ecgcore.models import build
from ecgcore.preprocessing import preprocess
from ecgcore.splits import official
from ecgcore.statistics import evaluate, positive_probability
from ecgcore.training import TrainConfig, fit, predict_logits
from ecgsim import simulate_archive

MODELS = ("cnn1d", "cnn_lstm", "imn")
CASES = {  # threads, seed
    "the first": (1, 1),
    "the same again": (1, 1),
    "two threads": (2, 1),
    "another seed": (1, 2),
}


def train(
    model_name: str, threads: int, seed: int, folder: Path, epochs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Train AF against NORM at 62 Hz; return probabilities and labels of the test part."""
    torch.set_num_threads(threads)
    store = open_store(folder)
    y = task_labels(store.table, store.statements, "af_vs_norm")
    split = official(store.table, y.index.to_numpy())

    def part(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return preprocess(store.signals(100, ids), 100, 62), y.loc[ids].to_numpy()

    x_test, y_test = part(split.test)
    model = build(model_name, rate_hz=62, n_samples=x_test.shape[-1], seed=seed)
    loss = "bce_pos_weight" if model.n_outputs == 1 else "cross_entropy"
    config = TrainConfig(epochs=epochs, batch_size=16, loss=loss, seed=seed, device="cpu")
    fit(model, *part(split.train), *part(split.valid), config)
    return positive_probability(predict_logits(model, x_test, device="cpu")), y_test


def compare(model_name: str, store: Path, epochs: int) -> pd.DataFrame:
    """Return one row per case, compared with the first."""
    rows = []
    for case, (threads, seed) in CASES.items():
        score, y = in_new_process(train, model_name, threads, seed, store, epochs)
        rows.append({"case": case, "threads": threads, "seed": seed, "score": score, "y": y})
    table = pd.DataFrame(rows)
    table.insert(0, "model", model_name)
    scores, first, y = table.pop("score"), rows[0]["score"], table.pop("y").iloc[0]
    return table.assign(
        same_bytes=[s.tobytes() == first.tobytes() for s in scores],
        largest_difference=[float(np.abs(s - first).max()) for s in scores],
        auroc=[round(evaluate(y, s)["auroc"], 4) for s in scores],
        test_records=len(y),
    )


def main() -> None:
    """Parse the command line and train."""
    args = make_parser(__doc__).parse_args()
    n_records, epochs = (150, 1) if args.quick else (600, 4)
    with tempfile.TemporaryDirectory() as folder:
        options = {"seed": 1, "rates_hz": (100,), "prevalence": {"NORM": 0.6, "AF": 0.4}}
        archive = simulate_archive(Path(folder) / "archive", n_records=n_records, **options)
        store = prepare(Archive(archive), Path(folder) / "store").path
        models = MODELS[:1] if args.quick else MODELS
        table = pd.concat([compare(name, store, epochs) for name in tqdm(models)])
    print(table.to_string())
    if args.record:
        save("repeat", table, __file__, "--record", records=n_records, epochs=epochs)


if __name__ == "__main__":
    main()

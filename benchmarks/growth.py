"""Measure how cost grows with records, sampling rate and runs: seconds, memory, disk per step.

    python benchmarks/growth.py [--record | --quick]

Each step runs in its own process, so that its peak memory is its own. The book's engineering page
shows the table.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import ROOT, in_new_process, make_parser, save, size_mib

from ecgcore import data, models, preprocessing, runs, training
from ecgcore.runs.provenance import peak_memory_mib
from ecgsim import simulate_archive


def simulate(place: Path, records: int, rate_hz: int) -> None:
    """Simulate an archive at 500 Hz and 100 Hz."""
    simulate_archive(place / "archive", n_records=records, seed=1, jobs=1)


def prepare(place: Path, records: int, rate_hz: int) -> None:
    """Prepare a store of both rates, with every record checked."""
    data.prepare(data.Archive(place / "archive"), place / "store")


def open_store(place: Path, records: int, rate_hz: int) -> None:
    """Open the store and read its table."""
    assert len(data.open_store(place / "store").table) == records


def preprocess(place: Path, records: int, rate_hz: int) -> None:
    """Run the study's chain in memory: 500 Hz from the store, resampled, clipped, normalised."""
    store = data.open_store(place / "store")
    ids = store.table.index.to_numpy()
    x = np.empty((len(ids), 12, rate_hz * 10), dtype=np.float32)
    for start in range(0, len(ids), 512):
        part = slice(start, start + 512)
        x[part] = preprocessing.preprocess(store.signals(500, ids[part]), 500, rate_hz)
    np.save(place / "x.npy", x)


def train(place: Path, records: int, rate_hz: int) -> None:
    """Train CNN1D for one epoch on all records in batches of 64, then predict all."""
    x = np.load(place / "x.npy")
    training.predict_logits(fit_one_epoch(x, rate_hz), x, device="cpu")


def summarise(place: Path, records: int, rate_hz: int) -> None:
    """Read the metrics of as many run directories as ``records``."""
    assert runs.load_tables(place / "runs", "toy", "metrics")["run"].nunique() == records


FOLDERS = {simulate: "archive", prepare: "store", summarise: "runs"}
"""The folder that a step writes or reads."""


def fit_one_epoch(x: np.ndarray, rate_hz: int) -> models.EcgModel:
    """Return a CNN1D after one epoch."""
    y, config = np.arange(len(x)) % 2, training.TrainConfig(epochs=1, batch_size=64, device="cpu")
    model = models.build("cnn1d", rate_hz=rate_hz, n_samples=x.shape[-1])
    training.fit(model, x, y, x[:64], y[:64], config)
    return model


def copy_runs(place: Path, n: int) -> None:
    """Make ``n`` copies of a small run's directory, as a grid of runs leaves them."""
    sys.path.extend([str(ROOT), str(ROOT / "tests")])
    from test_faults import BEGIN, FINISH
    from toy_notebook import write_notebook

    shutil.rmtree(place / "runs", ignore_errors=True)
    first = runs.run_notebook(
        write_notebook(place / "toy.ipynb", BEGIN, FINISH), {}, place / "runs" / "0"
    )
    for k in range(1, n):
        shutil.copytree(first, place / "runs" / str(k))


def timed(step: Callable[[Path, int, int], None], *args: Any) -> dict[str, float]:
    """Return seconds and peak memory of a step; starting PyTorch is not counted."""
    fit_one_epoch(np.random.default_rng(0).standard_normal((4, 12, 620), np.float32), 62)
    idle_mib, start = round(peak_memory_mib()), time.perf_counter()
    step(*args)
    seconds = round(time.perf_counter() - start, 3)
    return {"seconds": seconds, "peak_mib": round(peak_memory_mib()), "idle_mib": idle_mib}


def measure(step: Callable[..., None], place: Path, records: int, rate_hz: int = 0) -> dict:
    """Run a step in a new process; return seconds, peak memory and size on the disk."""
    row = {"step": step.__name__, "records": records, "rate_hz": rate_hz}
    row |= in_new_process(timed, step, place, records, rate_hz)
    row["disk_mib"] = round(size_mib(place / FOLDERS[step]), 1) if step in FOLDERS else 0.0
    print(row, flush=True)
    return row


def main() -> None:
    """Parse the command line and measure."""
    args = make_parser(__doc__).parse_args()
    sizes = [20] if args.quick else [500, 2000, 8000, 22000]
    rows = []
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        for n in sizes:
            place = Path(folder) / str(n)
            place.mkdir()
            rows += [measure(step, place, n) for step in (simulate, prepare, open_store)]
            # The other rates at one size, all sizes at one rate: time is a product of the two.
            for rate_hz in (62, 100, 250, 500) if n == sizes[0] else (100,):
                rows += [measure(step, place, n, rate_hz) for step in (preprocess, train)]
            shutil.rmtree(place)
        for n in [3] if args.quick else [10, 100, 1000]:
            copy_runs(Path(folder), n)
            rows.append(measure(summarise, Path(folder), n))
    if args.record:
        save("growth", pd.DataFrame(rows), __file__, "--record")


if __name__ == "__main__":
    main()

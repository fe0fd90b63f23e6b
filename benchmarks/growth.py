"""How cost grows with records, sampling rate and runs: seconds, memory and disk of each step.

    python benchmarks/growth.py [--record] [--records 500 2000 8000 22000] [--quick]

Each step is a process of its own, on one core, so that its peak memory is its own.  The table goes
to the book's engineering page, which extrapolates it to a million records.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ecgcore import provenance, recorded

ROOT = Path(__file__).resolve().parents[1]
NAME = "growth"
STEPS: dict[str, Callable[..., object]] = {}
Step = Callable[[Path, int, int], object]


def step(function: Step) -> Step:
    """Make a function known to the process that will run it."""
    STEPS[function.__name__] = function
    return function


@step
def simulate(place: Path, records: int, rate_hz: int) -> None:
    """Simulate an archive at 500 Hz and 100 Hz."""
    from ecgcore.simulate import simulate_archive

    simulate_archive(place / "archive", n_records=records, seed=1, jobs=1)


@step
def prepare(place: Path, records: int, rate_hz: int) -> None:
    """Decode both rates into a store, every record checked."""
    from ecgcore import ptbxl, wfdb16

    wfdb16.prepare(ptbxl.Archive(place / "archive"), place / "store", jobs=1)


@step
def open_store(place: Path, records: int, rate_hz: int) -> None:
    """Open the store and read its table."""
    from ecgcore.wfdb16 import open_store

    assert len(open_store(place / "store").table) == records


@step
def preprocess(place: Path, records: int, rate_hz: int) -> None:
    """The study's chain: 500 Hz from the store, resampled, clipped, normalised, in memory."""
    np.save(place / "x.npy", inputs(place, rate_hz))


@step
def train(place: Path, records: int, rate_hz: int) -> None:
    """One epoch of CNN1D over all records, batches of 64, and prediction of all."""
    from ecgcore.models import build
    from ecgcore.train import TrainConfig, fit, predict

    x = np.load(place / "x.npy")
    y = np.arange(len(x)) % 2
    model = build("cnn1d", rate_hz=rate_hz, n_samples=x.shape[-1])
    config = TrainConfig(epochs=1, batch_size=64, device="cpu")
    fit(model, x, y, x[:64], y[:64], config, progress=False)
    predict(model, x)


@step
def summarise(place: Path, records: int, rate_hz: int) -> None:
    """Read the metrics of so many run directories."""
    from ecgcore import study

    found = study.load_runs(place / "runs", "toy")
    assert found["run"].nunique() == records


def inputs(place: Path, rate_hz: int) -> np.ndarray:
    """Preprocessed signals, 512 records at a time."""
    from ecgcore.signals import preprocess as chain
    from ecgcore.wfdb16 import open_store

    store = open_store(place / "store")
    ids = store.table.index.to_numpy()
    out = np.empty((len(ids), 12, rate_hz * 10), dtype=np.float32)
    for start in range(0, len(ids), 512):
        part = slice(start, start + 512)
        out[part] = chain(store.signals(500, ids[part]), 500, rate_hz)
    return out


def many_runs(place: Path, n: int) -> None:
    """So many copies of one small run's directory, as a grid leaves them."""
    sys.path.insert(0, str(ROOT / "tests"))
    from fault_kills import FINISH, write_notebook
    from fault_kills import STEPS as STEPS_OF_RUN

    from ecgcore import study

    shutil.rmtree(place / "runs", ignore_errors=True)
    notebook = write_notebook(place / "toy.ipynb", STEPS_OF_RUN, FINISH)
    first = study.run_notebook(notebook, {}, place / "runs" / "0")
    for k in range(1, n):
        shutil.copytree(first, place / "runs" / str(k))


def measured(name: str, place: Path, records: int, rate_hz: int) -> dict[str, object]:
    """One step in a process of its own: seconds, peak memory, and what lies on the disk after."""
    job = json.dumps([name, str(place), records, rate_hz])
    command = [sys.executable, __file__, "--job", job]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    facts = json.loads(done.stdout.splitlines()[-1])
    left = {"simulate": "archive", "prepare": "store", "summarise": "runs"}.get(name)
    files = [p for p in (place / left).rglob("*") if p.is_file()] if left else []
    disk = sum(path.stat().st_size for path in files) / 2**20
    row = {
        "step": name,
        "records": records,
        "rate_hz": rate_hz,
        **facts,
        "disk_mib": round(disk, 1),
    }
    print(row, flush=True)
    return row


def job(name: str, place: str, records: int, rate_hz: int) -> None:
    """Body of such a process; starting PyTorch is not counted."""
    from ecgcore.models import build
    from ecgcore.train import TrainConfig, fit

    x, y = np.random.default_rng(0).standard_normal((4, 12, 620), np.float32), np.arange(4) % 2
    config = TrainConfig(epochs=1, device="cpu")
    fit(build("cnn1d", rate_hz=62, n_samples=620), x, y, x, y, config, progress=False)
    before = provenance.peak_memory_mib()
    start = time.perf_counter()
    STEPS[name](Path(place), records, rate_hz)
    seconds = time.perf_counter() - start
    peak = provenance.peak_memory_mib()
    print(
        json.dumps(
            {"seconds": round(seconds, 3), "peak_mib": round(peak), "idle_mib": round(before)}
        )
    )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, nargs="+", default=[500, 2000, 8000, 22000])
    parser.add_argument("--rates", type=int, nargs="+", default=[62, 100, 250, 500])
    parser.add_argument("--runs", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--record", action="store_true", help=f"write results/{NAME}.*")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        job(*json.loads(args.job))
        return
    if args.quick:
        args.records, args.rates, args.runs = [20], [62], [3]
    rows = []
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        for n in args.records:
            place = Path(folder) / str(n)
            place.mkdir()
            for name in ("simulate", "prepare", "open_store"):
                rows.append(measured(name, place, n, 0))
            # The other rates at one size, all sizes at one rate: time is a product of the two.
            for rate_hz in args.rates if n == min(args.records) else [min(100, max(args.rates))]:
                rows += [measured(name, place, n, rate_hz) for name in ("preprocess", "train")]
            shutil.rmtree(place)
        for n in args.runs:
            many_runs(Path(folder), n)
            rows.append(measured("summarise", Path(folder), n, 0))
    if args.record:
        command = f"python benchmarks/{NAME}.py --record"
        recorded.save(NAME, pd.DataFrame(rows), {"command": command})


if __name__ == "__main__":
    main()

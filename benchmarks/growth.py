"""How cost grows with records, sampling rate and runs: seconds, memory and disk of each step.

    python benchmarks/growth.py [--record] [--records 500 2000 8000 22000] [--quick]

Each step is a process of its own, so that its peak memory is its own. The book's engineering page
shows the table and extrapolates it to a million records.
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

from ecgcore.runs import recorded
from ecgcore.runs.provenance import peak_memory_mib

ROOT = Path(__file__).resolve().parents[1]
NAME = "growth"


def simulate(place: Path, records: int, rate_hz: int) -> None:
    """Simulate an archive at 500 Hz and 100 Hz."""
    from ecgsim import simulate_archive

    simulate_archive(place / "archive", n_records=records, seed=1, jobs=1)


def prepare(place: Path, records: int, rate_hz: int) -> None:
    """Make a store of both rates, every record checked."""
    from ecgcore.data import Archive, prepare

    prepare(Archive(place / "archive"), place / "store")


def open_store(place: Path, records: int, rate_hz: int) -> None:
    """Open the store and read its table."""
    from ecgcore.data import open_store

    assert len(open_store(place / "store").table) == records


def preprocess(place: Path, records: int, rate_hz: int) -> None:
    """The study's chain: 500 Hz from the store, resampled, clipped, normalised, in memory."""
    from ecgcore.data import open_store
    from ecgcore.preprocessing import preprocess

    store = open_store(place / "store")
    ids = store.table.index.to_numpy()
    x = np.empty((len(ids), 12, rate_hz * 10), dtype=np.float32)
    for start in range(0, len(ids), 512):
        part = slice(start, start + 512)
        x[part] = preprocess(store.signals(500, ids[part]), 500, rate_hz)
    np.save(place / "x.npy", x)


def train(place: Path, records: int, rate_hz: int) -> None:
    """One epoch of CNN1D over all records, batches of 64, and prediction of all."""
    from ecgcore.models import build
    from ecgcore.training import TrainConfig, fit, predict_logits

    x = np.load(place / "x.npy")
    y = np.arange(len(x)) % 2
    model = build("cnn1d", rate_hz=rate_hz, n_samples=x.shape[-1])
    config = TrainConfig(epochs=1, batch_size=64, device="cpu")
    fit(model, x, y, x[:64], y[:64], config)
    predict_logits(model, x, device="cpu")


def summarise(place: Path, records: int, rate_hz: int) -> None:
    """Read the metrics of so many run directories."""
    from ecgcore import runs

    assert runs.load_tables(place / "runs", "toy", "metrics")["run"].nunique() == records


STEPS: dict[str, Callable[[Path, int, int], None]] = {
    step.__name__: step for step in (simulate, prepare, open_store, preprocess, train, summarise)
}


def copy_runs(place: Path, n: int) -> None:
    """Make so many copies of a small run's directory, as a grid of runs leaves them."""
    sys.path.insert(0, str(ROOT / "tests"))
    from test_faults import FINISH, write_notebook

    from ecgcore import runs

    shutil.rmtree(place / "runs", ignore_errors=True)
    first = runs.run_notebook(write_notebook(place, FINISH), {}, place / "runs" / "0")
    for k in range(1, n):
        shutil.copytree(first, place / "runs" / str(k))


def measure(name: str, place: Path, records: int, rate_hz: int) -> dict[str, object]:
    """Run a step in a process of its own; return seconds, peak memory and size on the disk."""
    job = json.dumps([name, str(place), records, rate_hz])
    command = [sys.executable, __file__, "--job", job]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    folder = {"simulate": "archive", "prepare": "store", "summarise": "runs"}.get(name)
    files = [path for path in (place / folder).rglob("*") if path.is_file()] if folder else []
    disk_mib = round(sum(path.stat().st_size for path in files) / 2**20, 1)
    row = {"step": name, "records": records, "rate_hz": rate_hz, "disk_mib": disk_mib}
    row |= json.loads(done.stdout.splitlines()[-1])
    print(row, flush=True)
    return row


def run_job(name: str, place: str, records: int, rate_hz: int) -> None:
    """Body of such a process; starting PyTorch is not counted."""
    from ecgcore.models import build
    from ecgcore.training import TrainConfig, fit

    x, y = np.random.default_rng(0).standard_normal((4, 12, 620), np.float32), np.arange(4) % 2
    config = TrainConfig(epochs=1, device="cpu")
    fit(build("cnn1d", rate_hz=62, n_samples=620), x, y, x, y, config)
    idle_mib, start = round(peak_memory_mib()), time.perf_counter()
    STEPS[name](Path(place), records, rate_hz)
    facts = {"seconds": round(time.perf_counter() - start, 3), "peak_mib": round(peak_memory_mib())}
    print(json.dumps(facts | {"idle_mib": idle_mib}))


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
        run_job(*json.loads(args.job))
        return
    if args.quick:
        args.records, args.rates, args.runs = [20], [62], [3]
    rows = []
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        for n in args.records:
            place = Path(folder) / str(n)
            place.mkdir()
            rows += [measure(name, place, n, 0) for name in ("simulate", "prepare", "open_store")]
            # The other rates at one size, all sizes at one rate: time is a product of the two.
            for rate_hz in args.rates if n == min(args.records) else [min(100, max(args.rates))]:
                rows += [measure(name, place, n, rate_hz) for name in ("preprocess", "train")]
            shutil.rmtree(place)
        for n in args.runs:
            copy_runs(Path(folder), n)
            rows.append(measure("summarise", Path(folder), n, 0))
    if args.record:
        script = f"benchmarks/{NAME}.py"
        facts = {"command": f"python {script} --record", "depends_on": [script]}
        recorded.save(NAME, pd.DataFrame(rows), facts)


if __name__ == "__main__":
    main()

"""How many records the simulator makes in a second and core, writing included.

Run ``python benchmarks/simulate.py``. Arms take turns in one process; CPU time is reported beside
wall time, since other work on the machine only changes the latter.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ecgcore.simulate import NoiseLevels, draw, plan_cohort, simulate_archive
from ecgcore.simulate.cohort import PREVALENCE

ARMS: dict[str, tuple[int, ...]] = {
    "500 Hz": (500,),
    "100 and 500 Hz": (100, 500),
    "drawn only": (),
}


def once(rates_hz: tuple[int, ...], n_records: int, folder: Path) -> tuple[float, float]:
    """Records a second of CPU time, and of wall time."""
    wall, cpu = time.perf_counter(), time.process_time()
    if rates_hz:
        simulate_archive(folder, n_records=n_records, seed=1, rates_hz=rates_hz)
    else:
        for case in plan_cohort(n_records, 1, PREVALENCE, None):
            draw(case, 1, NoiseLevels(), None)
    return n_records / (time.process_time() - cpu), n_records / (time.perf_counter() - wall)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-records", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a small run that shows it works")
    args = parser.parse_args(argv)
    n_records, repeats = (20, 2) if args.quick else (args.n_records, args.repeats)
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in ARMS}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repeats):
            for name, rates_hz in ARMS.items():
                place = Path(folder) / f"{turn} {name}"
                rates[name].append(once(rates_hz, n_records, place))
    print("records a second and core, median (lowest-highest)")
    for name, pairs in rates.items():
        for clock, values in zip(("CPU", "wall"), zip(*pairs, strict=True), strict=True):
            middle, low, high = statistics.median(values), min(values), max(values)
            print(f"{name:>16} {clock:>5}: {middle:6.0f} ({low:.0f}-{high:.0f})")


if __name__ == "__main__":
    main()

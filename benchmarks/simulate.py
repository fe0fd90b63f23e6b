"""Measure how many records per second the simulator computes and writes on one core.

Run ``python benchmarks/simulate.py``. The variants take turns in one process; CPU time is reported
beside wall time, since other work on the machine changes mostly the latter.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from ecgsim import PREVALENCE, NoiseLevels, draw, plan_cohort, simulate_archive

VARIANTS: dict[str, tuple[int, ...]] = {
    "500 Hz": (500,),
    "100 and 500 Hz": (100, 500),
    "without writing": (),
}


def measure_once(rates_hz: tuple[int, ...], n_records: int, folder: Path) -> tuple[float, float]:
    """Return records per second of CPU time, and of wall time."""
    wall, cpu = time.perf_counter(), time.process_time()
    if rates_hz:
        simulate_archive(folder, n_records=n_records, seed=1, rates_hz=rates_hz)
    else:
        for case in plan_cohort(n_records, 1, PREVALENCE):
            draw(case, 1, NoiseLevels())
    return n_records / (time.process_time() - cpu), n_records / (time.perf_counter() - wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-records", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a small run that shows that it works")
    args = parser.parse_args()
    n_records, repeats = (20, 2) if args.quick else (args.n_records, args.repeats)
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repeats):
            for name, rates_hz in VARIANTS.items():
                place = Path(folder) / f"{turn} {name}"
                rates[name].append(measure_once(rates_hz, n_records, place))
    print("records per second and core, median (lowest-highest)")
    for name, pairs in rates.items():
        for clock, values in zip(("CPU", "wall"), zip(*pairs, strict=True), strict=True):
            middle, low, high = statistics.median(values), min(values), max(values)
            print(f"{name:>16} {clock:>5}: {middle:6.0f} ({low:.0f}-{high:.0f})")


if __name__ == "__main__":
    main()

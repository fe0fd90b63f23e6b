"""Inject every fault many times and record what happened: the table of the engineering page.

    python benchmarks/faults.py [--record] [--only kill disk ...] [--times N] [--headers 100000]

Each fault of ``tests/test_faults.py`` raises an error unless the outcome is as stated, so every
row was true each time. The last row feeds altered WFDB headers to the reader. A recorded run writes
each row as soon as it is done; ``--only`` makes single rows anew.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "data"))

import test_fuzz
from test_faults import FAULTS

from ecgcore.runs import recorded

NAME = "faults"
HEADERS = "any input: WFDB header"


def read_headers(n_headers: int) -> str:
    """Feed altered headers to the reader; return how many it read and how many it refused."""
    accepted: list[bool] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = test_fuzz.write_good(folder)

        checks = list(hypothesis.HealthCheck)

        @hypothesis.seed(1)
        @hypothesis.settings(max_examples=n_headers, suppress_health_check=checks, deadline=None)
        @hypothesis.given(test_fuzz.headers(good))
        def read(example: str) -> None:
            accepted.append(test_fuzz.check_header(folder, example))

        read()
    n_refused = len(accepted) - sum(accepted)
    return f"{sum(accepted)} read as wfdb reads them, {n_refused} refused in words; none hung"


def rows(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Yield one row per fault as soon as it has been injected so often."""
    for name in (*FAULTS, HEADERS):
        if args.only and not any(word in name for word in args.only):
            continue
        start = time.perf_counter()
        if name == HEADERS:
            injected, times = "words changed, dropped, doubled", args.headers
            happened = read_headers(args.headers)
        else:
            inject, injected, happened = FAULTS[name]
            times, rng = args.times, np.random.default_rng(1)
            for _ in range(times):
                with tempfile.TemporaryDirectory() as folder:
                    inject(Path(folder), rng)
        row = {"fault": name, "injected": injected, "times": times, "happened": happened}
        yield row | {"seconds": round(time.perf_counter() - start, 1)}


def main() -> None:
    """Parse the command line and inject."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--record", action="store_true", help=f"write results/{NAME}.*")
    parser.add_argument("--only", nargs="+", default=[], help="words in the names of faults")
    parser.add_argument("--times", type=int, default=20, help="how often each fault is injected")
    parser.add_argument("--headers", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="a few, to see that it runs")
    args = parser.parse_args()
    if args.quick:
        args.times, args.headers, args.only = 1, 50, args.only or ["unwritable", "any input"]
    depends_on = [f"benchmarks/{NAME}.py", "tests/test_faults.py", "tests/data/test_fuzz.py"]
    facts = {"command": f"python benchmarks/{NAME}.py --record", "depends_on": depends_on}
    for row in rows(args):
        print(row, flush=True)
        if args.record:
            others = {*FAULTS, HEADERS} - {row["fault"]}
            is_first = not (recorded.FOLDER / f"{NAME}.csv").exists()
            old = pd.DataFrame({"fault": []}) if is_first else recorded.load(NAME).table
            table = pd.concat([old[old["fault"].isin(others)], pd.DataFrame([row])])
            recorded.save(NAME, table, facts)


if __name__ == "__main__":
    main()

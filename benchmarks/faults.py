"""Inject every fault many times and record what happened: the table of the book's engineering page.

    python benchmarks/faults.py [--record] [--only kill disk …] [--times N] [--inputs 100000]

Each fault's ``inject`` raises unless what is promised was kept, so a row that is printed was kept
every time.  Faults that need root or a cgroup are left out, by name, where that is not given.
A recorded run writes each row as soon as it is done; ``--only`` makes single rows anew.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import hypothesis
from fault_kills import KILLS, RECORDED_KILLS
from fault_kit import Fault
from fault_places import PLACES, RECORDED_PLACES

from ecgcore import recorded

if TYPE_CHECKING:
    from fuzz_kit import Target

NAME = "faults"


def fuzz(target: "Target", n_inputs: int, seed: int) -> str:
    """Feed a reader; returns how many inputs it took."""
    accepted: list[bool] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=n_inputs,
        suppress_health_check=list(hypothesis.HealthCheck),
        deadline=None,
        database=None,
    )
    @hypothesis.given(target.inputs)
    def every(example: object) -> None:
        accepted.append(target.check(example))

    every()
    return f"{sum(accepted)} read as others read them, {len(accepted) - sum(accepted)} refused"


def rows(
    only: list[str], times: int | None, n_inputs: int, seed: int
) -> Iterator[dict[str, object]]:
    """One row a fault, when it has been tried."""
    for fault in (*KILLS, *RECORDED_KILLS, *PLACES, *RECORDED_PLACES):
        if wanted(fault.name, only):
            yield tried(fault, times or fault.times, seed)
    # not at the top: it writes a file, and a worker of a process whose disk is full imports this
    from fuzz_kit import TARGETS

    for target in TARGETS:
        name = f"any input: {target.name}"
        if wanted(name, only):
            start = time.perf_counter()
            what = fuzz(target, n_inputs, seed)
            yield row(name, "hypothesis", n_inputs, f"{what}; none hung", start)


def wanted(name: str, only: list[str]) -> bool:
    """Whether a fault was asked for."""
    return not only or any(word in name for word in only)


def tried(fault: Fault, times: int, seed: int) -> dict[str, object]:
    """Inject one fault so many times."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            fault.inject(Path(folder), np.random.default_rng(seed), times)
        except (PermissionError, FileNotFoundError) as error:
            if fault not in RECORDED_PLACES:
                raise
            return row(fault.name, fault.injected, 0, f"not tried here ({error.strerror})", start)
    return row(fault.name, fault.injected, times, fault.outcome, start)


def row(fault: str, injected: str, times: int, happened: str, start: float) -> dict[str, object]:
    """A row of the table."""
    seconds = round(time.perf_counter() - start, 1)
    made = {"fault": fault, "injected": injected, "times": times, "happened": happened}
    print(f"{fault}: {times} times, {happened} ({seconds} s)", flush=True)
    return {**made, "seconds": seconds}


def main() -> None:
    """Parse the command line and try."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--record", action="store_true", help=f"write results/{NAME}.*")
    parser.add_argument("--only", nargs="+", default=[], help="words in a fault's name")
    parser.add_argument("--times", type=int, help="of each fault, instead of its own number")
    parser.add_argument("--inputs", type=int, default=34_000, help="to each of three readers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="once each, to see that it runs")
    args = parser.parse_args()
    if args.quick:
        args.times, args.inputs, args.only = 1, 50, args.only or ["GPU", "array", "any input"]
    command = f"python benchmarks/{NAME}.py --record"
    for made in rows(args.only, args.times, args.inputs, args.seed):
        if args.record:
            done = pd.DataFrame(columns=["fault"])
            if (recorded.FOLDER / f"{NAME}.csv").exists():
                done = recorded.load(NAME).table  # now: another call may have added rows since
            done = done[done["fault"] != made["fault"]]
            done = pd.concat([done, pd.DataFrame([made])], ignore_index=True)
            recorded.save(NAME, done, {"command": command})


if __name__ == "__main__":
    main()

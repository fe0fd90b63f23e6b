"""Time several ways of doing the same thing, in turn, in one process."""

import statistics
import time
from collections.abc import Callable


def interleaved(cases: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each case, round robin after one unmeasured round.

    Other load on the machine then falls on all of them alike; compare cases by the ratios of one
    round, not by their best times.
    """
    for run in cases.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, run in cases.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def report(what: str, seconds: dict[str, list[float]], reference: str, per: int = 1) -> None:
    """Print the median in ms of each case, and how many times faster than ``reference`` it is.

    The ratio is the median of the rounds' ratios; in brackets their smallest and largest.
    """
    base = seconds[reference]
    for name, values in seconds.items():
        ratios = sorted(b / v for b, v in zip(base, values, strict=True))
        line = f"{what:40} {name:24}{1e3 * statistics.median(values) / per:10.2f} ms"
        if name != reference:
            line += f"  x{statistics.median(ratios):5.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
        print(line, flush=True)

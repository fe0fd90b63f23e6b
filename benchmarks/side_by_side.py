"""Interleaved timing: every case once in turn, again and again, so that a busy machine is fair."""

import time
from collections.abc import Callable, Mapping

import numpy as np


def compare(
    cases: Mapping[str, Callable[[], object]],
    *,
    n_records: int,
    repeats: int,
    goals: Mapping[str, float],
) -> None:
    """Time cases in one process and print their ratios to the first, with their spread.

    Parameters
    ----------
    cases
        Name -> what to time; each call handles ``n_records`` records. The first is the reference.
    repeats
        Rounds; the median ratio is of the same round's two times, in brackets the extremes.
    goals
        Name -> ratio that is to be reached.
    """
    for case in cases.values():
        case()  # warm caches, made plans
    seconds = {name: np.empty(repeats) for name in cases}
    for number in range(repeats):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            seconds[name][number] = time.perf_counter() - start
    reference = next(iter(seconds.values()))
    for name, taken in seconds.items():
        ratio = reference / taken
        goal = f"  goal x{goals[name]:g}" if name in goals else ""
        print(
            f"  {name:<42}{np.median(taken) / n_records * 1e3:9.4f} ms a record"
            f"   x{np.median(ratio):<6.4g} [{ratio.min():.4g} .. {ratio.max():.4g}]"
            f"  best/best x{reference.min() / taken.min():.4g}{goal}"
        )

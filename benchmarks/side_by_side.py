"""Time several ways of doing the same thing, in turn, in one process."""

import statistics
import time
from collections.abc import Callable, Mapping


def side_by_side(
    title: str,
    cases: Mapping[str, Callable[[], object]],
    *,
    repeats: int,
    per: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time the cases in turn and print how many times faster than the first one each is.

    ``cases`` are functions by name, the first is the reference; one that PyTorch cannot compute on
    this processor (an LSTM in bf16, for instance) is named and left out. Each runs once before
    anything is measured. In every one of ``repeats`` rounds all cases run once, so that other load
    affects all of them alike; on a busy machine ``time.process_time`` is the better ``clock``, with
    one thread. A row has ``title``, the median time in ms divided by ``per`` (the items per call),
    and the median of the ratios within the rounds, with the smallest and the largest. Returns the
    seconds of every round by case.
    """
    seconds: dict[str, list[float]] = {}
    for name, run in cases.items():
        try:
            run()
            seconds[name] = []
        except RuntimeError as error:
            print(f"{title:34} {name}: not measured ({str(error).partition('.')[0]})")
    for _ in range(repeats):
        for name in seconds:
            start = clock()
            cases[name]()
            seconds[name].append(clock() - start)
    reference = next(iter(seconds))
    for name, values in seconds.items():
        line = f"{title:34} {name:32}{1e3 * statistics.median(values) / per:10.4g} ms"
        if name != reference:
            pairs = zip(seconds[reference], values, strict=True)
            ratios = [theirs / ours for theirs, ours in pairs]
            line += f"  x{statistics.median(ratios):.3g} ({min(ratios):.3g} to {max(ratios):.3g})"
        print(line, flush=True)
    return seconds

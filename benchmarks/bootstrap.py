"""AUROC intervals: the sort-once bootstrap against a loop over scikit-learn, interleaved.

Both resample 2,183 records (paper B's test set) 2,000 times from one seed and must agree to 1e-12.

    python benchmarks/bootstrap.py [--quick]
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from ecgcore.compare import delong, resample_metrics
from ecgcore.compare.resample import DEFAULT_METRICS

N_RECORDS, N_POSITIVE, SEED = 2183, 288, 1


def synthetic_scores() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels of paper B's numbers and probabilities with ties (rounded to three places)."""
    rng = np.random.default_rng(0)
    y = np.zeros(N_RECORDS, np.int64)
    y[rng.choice(N_RECORDS, N_POSITIVE, replace=False)] = 1
    logits = 2.2 * rng.normal(size=N_RECORDS) + 8 * y - 5
    return y, (1 / (1 + np.exp(-logits))).round(3)


def loop(y: NDArray[np.int64], p: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """The reference: draw, index, call scikit-learn."""
    rng = np.random.default_rng(SEED)
    values = np.empty(n)
    for resample in range(n):
        drawn = rng.integers(0, y.size, y.size)
        values[resample] = roc_auc_score(y[drawn], p[drawn])
    return values


def main(argv: list[str] | None = None) -> None:
    """Print medians over rounds, ratios with their range, and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 resamples, two rounds")
    quick = parser.parse_args(argv).quick
    n_resamples, rounds = (100, 2) if quick else (2000, 5)
    y, p = synthetic_scores()
    patients = np.arange(y.size) * 9 // 10

    def ours(**options: object) -> NDArray[np.float64]:
        how = {"metrics": ["auroc"], "n_resamples": n_resamples, "seed": SEED, **options}
        return resample_metrics(y, [p], **how)[0]["auroc"]  # type: ignore[arg-type]

    cases: dict[str, Callable[[], object]] = {
        "scikit-learn loop": lambda: loop(y, p, n_resamples),
        "sort once, AUROC": ours,
        "sort once, AUROC, by patient": lambda: ours(groups=patients),
        f"sort once, {len(DEFAULT_METRICS)} metrics": lambda: ours(metrics=DEFAULT_METRICS),
        "DeLong (no resampling)": lambda: delong(y, p, p),
    }
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, run in cases.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    reference = seconds["scikit-learn loop"]
    print(f"{N_RECORDS} records, {N_POSITIVE} positive, {n_resamples} resamples, {rounds} rounds")
    print(f"{'':34}{'median ms':>10}{'ratio':>8}   range")
    for name, times in seconds.items():
        ratios = [a / b for a, b in zip(reference, times, strict=True)]
        print(
            f"{name:34}{1000 * statistics.median(times):10.1f}{statistics.median(ratios):8.1f}"
            f"   {min(ratios):.1f} to {max(ratios):.1f}"
        )
    print(f"largest difference to the loop: {np.abs(ours() - loop(y, p, n_resamples)).max():.1e}")


if __name__ == "__main__":
    main()

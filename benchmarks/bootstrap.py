"""AUROC intervals: the bootstrap that sorts once, beside a loop over scikit-learn.

Both resample 2,183 records (paper B's test set) 2,000 times from one seed and must agree to 1e-12.

    python benchmarks/bootstrap.py [--quick]
"""

import argparse

import numpy as np
from numpy.typing import NDArray
from side_by_side import side_by_side
from sklearn.metrics import roc_auc_score

from ecgcore.statistics import delong
from ecgcore.statistics.resampling import DEFAULT_METRICS, resample_metrics

N_RECORDS, N_POSITIVE, SEED = 2183, 288, 1


def synthetic_scores() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels in paper B's proportion, and probabilities with ties (rounded to three places)."""
    rng = np.random.default_rng(0)
    y = np.zeros(N_RECORDS, np.int64)
    y[rng.choice(N_RECORDS, N_POSITIVE, replace=False)] = 1
    logits = 2.2 * rng.normal(size=N_RECORDS) + 8 * y - 5
    return y, (1 / (1 + np.exp(-logits))).round(3)


def loop(y: NDArray[np.int64], p: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """The reference: draw records, call scikit-learn."""
    rng = np.random.default_rng(SEED)
    values = np.empty(n)
    for resample in range(n):
        chosen = rng.integers(0, y.size, y.size)
        values[resample] = roc_auc_score(y[chosen], p[chosen])
    return values


def main() -> None:
    """Print medians, ratios with their range, and the largest difference from the reference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 resamples, two rounds")
    quick = parser.parse_args().quick
    n, repeats = (100, 2) if quick else (2000, 5)
    y, p = synthetic_scores()
    patients = np.arange(y.size) * 9 // 10

    def sort_once(**options: object) -> NDArray[np.float64]:
        how = {"metrics": ["auroc"], "n_resamples": n, "seed": SEED, **options}
        return resample_metrics(y, [p], **how)["auroc"][0]

    cases = {
        "scikit-learn loop": lambda: loop(y, p, n),
        "sort once, AUROC": sort_once,
        "sort once, AUROC, by patient": lambda: sort_once(groups=patients),
        f"sort once, {len(DEFAULT_METRICS)} metrics": lambda: sort_once(metrics=DEFAULT_METRICS),
        "DeLong (no resampling)": lambda: delong(y, p, p),
    }
    side_by_side(f"{N_RECORDS} records, {n} resamples", cases, repeats=repeats)
    print(f"largest difference from the loop: {np.abs(sort_once() - loop(y, p, n)).max():.1e}")


if __name__ == "__main__":
    main()

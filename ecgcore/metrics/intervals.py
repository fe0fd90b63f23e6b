"""Closed-form intervals, for proportions and AUROC, that stay honest at 0 and 1.

A bootstrap of a metric that is perfect on the sample is always perfect: its interval would be a
single point, whether 13 or 13,000 positives were seen.  These do not collapse.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from ecgcore.metrics.checks import Floats


def wilson(
    successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Wilson's (1927) score interval of a proportion; ``nan`` where there was no trial."""
    k, n = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    z = float(stats.norm.ppf((1 + level) / 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        p = k / n
        centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low = np.where(k == 0, np.where(n > 0, 0.0, np.nan), centre - half)
    high = np.where((k == n) & (n > 0), 1.0, centre + half)
    return np.asarray(low), np.asarray(high)


def auroc_score_interval(
    auroc: float, n_positive: float, n_negative: float, *, level: float = 0.95
) -> tuple[float, float]:
    """Newcombe's (2006, Stat Med 25:559) method 5: a score interval of AUROC, also at 0 and 1.

    Bounds are the values t with ``|auroc - t| = z sqrt(V(t))``, where V is the Hanley-McNeil
    variance with both sample sizes replaced by their mean inside the bracket.
    """
    z = float(stats.norm.ppf((1 + level) / 2))
    star = (n_positive + n_negative) / 2 - 1

    def excess(t: float) -> float:
        bracket = 1 + star * (1 - t) / (2 - t) + star * t / (1 + t)
        return abs(auroc - t) - z * float(np.sqrt(t * (1 - t) * bracket / n_positive / n_negative))

    low = 0.0 if auroc <= 0 else float(optimize.brentq(excess, 1e-12, auroc - 1e-12))
    high = 1.0 if auroc >= 1 else float(optimize.brentq(excess, auroc + 1e-12, 1 - 1e-12))
    return low, high

"""Tests on paired errors, equivalence, and correction for many tests."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ecgcore.errors import EcgcoreError
from ecgcore.metrics.checks import Floats, binary


@dataclass(frozen=True)
class McNemar:
    """Records that only one of two models gets right, and the test that both numbers are alike."""

    only_a_right: int
    only_b_right: int
    statistic: float
    p: float
    method: str


def mcnemar(
    y: ArrayLike,
    called_a: ArrayLike,
    called_b: ArrayLike,
    *,
    method: Literal["exact", "mid-p", "asymptotic"] = "mid-p",
) -> McNemar:
    """McNemar's test of two models' errors on the same records.

    Formulas as in Fagerland, Lydersen & Laake (2013, BMC Med Res Methodol 13:91), who advise the
    mid-p version: the exact one is conservative.  It takes records as independent; for patients
    with several records use :func:`~ecgcore.compare.paired_bootstrap`.

    Parameters
    ----------
    y, called_a, called_b
        Labels and both models' calls, 0 or 1, shape ``(record,)``.
    """
    labels = binary(y, "y")
    right_a = binary(called_a, "called_a") == labels
    right_b = binary(called_b, "called_b") == labels
    b, c = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    n, smaller = b + c, min(b, c)
    statistic = (b - c) ** 2 / n if n else 0.0
    if n == 0:
        p = 1.0
    elif method == "asymptotic":
        p = float(stats.chi2.sf(statistic, 1))
    elif method in ("exact", "mid-p"):
        p = 2 * float(stats.binom.cdf(smaller, n, 0.5))
        if method == "mid-p":
            p -= float(stats.binom.pmf(smaller, n, 0.5))
    else:
        raise EcgcoreError(f"method: expected exact, mid-p or asymptotic, got {method!r}.")
    return McNemar(b, c, statistic, min(1.0, p), method)


def holm(p: ArrayLike) -> Floats:
    """Holm's (1979) adjusted p values, in the order given; ``nan`` stays and counts as no test."""
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    tested = np.flatnonzero(np.isfinite(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    stepped = values[order] * np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return adjusted


@dataclass(frozen=True)
class Tost:
    """Two one-sided tests: is a difference inside ``(-margin, margin)``?

    ``low`` and ``high`` bound the interval of level ``1 - 2 alpha`` that decides; ``p`` is the
    larger of the two one-sided values.
    """

    difference: float
    margin: float
    low: float
    high: float
    p: float
    equivalent: bool


def tost(
    difference: float,
    se: float,
    *,
    margin: float,
    alpha: float = 0.05,
    degrees_of_freedom: float | None = None,
) -> Tost:
    """Schuirmann's (1987) two one-sided tests from a difference and its standard error.

    Parameters
    ----------
    difference, se
        For instance those of :func:`~ecgcore.compare.delong` or of differences over seeds.
    margin
        Largest difference of no importance, stated before the data were seen; above 0.
    degrees_of_freedom
        Of Student's t; the normal distribution without it.
    """
    if not margin > 0 or not se >= 0:
        raise EcgcoreError(
            f"margin, se: expected a margin above 0 and a standard error of at least 0, got "
            f"{margin} and {se}."
        )
    infinite = degrees_of_freedom is None
    law = stats.norm() if infinite else stats.t(degrees_of_freedom)
    half = float(law.ppf(1 - alpha)) * se
    if se == 0:
        p = 0.0 if abs(difference) < margin else 1.0
    else:
        p = float(law.sf((margin - abs(difference)) / se))
    low, high = difference - half, difference + half
    return Tost(difference, margin, low, high, p, p < alpha)

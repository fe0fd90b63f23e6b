"""Curves behind the single numbers: reliability, ROC, precision-recall, decision."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ecgcore.errors import EcgcoreError
from ecgcore.metrics.checks import Floats, binary, finite, probabilities
from ecgcore.metrics.intervals import wilson
from ecgcore.metrics.table import Binning, bin_edges, bin_index, score_table


def reliability_curve(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    n_bins: int = 10,
    binning: Binning = "equal_width",
    level: float = 0.95,
) -> pd.DataFrame:
    """Observed frequency against predicted probability, bin by bin.

    Returns
    -------
    DataFrame
        One row a bin: ``low``, ``high`` (edges; a bin holds its upper edge), ``n``,
        ``n_positive``, ``mean_predicted``, ``observed``, and the Wilson interval of ``observed``
        as ``observed_low``, ``observed_high``.  Means of an empty bin are ``nan``.
    """
    y = binary(y_true)
    p = probabilities(y_score, y.size)
    edges = bin_edges(p, n_bins, binning)
    which, size = bin_index(p, edges), edges.size - 1
    n = np.bincount(which, minlength=size)
    n_positive = np.bincount(which, weights=y, minlength=size)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(which, weights=p, minlength=size) / n
        observed = n_positive / n
    low, high = wilson(n_positive, n, level=level)
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "n": n,
            "n_positive": n_positive.astype(np.int64),
            "mean_predicted": mean,
            "observed": observed,
            "observed_low": low,
            "observed_high": high,
        }
    )


def expected_calibration_error(
    y_true: ArrayLike, y_score: ArrayLike, *, n_bins: int = 10, binning: Binning = "equal_width"
) -> float:
    """Mean distance of observed frequency and mean prediction, weighted by the bins' counts."""
    curve = reliability_curve(y_true, y_score, n_bins=n_bins, binning=binning)
    gap = (curve["observed"] - curve["mean_predicted"]).abs()
    return float((gap * curve["n"]).sum() / curve["n"].sum())


def roc_curve(y_true: ArrayLike, y_score: ArrayLike) -> pd.DataFrame:
    """ROC points: ``threshold`` falling from infinity, ``false_positive_rate``, ``sensitivity``.

    Any finite score will do.  Rates are ``nan`` where a class is absent.
    """
    y = binary(y_true)
    table = score_table(y, finite(y_score, y.size))
    with np.errstate(invalid="ignore"):
        fpr = np.cumsum(table.negative[::-1]) / table.n_negative
        tpr = np.cumsum(table.positive[::-1]) / table.n_positive
    return pd.DataFrame(
        {
            "threshold": np.concatenate([[np.inf], table.score[::-1]]),
            "false_positive_rate": np.concatenate([[0.0], fpr]),
            "sensitivity": np.concatenate([[0.0], tpr]),
        }
    )


def precision_recall_curve(y_true: ArrayLike, y_score: ArrayLike) -> pd.DataFrame:
    """Points of the curve at every distinct ``threshold``, falling: ``precision``, ``sensitivity``.

    The step of height ``precision`` that ends at ``sensitivity`` has an area that sums up to
    ``auprc`` of :func:`~ecgcore.metrics.evaluate`.
    """
    y = binary(y_true)
    table = score_table(y, finite(y_score, y.size))
    tp = np.cumsum(table.positive[::-1])
    called = tp + np.cumsum(table.negative[::-1])
    with np.errstate(invalid="ignore"):
        sensitivity = tp / table.n_positive
    return pd.DataFrame(
        {"threshold": table.score[::-1], "precision": tp / called, "sensitivity": sensitivity}
    )


def threshold_at_specificity(y_true: ArrayLike, y_score: ArrayLike, specificity: float) -> float:
    """Lowest threshold whose specificity is at least the one asked for.

    Choose it on the validation part; it is then applied, not chosen, on the test part.  Infinite
    when even the highest score is that of too many negatives.
    """
    if not 0 <= specificity <= 1:
        raise EcgcoreError(f"specificity: expected a value from 0 to 1, got {specificity}.")
    curve = roc_curve(y_true, y_score)
    allowed = 1 - curve["false_positive_rate"].to_numpy() >= specificity - 1e-12
    return float(curve["threshold"].to_numpy()[np.flatnonzero(allowed)[-1]])


def sensitivity_at_specificity(y_true: ArrayLike, y_score: ArrayLike, specificity: float) -> float:
    """Highest sensitivity among operating points with at least this specificity."""
    chosen = threshold_at_specificity(y_true, y_score, specificity)
    y, score = binary(y_true), np.asarray(y_score, dtype=np.float64)
    return float((score[y == 1] >= chosen).mean())


def decision_curve(
    y_true: ArrayLike, y_score: ArrayLike, thresholds: ArrayLike | None = None
) -> pd.DataFrame:
    """Net benefit against the threshold probability (Vickers & Elkin 2006).

    Med Decis Making 26:565.  ``net_benefit`` = TP/n - FP/n * t/(1-t); ``treat_all`` is the same for
    calling everyone positive, and calling no one positive has a net benefit of 0.

    Returns
    -------
    DataFrame
        ``threshold``, ``net_benefit``, ``treat_all``; thresholds below 1 (default 0.01 to 0.99).
    """
    y = binary(y_true)
    p = probabilities(y_score, y.size)
    grid: Floats = np.asarray(
        np.arange(1, 100) / 100 if thresholds is None else thresholds, dtype=np.float64
    )
    if grid.size == 0 or grid.min() < 0 or grid.max() >= 1:
        raise EcgcoreError("thresholds: expected values from 0 to below 1.")
    called = p[None, :] >= grid[:, None]
    odds = grid / (1 - grid)
    benefit = (called & (y == 1)).mean(1) - odds * (called & (y == 0)).mean(1)
    treat_all = y.mean() - odds * (1 - y.mean())
    return pd.DataFrame({"threshold": grid, "net_benefit": benefit, "treat_all": treat_all})

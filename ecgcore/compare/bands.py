"""Pointwise bands of ROC and precision-recall curves from resampled patients."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ecgcore.compare.resample import count_blocks, group_codes
from ecgcore.metrics.checks import Floats, binary, finite


def curve_bands(
    y: ArrayLike,
    score: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    n_resamples: int = 500,
    seed: int,
    level: float = 0.95,
    n_points: int = 201,
) -> pd.DataFrame:
    """How far ROC and precision-recall curves would move with other patients, point by point.

    Curves are taken as steps: the highest sensitivity with at most that share of false positives,
    and the precision at the first threshold with at least that sensitivity.

    Parameters
    ----------
    y, score
        Labels 0/1 and any finite scores, shape ``(record,)``.
    groups
        Patient of every record.

    Returns
    -------
    DataFrame
        ``curve`` (``roc`` or ``pr``), ``x`` (1 - specificity, or sensitivity), ``low``, ``high``.
    """
    labels = binary(y, "y")
    scores = finite(score, labels.size, "score")
    distinct, position = np.unique(scores, return_inverse=True)
    code, size = labels * distinct.size + position, 2 * distinct.size
    group = group_codes(groups, labels.size)
    grid = np.linspace(0, 1, n_points)
    roc, pr = [], []
    for _, (counts,) in count_blocks([code], [size], group, n_resamples, seed):
        for row in counts:
            negative, positive = row[: distinct.size][::-1], row[distinct.size :][::-1]
            if negative.sum() and positive.sum():
                roc.append(_roc_steps(negative, positive, grid))
                pr.append(_pr_steps(negative, positive, grid))
    tails = [(1 - level) / 2, (1 + level) / 2]
    parts = []
    for name, curves in (("roc", roc), ("pr", pr)):
        low, high = np.quantile(np.stack(curves), tails, axis=0)
        parts.append(pd.DataFrame({"curve": name, "x": grid, "low": low, "high": high}))
    return pd.concat(parts, ignore_index=True)


def _roc_steps(negative: Floats, positive: Floats, grid: Floats) -> Floats:
    """Counts with the highest score first; sensitivity at each share of false positives."""
    false_positive_rate = np.concatenate([[0.0], np.cumsum(negative) / negative.sum()])
    sensitivity = np.concatenate([[0.0], np.cumsum(positive) / positive.sum()])
    reached = np.searchsorted(false_positive_rate, grid + 1e-12, side="right") - 1
    return np.asarray(sensitivity[reached])


def _pr_steps(negative: Floats, positive: Floats, grid: Floats) -> Floats:
    """Precision at each sensitivity."""
    tp = np.cumsum(positive)
    called = tp + np.cumsum(negative)
    sensitivity = tp / positive.sum()
    some = called > 0
    reached = np.searchsorted(sensitivity[some], grid - 1e-12, side="left")
    return np.asarray((tp[some] / called[some])[np.minimum(reached, some.sum() - 1)])

"""Intervals of metrics that are perfect, or nil, on the sample, where a bootstrap collapses."""

import numpy as np

from ecgcore.metrics.checks import Floats, Ints
from ecgcore.metrics.intervals import auroc_score_interval, wilson

__all__ = ["auroc_score_interval", "closed_form", "wilson"]


def closed_form(
    metric: str, value: float, y: Ints, called: Ints, group: Ints, level: float
) -> tuple[float, float] | None:
    """Score interval of a metric whose ``value`` is exactly 0 or 1; ``None`` if there is no form.

    Sample sizes are numbers of distinct groups (patients), which keeps the interval honest when
    patients have several records.  F1 goes through the Jaccard index J (F1 = 2J/(1+J)), balanced
    accuracy through the squares of its parts' half-widths (MOVER, Zou & Donner 2008).
    """

    def n_groups(records: Ints) -> int:
        return int(np.unique(group[records.astype(bool)]).size)

    def proportion(records: Ints) -> tuple[float, float]:
        n = n_groups(records)
        low, high = wilson(value * n, n, level=level)
        return float(low), float(high)

    denominators = {
        "accuracy": np.ones_like(y),
        "sensitivity": y,
        "specificity": 1 - y,
        "precision": called,
    }
    if metric in denominators:
        return proportion(denominators[metric])
    if metric == "f1":
        low, high = proportion(y | called)
        return 2 * low / (1 + low), 2 * high / (1 + high)
    if metric == "balanced_accuracy":
        parts: Floats = np.array([proportion(y), proportion(1 - y)])
        half = float(np.sqrt(((parts - value) ** 2).sum(0)).max()) / 2
        return max(0.0, value - half), min(1.0, value + half)
    if metric == "auroc":
        return auroc_score_interval(value, n_groups(y), n_groups(1 - y), level=level)
    return None

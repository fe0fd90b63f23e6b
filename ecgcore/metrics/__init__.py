"""Discrimination, thresholds and calibration: one definition of each metric.

Every metric is a function of one :class:`ScoreTable`, that is of how many negatives and positives
have each distinct score.  :func:`evaluate` fills one table; :mod:`ecgcore.compare` fills thousands
of them at once for bootstrap intervals, so an interval can never be that of another definition.
Whatever is undefined (precision without a positive prediction, AUROC with one class) is ``nan``.
"""

from ecgcore.metrics.curves import (
    decision_curve,
    expected_calibration_error,
    precision_recall_curve,
    reliability_curve,
    roc_curve,
    sensitivity_at_specificity,
    threshold_at_specificity,
)
from ecgcore.metrics.ensembles import (
    balanced_subset,
    ensemble,
    positive_logit,
    positive_probability,
    ranking,
)
from ecgcore.metrics.table import METRICS, ScoreTable, bin_edges, evaluate, score_table

__all__ = [
    "METRICS",
    "ScoreTable",
    "balanced_subset",
    "bin_edges",
    "decision_curve",
    "ensemble",
    "evaluate",
    "expected_calibration_error",
    "positive_logit",
    "positive_probability",
    "precision_recall_curve",
    "ranking",
    "reliability_curve",
    "roc_curve",
    "score_table",
    "sensitivity_at_specificity",
    "threshold_at_specificity",
]

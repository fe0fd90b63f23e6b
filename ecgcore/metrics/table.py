"""All metrics as functions of the counts of negatives and positives at each distinct score."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ecgcore.errors import EcgcoreError
from ecgcore.metrics.checks import Floats, Ints, binary, probabilities

Binning = Literal["equal_width", "equal_mass"]


@dataclass(frozen=True)
class ScoreTable:
    """Counts of both classes at each distinct score, for one data set or many resamples of it.

    Attributes
    ----------
    score
        Distinct scores, ascending, shape ``(g,)``.
    negative, positive
        Counts (or weights), shape ``(..., g)``; leading axes are resamples.
    threshold
        A record is called positive when its score is at or above it.
    edges
        Edges of the calibration bins, ascending, from 0 to 1; a bin holds its upper edge.
    """

    score: Floats
    negative: Floats
    positive: Floats
    threshold: float
    edges: Floats

    @cached_property
    def n_negative(self) -> Floats:
        """Negatives, shape ``(...)``."""
        return np.asarray(self.negative.sum(-1))

    @cached_property
    def n_positive(self) -> Floats:
        """Positives, shape ``(...)``."""
        return np.asarray(self.positive.sum(-1))

    @cached_property
    def _first_called(self) -> int:
        return int(np.searchsorted(self.score, self.threshold, side="left"))

    @cached_property
    def tp(self) -> Floats:
        """True positives, shape ``(...)``."""
        return np.asarray(self.positive[..., self._first_called :].sum(-1))

    @cached_property
    def fp(self) -> Floats:
        """False positives, shape ``(...)``."""
        return np.asarray(self.negative[..., self._first_called :].sum(-1))


def bin_edges(score: Floats, n_bins: int, binning: Binning = "equal_width") -> Floats:
    """Edges of ``n_bins`` bins of [0, 1]: equally wide, or holding equally many ``score``.

    Equal-mass edges that coincide (many equal scores) are merged, which leaves fewer bins.
    """
    if n_bins < 1:
        raise EcgcoreError(f"ece_bins: expected a whole number of at least 1, got {n_bins}.")
    if binning == "equal_width":
        return np.linspace(0.0, 1.0, n_bins + 1)
    if binning == "equal_mass":
        inner = np.quantile(score, np.linspace(0, 1, n_bins + 1)[1:-1])
        return np.unique(np.concatenate([[0.0], inner, [1.0]]))
    raise EcgcoreError(f"binning: expected 'equal_width' or 'equal_mass', got {binning!r}.")


def bin_index(score: Floats, edges: Floats) -> Ints:
    """Bin of every score; a bin holds its upper edge, the first one also its lower."""
    return np.asarray(np.searchsorted(edges[1:-1], score, side="left"), dtype=np.int64)


def score_table(
    y: Ints, score: Floats, *, threshold: float = 0.5, edges: Floats | None = None
) -> ScoreTable:
    """Count both classes at each distinct score; ``y`` and ``score`` of shape ``(record,)``."""
    distinct, position = np.unique(score, return_inverse=True)
    counts = np.bincount(2 * position + y, minlength=2 * distinct.size).astype(np.float64)
    edges = bin_edges(score, 10) if edges is None else edges
    return ScoreTable(distinct, counts[0::2], counts[1::2], threshold, edges)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(denominator > 0, numerator / denominator, np.nan))


def _n(t: ScoreTable) -> Floats:
    return np.asarray(t.n_negative + t.n_positive)


def _accuracy(t: ScoreTable) -> Floats:
    return _ratio(t.tp + t.n_negative - t.fp, _n(t))


def _sensitivity(t: ScoreTable) -> Floats:
    return _ratio(t.tp, t.n_positive)


def _specificity(t: ScoreTable) -> Floats:
    return _ratio(t.n_negative - t.fp, t.n_negative)


def _f1(t: ScoreTable) -> Floats:
    return _ratio(2 * t.tp, t.tp + t.fp + t.n_positive)


def _mcc(t: ScoreTable) -> Floats:
    """Matthews (1975), Biochim Biophys Acta 405:442."""
    called, tn = t.tp + t.fp, t.n_negative - t.fp
    product = called * (_n(t) - called) * t.n_positive * t.n_negative
    return _ratio(t.tp * tn - t.fp * (t.n_positive - t.tp), np.sqrt(product))


def _auroc(t: ScoreTable) -> Floats:
    """Mann-Whitney U over n+ n-: a positive beats the negatives below it and half of its ties."""
    below = np.cumsum(t.negative, axis=-1)
    below -= t.negative / 2
    wins = np.asarray(np.einsum("...g,...g->...", below, t.positive))
    return _ratio(wins, t.n_positive * t.n_negative)


def _auprc(t: ScoreTable) -> Floats:
    """Average precision, without interpolation between thresholds (as scikit-learn)."""
    tp = np.cumsum(t.positive[..., ::-1], axis=-1)
    called = tp + np.cumsum(t.negative[..., ::-1], axis=-1)
    precision = np.divide(tp, called, out=np.zeros_like(tp), where=called > 0)
    weighted = np.asarray(np.einsum("...g,...g->...", precision, t.positive[..., ::-1]))
    return _ratio(weighted, t.n_positive)


def _ece(t: ScoreTable) -> Floats:
    """Expected calibration error of the positive class: sum over bins n_b/n |observed - mean|."""
    members = bin_index(t.score, t.edges)[:, None] == np.arange(t.edges.size - 1)
    gap = t.positive - (t.positive + t.negative) * t.score
    return _ratio(np.asarray(np.abs(gap @ members.astype(np.float64)).sum(-1)), _n(t))


def _brier(t: ScoreTable) -> Floats:
    return _ratio(t.positive @ (1 - t.score) ** 2 + t.negative @ t.score**2, _n(t))


def _log_loss(t: ScoreTable) -> Floats:
    """Natural logarithm; probabilities of 0 and 1 are moved by float64's epsilon (scikit-learn)."""
    epsilon = float(np.finfo(np.float64).eps)
    p = np.clip(t.score, epsilon, 1 - epsilon)
    return _ratio(-(t.positive @ np.log(p) + t.negative @ np.log1p(-p)), _n(t))


METRICS: dict[str, Callable[[ScoreTable], Floats]] = {
    "n": _n,
    "n_positive": lambda t: t.n_positive,
    "accuracy": _accuracy,
    "balanced_accuracy": lambda t: np.asarray((_sensitivity(t) + _specificity(t)) / 2),
    "f1": _f1,
    "precision": lambda t: _ratio(t.tp, t.tp + t.fp),
    "sensitivity": _sensitivity,
    "specificity": _specificity,
    "mcc": _mcc,
    "auroc": _auroc,
    "auprc": _auprc,
    "ece": _ece,
    "brier": _brier,
    "log_loss": _log_loss,
    "tn": lambda t: np.asarray(t.n_negative - t.fp),
    "fp": lambda t: t.fp,
    "fn": lambda t: np.asarray(t.n_positive - t.tp),
    "tp": lambda t: t.tp,
}
"""Name to function of a :class:`ScoreTable`; in the order in which tables show them."""


def evaluate(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    threshold: float = 0.5,
    ece_bins: int = 10,
    binning: Binning = "equal_width",
) -> dict[str, float]:
    """Every metric of both papers for one set of predictions.

    Parameters
    ----------
    y_true
        Labels 0 or 1, shape ``(record,)``.
    y_score
        Probability of the positive class, shape ``(record,)``.
    threshold
        A record is called positive when its probability is at or above it.
    ece_bins, binning
        Number and kind of bins of the expected calibration error.  The default, ten bins of equal
        width over the probability of the positive class, is that of paper B (arXiv 2604.16437).

    Returns
    -------
    dict
        ``n``, ``n_positive``, ``accuracy``, ``balanced_accuracy``, ``f1``, ``precision``,
        ``sensitivity``, ``specificity``, ``mcc``, ``auroc``, ``auprc`` (average precision),
        ``ece``, ``brier``, ``log_loss`` (natural), ``tn``, ``fp``, ``fn``, ``tp``.  Undefined
        values are ``nan``: precision when nothing is called positive, AUROC with one class.

    Raises
    ------
    EcgcoreError
        When labels are not 0/1, or scores are not finite probabilities, one a record.
    """
    y = binary(y_true)
    p = probabilities(y_score, y.size)
    table = score_table(y, p, threshold=threshold, edges=bin_edges(p, ece_bins, binning))
    return {name: float(metric(table)) for name, metric in METRICS.items()}

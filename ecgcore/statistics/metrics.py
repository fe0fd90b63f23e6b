"""One definition of each metric, as a function of the counts at each distinct score.

Undefined values (precision without a positive prediction, AUROC with one class) are ``nan``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ecgcore.arrays import Floats, ratio
from ecgcore.errors import EcgcoreError
from ecgcore.statistics.scores import binary, probabilities

RANK_METRICS = ("auroc", "auprc")
LOWER_IS_BETTER = ("ece", "brier", "log_loss")


@dataclass(frozen=True)
class Settings:
    """Options of metrics, see :func:`evaluate`, and of the bootstrap."""

    threshold: float = 0.5
    ece_bins: int = 10
    prevalence: float | None = None
    n_resamples: int = 1000
    seed: int = 1


class ScoreTable:
    """Counts of both classes at each distinct score, for one data set or many resamples of it.

    ``score`` ascends, shape ``(g,)``; ``negative`` and ``positive`` are counts, ``(..., g)``, where
    leading axes are resamples.
    """

    def __init__(
        self, score: Floats, negative: Floats, positive: Floats, settings: Settings
    ) -> None:
        if settings.prevalence is not None:
            new = settings.prevalence
            if not 0 < new < 1:
                raise EcgcoreError(f"prevalence: expected a share above 0, below 1, got {new}.")
            n, n1 = (negative + positive).sum(-1), positive.sum(-1)
            positive = positive * ratio(new * n, n1)[..., None]
            negative = negative * ratio((1 - new) * n, n - n1)[..., None]
        first = int(np.searchsorted(score, settings.threshold))
        self.score, self.negative, self.positive = score, negative, positive
        self.n_negative, self.n_positive = negative.sum(-1), positive.sum(-1)
        self.n = self.n_negative + self.n_positive
        self.fp, self.tp = negative[..., first:].sum(-1), positive[..., first:].sum(-1)
        self.settings = settings


def _mcc(t: ScoreTable) -> Floats:
    """Return the correlation of Matthews (1975), Biochim Biophys Acta 405:442."""
    called, tn = t.tp + t.fp, t.n_negative - t.fp
    product = called * (t.n - called) * t.n_positive * t.n_negative
    return ratio(t.tp * tn - t.fp * (t.n_positive - t.tp), np.sqrt(product))


def _auroc(t: ScoreTable) -> Floats:
    """Return Mann-Whitney's U / (n+ n-): a positive beats lower negatives and half of its ties."""
    below = np.cumsum(t.negative, axis=-1)
    below -= t.negative / 2
    wins = np.asarray(np.einsum("...g,...g->...", below, t.positive))
    return ratio(wins, t.n_positive * t.n_negative)


def _auprc(t: ScoreTable) -> Floats:
    """Return average precision, without interpolation between thresholds (as scikit-learn)."""
    tp = np.cumsum(t.positive[..., ::-1], axis=-1)
    called = tp + np.cumsum(t.negative[..., ::-1], axis=-1)
    precision = np.divide(tp, called, out=np.zeros_like(tp), where=called > 0)
    weighted = np.asarray(np.einsum("...g,...g->...", precision, t.positive[..., ::-1]))
    return ratio(weighted, t.n_positive)


def _ece(t: ScoreTable) -> Floats:
    """Return the calibration error (ECE) of the positive class: sum of n_b/n |observed - mean|.

    A bin holds its upper edge, the first also 0.
    """
    gap, n_bins = t.positive - (t.positive + t.negative) * t.score, t.settings.ece_bins
    bins = np.searchsorted(np.linspace(0.0, 1.0, n_bins + 1)[1:-1], t.score)
    members = bins[:, None] == np.arange(n_bins)
    return ratio(np.asarray(np.abs(gap @ members.astype(float)).sum(-1)), t.n)


def _log_loss(t: ScoreTable) -> Floats:
    """Return the natural log loss; 0 and 1 are moved by float64's epsilon (as scikit-learn)."""
    epsilon = float(np.finfo(np.float64).eps)
    p = np.clip(t.score, epsilon, 1 - epsilon)
    return ratio(-(t.positive @ np.log(p) + t.negative @ np.log1p(-p)), t.n)


METRICS: dict[str, Callable[[ScoreTable], Floats]] = {
    "n": lambda t: t.n,
    "n_positive": lambda t: t.n_positive,
    "accuracy": lambda t: ratio(t.tp + t.n_negative - t.fp, t.n),
    "balanced_accuracy": lambda t: (METRICS["sensitivity"](t) + METRICS["specificity"](t)) / 2,
    "f1": lambda t: ratio(2 * t.tp, t.tp + t.fp + t.n_positive),
    "precision": lambda t: ratio(t.tp, t.tp + t.fp),
    "sensitivity": lambda t: ratio(t.tp, t.n_positive),
    "specificity": lambda t: ratio(t.n_negative - t.fp, t.n_negative),
    "mcc": _mcc,
    "auroc": _auroc,
    "auprc": _auprc,
    "ece": _ece,
    "brier": lambda t: ratio(t.positive @ (1 - t.score) ** 2 + t.negative @ t.score**2, t.n),
    "log_loss": _log_loss,
    "tn": lambda t: t.n_negative - t.fp,
    "fp": lambda t: t.fp,
    "fn": lambda t: t.n_positive - t.tp,
    "tp": lambda t: t.tp,
}
"""Name to function of a :class:`ScoreTable`, in the order in which tables show them."""


def evaluate(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    threshold: float = 0.5,
    ece_bins: int = 10,
    prevalence: float | None = None,
) -> dict[str, float]:
    """Return every metric of both papers, keyed by its name in :data:`METRICS`.

    ``y_true`` contains labels of 0 or 1 and ``y_score`` probabilities of the positive class, both
    of shape ``(record,)``; anything else raises :class:`EcgcoreError`. A record is called positive
    if its probability is at least ``threshold``. For the ECE, probabilities are grouped into
    ``ece_bins`` bins of equal width; paper B uses ten (arXiv 2604.16437). With ``prevalence``,
    records are weighted so that positive records have this share.
    """
    y = binary(y_true)
    score, position = np.unique(probabilities(y_score, y.size), return_inverse=True)
    counts = np.bincount(2 * position + y, minlength=2 * score.size).astype(np.float64)
    settings = Settings(threshold, ece_bins, prevalence)
    table = ScoreTable(score, counts[0::2], counts[1::2], settings)
    return {name: float(metric(table)) for name, metric in METRICS.items()}

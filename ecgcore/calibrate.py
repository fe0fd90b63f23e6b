"""Making probabilities mean what they say: maps fitted on the validation part only, and Brier.

A map has two steps on purpose: ``fit_*`` sees validation logits and labels and returns an object;
calling that object on test logits gives probabilities.  No function sees both parts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize
from scipy.special import expit, logit

from ecgcore.errors import EcgcoreError
from ecgcore.metrics.checks import Floats, binary, finite, probabilities
from ecgcore.metrics.table import Binning, bin_edges, bin_index


@dataclass(frozen=True)
class Scaling:
    """``p = sigmoid(slope * logit + intercept)``: temperature (slope 1/T, intercept 0) or Platt."""

    slope: float
    intercept: float = 0.0

    @property
    def temperature(self) -> float:
        """T of temperature scaling; above 1 the model was overconfident."""
        return 1 / self.slope

    def __call__(self, logits: ArrayLike) -> Floats:
        """Probabilities of the positive class from its logits, shape ``(record,)``."""
        return np.asarray(expit(self.slope * np.asarray(logits, dtype=float) + self.intercept))


@dataclass(frozen=True)
class Isotonic:
    """A step-free monotone map through ``(logit, probability)`` knots, flat outside of them."""

    knots: Floats
    values: Floats

    def __call__(self, logits: ArrayLike) -> Floats:
        """Probabilities of the positive class from its logits, shape ``(record,)``."""
        return np.asarray(np.interp(np.asarray(logits, dtype=float), self.knots, self.values))


def fit_temperature(y: ArrayLike, logits: ArrayLike) -> Scaling:
    """Temperature scaling (Guo et al. 2017, arXiv 1706.04599): one slope, least log loss.

    The ranking, and with it the AUROC and the calls at 0.5, stay as they are.

    Parameters
    ----------
    y, logits
        Labels and logits of the positive class of the *validation* part, shape ``(record,)``.

    Raises
    ------
    EcgcoreError
        When there is one class only.
    """
    labels, z = _both_classes(y, logits)

    def loss(log_slope: float) -> float:
        scaled = np.exp(log_slope) * z
        return float(np.mean(np.logaddexp(0, scaled) - labels * scaled))

    # The loss is convex in the slope; the bounds keep separable data from running to infinity.
    best = optimize.minimize_scalar(loss, bounds=(-7.0, 7.0), method="bounded")
    return Scaling(float(np.exp(best.x)))


def fit_platt(y: ArrayLike, logits: ArrayLike) -> Scaling:
    """Platt's (1999) scaling: slope and intercept of a logistic regression on smoothed targets.

    Targets are (n+ + 1)/(n+ + 2) and 1/(n- + 2), which keeps separable data finite.
    """
    labels, z = _both_classes(y, logits)
    n_positive, n_negative = labels.sum(), (1 - labels).sum()
    target = np.where(labels == 1, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    scale = float(np.abs(z).max()) or 1.0
    design = np.stack([z / scale, np.ones_like(z)])

    def loss(w: Floats) -> tuple[float, Floats]:
        line = w @ design
        value = np.sum(np.logaddexp(0, line) - target * line)
        return float(value), np.asarray(design @ (expit(line) - target))

    best = optimize.minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-8})
    return Scaling(float(best.x[0]) / scale, float(best.x[1]))


def fit_isotonic(y: ArrayLike, logits: ArrayLike) -> Isotonic:
    """Isotonic regression (Zadrozny & Elkan 2002) of the labels on the logits."""
    from sklearn.isotonic import IsotonicRegression

    labels, z = _both_classes(y, logits)
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(z, labels)
    return Isotonic(fitted.X_thresholds_, fitted.y_thresholds_)


METHODS: dict[str, Callable[[ArrayLike, ArrayLike], Scaling | Isotonic]] = {
    "temperature": fit_temperature,
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}
"""Name to fit function; ``raw`` probabilities are ``Scaling(1.0)``."""


def prior_shift(p: ArrayLike, *, trained_prevalence: float, prevalence: float) -> Floats:
    """Move probabilities from the prevalence of training to that of where they are used.

    Saerens, Latinne & Decaestecker (2002, Neural Comput 14:21), eq. 2.4: the odds are multiplied by
    the ratio of the prior odds.  A model trained on balanced classes has 0.5 for the first.

    Parameters
    ----------
    p
        Probabilities of the positive class, shape ``(record,)``.
    trained_prevalence, prevalence
        Share of positives in training (after balancing) and in use; above 0 and below 1.
    """
    values = np.asarray(p, dtype=np.float64)
    checked = probabilities(values, values.size, "p")
    for name, share in (("trained_prevalence", trained_prevalence), ("prevalence", prevalence)):
        if not 0 < share < 1:
            raise EcgcoreError(f"{name}: expected a share above 0 and below 1, got {share}.")
    with np.errstate(divide="ignore"):  # 0 and 1 stay where they are
        shifted = logit(checked) + logit(prevalence) - logit(trained_prevalence)
    return np.asarray(expit(shifted))


def estimated_prevalence(
    p: ArrayLike, *, trained_prevalence: float, tolerance: float = 1e-10
) -> float:
    """Prevalence in unlabelled data from a model's probabilities alone (EM of Saerens et al.)."""
    values = np.asarray(p, dtype=np.float64)
    prevalence = trained_prevalence
    for _ in range(10_000):
        moved = prior_shift(
            values, trained_prevalence=trained_prevalence, prevalence=prevalence
        ).mean()
        new = float(np.clip(moved, 1e-9, 1 - 1e-9))
        if abs(new - prevalence) < tolerance:
            return new
        prevalence = new
    return prevalence


@dataclass(frozen=True)
class BrierParts:
    """Murphy's decomposition: ``brier = reliability - resolution + uncertainty + within_bin``."""

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bin: float


def brier_decomposition(
    y: ArrayLike, p: ArrayLike, *, n_bins: int = 10, binning: Binning = "equal_width"
) -> BrierParts:
    """Take the Brier score apart, exactly, for binned probabilities.

    Murphy (1973, J Appl Meteor 12:595) for the three parts, with the bin's mean prediction in
    place of a single forecast; Stephenson, Coelho & Jolliffe (2008, Weather Forecast 23:752) for
    the within-bin part, without which the three do not add up (0 for one value a bin).

    Returns
    -------
    BrierParts
        ``reliability`` is 0 for a calibrated model, ``resolution`` should be large, and
        ``uncertainty`` is prevalence times its complement.
    """
    labels = binary(y, "y")
    score = probabilities(p, labels.size, "p")
    edges = bin_edges(score, n_bins, binning)
    which = bin_index(score, edges)
    n = np.bincount(which, minlength=edges.size - 1)
    used = n > 0
    mean = np.bincount(which, weights=score, minlength=n.size)[used] / n[used]
    observed = np.bincount(which, weights=labels, minlength=n.size)[used] / n[used]
    share, prevalence = n[used] / labels.size, float(labels.mean())
    reliability = float(share @ (mean - observed) ** 2)
    resolution = float(share @ (observed - prevalence) ** 2)
    uncertainty = prevalence * (1 - prevalence)
    brier = float(np.mean((score - labels) ** 2))
    within = np.zeros(n.size)
    within[used] = mean
    spread = score - within[which]
    within_bin = float(np.mean(spread**2) - 2 * np.mean(spread * labels))
    return BrierParts(brier, reliability, resolution, uncertainty, within_bin)


def _both_classes(y: ArrayLike, logits: ArrayLike) -> tuple[Floats, Floats]:
    labels = binary(y, "y")
    if labels.min() == labels.max():
        raise EcgcoreError(
            f"y: the validation part holds only class {labels[0]}; calibration needs both classes."
        )
    return labels.astype(np.float64), finite(logits, labels.size, "logits")

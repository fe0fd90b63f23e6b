"""Making probabilities mean what they say: maps fitted on the validation part only, and Brier.

A map has two steps on purpose: ``fit_*`` sees validation logits and labels and returns an object;
calling that object on test logits gives probabilities.  No function sees both parts.
"""

from collections.abc import Callable, Sequence
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


def fit_temperature(y: ArrayLike, logits: ArrayLike, *, intercept: float = 0.0) -> Scaling:
    """Temperature scaling (Guo et al. 2017, arXiv 1706.04599): one slope, least log loss.

    The ranking, and with it the AUROC and the calls at 0.5, stay as they are.

    Parameters
    ----------
    y, logits
        Labels and logits of the positive class of the *validation* part, shape ``(record,)``.
    intercept
        Added to the scaled logits and held fixed: a change of prior odds that is known, of
        :func:`prior_scaling`.

    Raises
    ------
    EcgcoreError
        When there is one class only.
    """
    labels, z = _both_classes(y, logits)

    def loss(log_slope: float) -> float:
        scaled = np.exp(log_slope) * z + intercept
        return float(np.mean(np.logaddexp(0, scaled) - labels * scaled))

    # The loss is convex in the slope; the bounds keep separable data from running to infinity.
    best = optimize.minimize_scalar(loss, bounds=(-7.0, 7.0), method="bounded")
    return Scaling(float(np.exp(best.x)), intercept)


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


def prior_scaling(*, trained_prevalence: float, prevalence: float) -> Scaling:
    """:func:`prior_shift` as a map of logits: a slope of 1, and an intercept for the new odds."""
    _check_shares(trained_prevalence=trained_prevalence, prevalence=prevalence)
    return Scaling(1.0, float(logit(prevalence) - logit(trained_prevalence)))


METHODS: dict[str, Callable[..., Scaling | Isotonic]] = {
    "temperature": fit_temperature,
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}
"""Name to fit function; ``raw`` probabilities are ``Scaling(1.0)``."""


@dataclass(frozen=True)
class FoldEnsemble:
    """Networks of a cross-validation, each with a map of its own; their probabilities are averaged.

    The scheme of scikit-learn's ``CalibratedClassifierCV(ensemble=True)``: the average of logits
    that paper B uses is less extreme than any one network's, so a map that was fitted on single
    networks does not fit it.
    """

    maps: tuple[Scaling | Isotonic, ...]

    def __call__(self, logits: Sequence[ArrayLike]) -> Floats:
        """Probabilities from the logits of each network, in the order of the folds."""
        parts = [fitted(z) for fitted, z in zip(self.maps, logits, strict=True)]
        return np.asarray(np.mean(parts, axis=0))


def fit_folds(
    method: str, valid: Sequence[tuple[ArrayLike, ArrayLike]], **options: float
) -> FoldEnsemble:
    """Fit one map a fold on that fold's own validation part.

    Parameters
    ----------
    method
        A key of :data:`METHODS`.
    valid
        Labels and logits of the validation part of each fold.
    options
        Of the fit function: ``intercept`` of ``temperature``.
    """
    if method not in METHODS:
        raise EcgcoreError(f"method: there is no {method!r}; expected one of {', '.join(METHODS)}.")
    return FoldEnsemble(tuple(METHODS[method](y, logits, **options) for y, logits in valid))


def calibrated_ece(
    p: ArrayLike,
    *,
    n_draws: int = 1000,
    seed: int,
    n_bins: int = 10,
    binning: Binning = "equal_width",
) -> Floats:
    """ECE that these predictions would have if they were true: labels are drawn from them.

    Consistency resampling (Broecker & Smith 2007, Weather Forecast 22:651).  The ECE of a perfect
    model is above 0 on any finite test set; only what exceeds these values speaks of the model.

    Returns
    -------
    array
        Shape ``(draw,)``.
    """
    values = np.asarray(p, dtype=np.float64)
    score = probabilities(values, values.size, "p")
    edges = bin_edges(score, n_bins, binning)
    members = bin_index(score, edges)[:, None] == np.arange(edges.size - 1)
    rng = np.random.default_rng(seed)
    drawn = rng.random((n_draws, score.size)) < score
    gaps = (drawn - score) @ members.astype(np.float64)
    return np.asarray(np.abs(gaps).sum(axis=1) / score.size)


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
    _check_shares(trained_prevalence=trained_prevalence, prevalence=prevalence)
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


def _check_shares(**shares: float) -> None:
    for name, share in shares.items():
        if not 0 < share < 1:
            raise EcgcoreError(f"{name}: expected a share above 0 and below 1, got {share}.")


def _both_classes(y: ArrayLike, logits: ArrayLike) -> tuple[Floats, Floats]:
    labels = binary(y, "y")
    if labels.min() == labels.max():
        raise EcgcoreError(
            f"y: the validation part holds only class {labels[0]}; calibration needs both classes."
        )
    return labels.astype(np.float64), finite(logits, labels.size, "logits")

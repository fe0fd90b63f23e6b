"""Calibration maps, fitted on validation logits and called on test logits; reliability curves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import optimize
from scipy.special import expit, logit

from ecgcore.arrays import Floats
from ecgcore.errors import EcgcoreError
from ecgcore.statistics.metrics import Settings
from ecgcore.statistics.scores import binary, finite, probabilities, require_columns, share

METHODS = ("raw", "prior", "temperature", "prior + temperature", "Platt", "isotonic")
"""``raw``: no map.  ``prior``: from balanced training to the prevalence of the validation parts.
The others are fitted for each network on its own validation part."""


@dataclass(frozen=True)
class Scaling:
    """``p = sigmoid(slope * logit + intercept)`` of a logit: temperature (slope 1/T) or Platt."""

    slope: float = 1.0
    intercept: float = 0.0

    @property
    def temperature(self) -> float:
        """T; above 1 the model was overconfident."""
        return 1 / self.slope

    def logit(self, logits: ArrayLike) -> Floats:
        """Return calibrated logits, shape ``(record,)``."""
        return np.asarray(self.slope * np.asarray(logits, dtype=float) + self.intercept)


def fit_temperature(y: ArrayLike, logits: ArrayLike, *, intercept: float = 0.0) -> Scaling:
    """Return temperature scaling (Guo et al. 2017, arXiv 1706.04599): one slope, least log loss.

    ``y`` and ``logits`` of the *validation* part, shape ``(record,)``, have both classes, else
    :class:`EcgcoreError`; ``intercept``, a change of prior odds, is added to the scaled logits.
    """
    labels, z = _both_classes(y, logits)

    def loss(log_slope: float) -> float:
        scaled = np.exp(log_slope) * z + intercept
        return float(np.mean(np.logaddexp(0, scaled) - labels * scaled))

    # The loss is convex in the slope; the bounds keep separable data from running to infinity.
    best = optimize.minimize_scalar(loss, bounds=(-7.0, 7.0), method="bounded")
    return Scaling(float(np.exp(best.x)), intercept)


def fit_platt(y: ArrayLike, logits: ArrayLike) -> Scaling:
    """Return Platt's (1999) scaling: a logistic regression on smoothed targets.

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


def fit_isotonic(y: ArrayLike, logits: ArrayLike) -> Callable[[ArrayLike], Floats]:
    """Return isotonic regression (Zadrozny & Elkan 2002) as a function from logits to logits.

    Its probabilities may be 0 or 1, whose logits are infinite.
    """
    from sklearn.isotonic import IsotonicRegression

    labels, z = _both_classes(y, logits)
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(z, labels)
    return lambda values: _logit(fitted.predict(np.asarray(values)))


def _both_classes(y: ArrayLike, logits: ArrayLike) -> tuple[Floats, Floats]:
    labels = binary(y, "y")
    if labels.min() == labels.max():
        raise EcgcoreError(f"y: only class {labels[0]}; calibration needs both classes.")
    return labels.astype(np.float64), finite(logits, labels.size, "logits")


def prior_shift(p: ArrayLike, *, trained_prevalence: float, prevalence: float) -> Floats:
    """Shift probabilities from the prevalence in training to that in use.

    Saerens, Latinne & Decaestecker (2002, Neural Comput 14:21), eq. 2.4; shares above 0, below 1.
    """
    values = np.asarray(p, dtype=np.float64)
    trained = share(trained_prevalence, "trained_prevalence")
    moved_by = float(logit(share(prevalence, "prevalence")) - logit(trained))
    return np.asarray(expit(_logit(probabilities(values, values.size, "p")) + moved_by))


def _logit(p: Floats) -> Floats:
    with np.errstate(divide="ignore"):  # infinite for 0 and 1
        return np.asarray(logit(p))


def calibrated(
    predictions: pd.DataFrame, *, pooling: Literal["logits", "probabilities"] = "logits"
) -> pd.DataFrame:
    """Return probabilities by calibration method for the test and the validation records.

    ``predictions`` of ``frequency_train`` have parts ``valid`` and ``test_fold`` (one network
    alone, ``fold``), else :class:`EcgcoreError`.  ``pooling`` is what is averaged over the networks
    after each was mapped; a validation record has the answer of the network that did not train on
    it.  Columns: ``ecg_id, patient_id, part, y_true`` and one for each of :data:`METHODS`.
    """
    keys = ["ecg_id", "patient_id", "part", "y_true"]
    require_columns(predictions, [*keys, "fold", "logit"], "predictions")
    if not {"valid", "test_fold"} <= set(predictions["part"]):
        raise EcgcoreError("predictions: no validation answers; run frequency_train again.")
    parts = dict(iter(predictions.groupby("part")))
    valid = {k: rows.reset_index(drop=True) for k, rows in parts["valid"].groupby("fold")}
    test = parts["test_fold"].drop_duplicates("ecg_id").assign(part="test").reset_index(drop=True)
    alone = parts["test_fold"].set_index(["fold", "ecg_id"])["logit"]
    prior = float(logit(share(parts["valid"]["y_true"].mean(), "prevalence")))  # trained at 0.5
    for method in METHODS:
        mapped, limit = [], logit(0.999) if method == "isotonic" else np.inf
        for k, rows in valid.items():
            calibrate = _fit(method, rows, prior)
            rows[method] = expit(calibrate(rows["logit"]))
            z = calibrate(alone.loc[k].loc[test["ecg_id"]])
            mapped.append(np.clip(z, -limit, limit) if pooling == "logits" else expit(z))
        test[method] = expit(np.mean(mapped, 0)) if pooling == "logits" else np.mean(mapped, 0)
    return pd.concat([*valid.values(), test], ignore_index=True)[[*keys, *METHODS]]


def _fit(method: str, rows: pd.DataFrame, prior: float) -> Callable[[ArrayLike], Floats]:
    """Return the function from logits to calibrated logits."""
    y, logits = rows["y_true"], rows["logit"]
    if method == "isotonic":
        return fit_isotonic(y, logits)
    if method == "Platt":
        return fit_platt(y, logits).logit
    intercept = prior if method.startswith("prior") else 0.0
    if method.endswith("temperature"):
        return fit_temperature(y, logits, intercept=intercept).logit
    return Scaling(intercept=intercept).logit


def reliability_curve(y_true: ArrayLike, y_score: ArrayLike) -> pd.DataFrame:
    """Return observed frequency against predicted probability, one row for each of 10 bins.

    A bin holds its upper edge.  Columns: ``low, high`` (edges), ``n, n_positive, mean_predicted,
    observed`` (``nan`` in an empty bin), Wilson's ``observed_low, observed_high`` (95 %).
    """
    from statsmodels.stats.proportion import proportion_confint

    y = binary(y_true)
    p = probabilities(y_score, y.size)
    which, n_bins = Settings().bin_index(p), Settings().ece_bins
    n, k, total = (np.bincount(which, w, n_bins) for w in (np.ones_like(p), y, p))
    edges = np.linspace(0, 1, n_bins + 1)
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "n": n, "n_positive": k})
    with np.errstate(invalid="ignore", divide="ignore"):
        table["mean_predicted"], table["observed"] = total / n, k / n
        low, high = proportion_confint(k, n, method="wilson")
    table["observed_low"] = np.minimum(low, table["observed"])
    table["observed_high"] = np.maximum(high, table["observed"])
    return table.astype({"n": int, "n_positive": int})

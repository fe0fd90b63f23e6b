"""Labels and scores: checks, numbers from logits, the temperature, and features of a baseline."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import optimize

from ecgcore.arrays import Floats, Ints
from ecgcore.errors import EcgcoreError


def binary(y: ArrayLike, name: str = "y_true") -> Ints:
    """Return labels as int64 0 or 1, shape ``(record,)``; others raise :class:`EcgcoreError`."""
    values = np.asarray(y)
    if values.ndim != 1 or values.size == 0:
        raise EcgcoreError(f"{name}: expected one label per record, got shape {values.shape}.")
    wrong = values[~np.isin(values, (0, 1))]
    if wrong.size:
        raise EcgcoreError(f"{name}: expected only 0 and 1, got {wrong[0]!r}; map the classes.")
    return values.astype(np.int64)


def finite(score: ArrayLike, n_records: int, name: str = "y_score") -> Floats:
    """Return finite scores as float64, shape ``(record,)``; others raise :class:`EcgcoreError`."""
    values = np.asarray(score, dtype=np.float64)
    if values.shape != (n_records,):
        raise EcgcoreError(f"{name}: expected the shape ({n_records},), got {values.shape}.")
    if not np.isfinite(values).all():
        record = int(np.argmin(np.isfinite(values)))
        raise EcgcoreError(f"{name}: record {record} (counted from 0) is not finite; train again.")
    return values


def probabilities(score: ArrayLike, n_records: int, name: str = "y_score") -> Floats:
    """Return scores as float64 between 0 and 1, shape ``(record,)``."""
    values = finite(score, n_records, name)
    if values.min() < 0 or values.max() > 1:
        extremes = f"{values.min():.4g} to {values.max():.4g}"
        raise EcgcoreError(f"{name}: {extremes} are not probabilities; use positive_probability().")
    return values


def group_codes(groups: ArrayLike | None, n_records: int) -> Ints:
    """Number the groups from 0 in sorted order; without groups all records differ."""
    values = np.arange(n_records) if groups is None else np.asarray(groups)
    if values.shape != (n_records,) or pd.isna(values).any():
        raise EcgcoreError(f"groups: expected {n_records} patients, none missing, one per record.")
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def require_columns(frame: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Raise :class:`EcgcoreError` with the names of missing columns."""
    missing = [column for column in columns if column not in frame]
    if missing:
        raise EcgcoreError(f"{name}: missing columns {missing}; it has {list(frame.columns)}.")


def positive_logit(logits: ArrayLike) -> Floats:
    """Return the log odds of the positive class, shape ``(record,)``.

    ``logits`` has shape ``(record,)`` or ``(record, 1)`` (sigmoid) or ``(record, 2)`` (softmax over
    negative, positive); another shape raises :class:`EcgcoreError`.
    """
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim == 2 and values.shape[1] in (1, 2):
        values = values[:, 1] - values[:, 0] if values.shape[1] == 2 else values[:, 0]
    if values.ndim != 1:
        raise EcgcoreError(f"logits: expected (record,), (record, 1 or 2), got {values.shape}.")
    return values


def positive_probability(logits: ArrayLike) -> Floats:
    """Return the probability of the positive class from logits as for :func:`positive_logit`."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -positive_logit(logits))))


def ranking(logits: ArrayLike) -> Floats:
    """Return numbers in (0, 1) in the order of the logits, shape ``(record,)``, to rank records.

    Probabilities of logits beyond about 37, such as an ECG-IMN's, round to 1 and would tie.
    """
    return np.asarray(0.5 + np.arctan(positive_logit(logits)) / np.pi)


def fit_temperature(y: ArrayLike, logits: ArrayLike, *, intercept: float = 0.0) -> float:
    """Return the temperature T that minimises the log loss (Guo et al. 2017, arXiv 1706.04599).

    ``y`` and ``logits`` are those of the *validation* part, shape ``(record,)``; a ``y`` with only
    one class raises ``EcgcoreError``. Calibrated logits are ``logits / T + intercept``, where
    ``intercept`` is a change of prior odds; a T above 1 means overconfidence.
    """
    labels = binary(y, "y")
    if labels.min() == labels.max():
        raise EcgcoreError(f"y: only class {labels[0]}; calibration needs both classes.")
    z = finite(logits, labels.size, "logits")

    def loss(log_slope: float) -> float:
        scaled = np.exp(log_slope) * z + intercept
        return float(np.mean(np.logaddexp(0, scaled) - labels * scaled))

    # The loss is convex in the slope; the bounds keep separable data from running to infinity.
    best = optimize.minimize_scalar(loss, bounds=(-7.0, 7.0), method="bounded")
    return float(np.exp(-best.x))


def balanced_subset(y: ArrayLike, seed: int) -> Ints:
    """Return ascending positions of the smaller class and as many, drawn, of the larger one."""
    labels = binary(y, "y")
    classes = [np.flatnonzero(labels == value) for value in (0, 1)]
    n_each = min(c.size for c in classes)
    if n_each == 0:
        raise EcgcoreError("y: a balanced subset needs records of both classes, got only one.")
    rng = np.random.default_rng(seed)
    parts = [c if c.size == n_each else rng.choice(c, n_each, replace=False) for c in classes]
    return np.sort(np.concatenate(parts)).astype(np.int64)


def moments(x: ArrayLike) -> Floats:
    """Return mean, SD and skewness (0 for a flat lead) of each lead, ``(record, 3 * lead)``.

    A network that does not beat a logistic regression on these makes no use of waveforms.
    Signals of another shape than ``(record, lead, sample)`` raise :class:`EcgcoreError`.
    """
    signals, blocks = np.asarray(x), []
    if signals.ndim != 3 or signals.size == 0:
        raise EcgcoreError(f"x: expected the shape (record, lead, sample), got {signals.shape}.")
    for start in range(0, len(signals), 512):  # float64 copies of a whole data set are large
        block = signals[start : start + 512].astype(np.float64)
        mean = block.mean(axis=2)
        centred = block - mean[..., None]
        deviation = np.sqrt((centred**2).mean(axis=2))
        skewness = (centred**3).mean(axis=2) / np.maximum(deviation, 1e-9) ** 3
        blocks.append(np.concatenate([mean, deviation, skewness], axis=1))
    return np.concatenate(blocks).round(6)  # the mean of a z-scored lead is rounding error

"""What labels and scores must look like, told in one sentence when they do not."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgcore.errors import EcgcoreError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def binary(y: ArrayLike, name: str = "y_true") -> Ints:
    """Labels as int64 0 or 1, shape ``(record,)``; :class:`EcgcoreError` for anything else."""
    values = np.asarray(y)
    if values.ndim != 1 or values.size == 0:
        raise EcgcoreError(
            f"{name}: expected one label a record, got an array of shape {values.shape}."
        )
    if not np.isin(values, (0, 1)).all():
        odd = values[~np.isin(values, (0, 1))][0]
        raise EcgcoreError(f"{name}: expected only 0 and 1, found {odd!r}; map the classes first.")
    return values.astype(np.int64)


def finite(score: ArrayLike, n_records: int, name: str = "y_score") -> Floats:
    """Scores as float64, one a record and all finite."""
    values = np.asarray(score, dtype=np.float64)
    if values.shape != (n_records,):
        raise EcgcoreError(
            f"{name}: expected shape ({n_records},) like the labels, got {values.shape}."
        )
    if not np.isfinite(values).all():
        raise EcgcoreError(
            f"{name}: record {int(np.argmin(np.isfinite(values)))} (counted from 0) is not finite; "
            "a model that diverged has no score."
        )
    return values


def probabilities(score: ArrayLike, n_records: int, name: str = "y_score") -> Floats:
    """Scores as float64 in [0, 1], one a record."""
    values = finite(score, n_records, name)
    if values.min() < 0 or values.max() > 1:
        raise EcgcoreError(
            f"{name}: expected probabilities between 0 and 1, found {values.min():.4g} to "
            f"{values.max():.4g}; turn logits into probabilities with metrics.ensemble([logits])."
        )
    return values

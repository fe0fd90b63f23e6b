"""Short names for the types of arrays in signatures, and two operations on arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.integer]
Bools = NDArray[np.bool_]
Adu = NDArray[np.int16]
Signals = NDArray[np.floating]
"""Signals or attributions of any precision."""
Ids = Sequence[int] | Ints
"""Values of ``ecg_id``, or labels, one per record."""


def sums_over(values: Any, n_samples: int) -> Floats:
    """Sum over runs of ``n_samples`` along the last axis; the last run may be shorter."""
    starts = np.arange(0, values.shape[-1], n_samples)
    return np.asarray(np.add.reduceat(values, starts, axis=-1, dtype=np.float64))


def ratio(numerator: Any, denominator: Any) -> Floats:
    """Divide element by element; NaN where the denominator is 0, negative or NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(np.greater(denominator, 0), numerator / denominator, np.nan))

"""What replaces removed evidence, so that the signal remains an ECG."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ecgcore.arrays import Bools, Floats32
from ecgcore.errors import EcgcoreError

Fill = Literal["bridge", "donor", "zero"]


def filled(
    x: NDArray[np.floating],
    removed: Bools,
    fill: Fill = "bridge",
    donor: NDArray[np.floating] | None = None,
) -> Floats32:
    """Return the signals (float32, shape of ``x``) with the samples in ``removed`` replaced.

    ``x`` and ``removed`` have the same shape ``(..., lead, sample)``.  ``bridge`` is a straight
    line between both sides of the gap, level at the ends of the record, 0 for a lead that is
    removed whole.  ``donor`` is the same stretch of another record, shifted and tilted to meet both
    ends of the gap; the signals ``donor`` broadcast to the shape of ``x``.  ``zero`` leaves steps
    that no ECG has; it is for comparison with other work only.
    """
    values = np.asarray(x, dtype=np.float32)
    if fill == "zero":
        return np.where(removed, np.float32(0), values)
    if fill == "donor":
        if donor is None:
            raise EcgcoreError("donor: fill 'donor' needs signals of other records.")
        replacement = np.broadcast_to(np.asarray(donor, dtype=np.float32), values.shape)
        return np.where(removed, replacement + _bridged(values - replacement, removed), values)
    if fill == "bridge":
        return _bridged(values, removed)
    raise EcgcoreError(f"fill: expected one of {', '.join(get_args(Fill))}, got {fill!r}.")


def _bridged(values: Floats32, removed: Bools) -> Floats32:
    """Linear interpolation over every gap along the last axis."""
    result, t = np.array(values, order="C"), np.arange(values.shape[-1])
    rows, gaps = result.reshape(-1, len(t)), removed.reshape(-1, len(t))
    for row in np.flatnonzero(gaps.any(axis=1)):
        gap = gaps[row]
        known = np.flatnonzero(~gap)
        rows[row, gap] = np.interp(t[gap], known, rows[row, known]) if known.size else 0
    return result

"""What replaces removed evidence, so that the signal remains an ECG."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ecgcore.arrays import Bools, Floats32
from ecgcore.errors import EcgcoreError

Fill = Literal["bridge", "donor", "zero"]
FILLS: tuple[Fill, ...] = get_args(Fill)


def filled(
    x: NDArray[np.floating],
    removed: Bools,
    fill: Fill = "bridge",
    donor: NDArray[np.floating] | None = None,
) -> Floats32:
    """Return the signals (float32, shape of ``x``) with the samples in ``removed`` replaced.

    Parameters
    ----------
    x, removed
        Same shape ``(..., lead, sample)``.
    fill
        ``bridge``: a straight line between both sides of the gap, level at the ends of the record,
        0 for a lead that is removed whole.  ``donor``: the same stretch of another record, shifted
        and tilted to meet both ends of the gap.  ``zero``: leaves steps that no ECG has; for
        comparison with other work only.
    donor
        Signals that broadcast to the shape of ``x``, for ``donor``.
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
    raise EcgcoreError(f"fill: expected one of {', '.join(FILLS)}, got {fill!r}.")


def _bridged(values: Floats32, removed: Bools) -> Floats32:
    """Linear interpolation over every gap along the last axis, all rows at once."""
    result = np.array(values, order="C")
    rows = np.flatnonzero(removed.reshape(-1, values.shape[-1]).any(axis=1))
    signal = result.reshape(-1, values.shape[-1])
    gap, last = removed.reshape(signal.shape)[rows], values.shape[-1] - 1
    t = np.arange(last + 1)
    left = np.maximum.accumulate(np.where(gap, -1, t), axis=1)
    right = np.minimum.accumulate(np.where(gap, last + 1, t)[:, ::-1], axis=1)[:, ::-1]
    empty: Bools = np.asarray(gap.all(axis=1))
    row, at = np.nonzero(gap & ~empty[:, None])
    before, after = left[row, at], right[row, at]
    before, after = np.where(before < 0, after, before), np.where(after > last, before, after)
    y0 = signal[rows[row], before].astype(np.float64)
    y1 = signal[rows[row], after].astype(np.float64)
    share = (at - before) / np.maximum(after - before, 1)
    signal[rows[row], at] = y0 + share * (y1 - y0)
    signal[rows[empty]] = 0
    return result

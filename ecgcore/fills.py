"""What to put where evidence is taken out, such that the signal stays one."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import EcgcoreError

Fill = Literal["bridge", "donor", "zero"]
FILLS: tuple[Fill, ...] = get_args(Fill)


def filled(
    x: NDArray[np.floating],
    taken_out: NDArray[np.bool_],
    fill: Fill = "bridge",
    donor: NDArray[np.floating] | None = None,
) -> NDArray[np.float32]:
    """Signals with the samples in ``taken_out`` replaced.

    Parameters
    ----------
    x, taken_out
        Same shape ``(..., lead, sample)``.
    fill
        ``bridge``: a straight line between the samples beside the gap.  ``donor``: the same
        stretch of another record, shifted and tilted so that it meets both ends of the gap.
        ``zero``: zeros, which leave steps that no ECG has; for comparison with other work only.
    donor
        Signals of the shape of ``x`` (or one that broadcasts to it), for ``donor``.

    Returns
    -------
    array
        float32, shape of ``x``.  A gap at the start or end of the record is continued level from
        its one neighbour; a lead taken out whole becomes 0, or the donor itself.
    """
    values = np.asarray(x, dtype=np.float32)
    if fill == "zero":
        return np.where(taken_out, np.float32(0), values)
    if fill == "donor":
        if donor is None:
            raise EcgcoreError("donor: fill 'donor' needs signals of other records.")
        lent = np.broadcast_to(np.asarray(donor, dtype=np.float32), values.shape)
        return np.where(taken_out, lent + _bridged(values - lent, taken_out), values)
    if fill == "bridge":
        return _bridged(values, taken_out)
    raise EcgcoreError(f"fill: expected one of {', '.join(FILLS)}, got {fill!r}.")


def _bridged(values: NDArray[np.float32], taken_out: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Linear interpolation over every gap along the last axis."""
    result = values.copy()
    flat, gaps = result.reshape(-1, values.shape[-1]), taken_out.reshape(-1, values.shape[-1])
    t = np.arange(values.shape[-1])
    for row in np.flatnonzero(gaps.any(axis=1)):
        gap = gaps[row]
        flat[row, gap] = 0 if gap.all() else np.interp(t[gap], t[~gap], flat[row, ~gap])
    return flat.reshape(values.shape)

"""Runs in time series: how long something stays true, and whether a lead holds still."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_PROBES = 8


def longest_run(true: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Length of the longest run of True along the last axis."""
    position = np.arange(1, true.shape[-1] + 1)
    last_false = np.maximum.accumulate(np.where(true, 0, position), axis=-1)
    longest: NDArray[np.intp] = (position - last_false).max(axis=-1)
    return longest


def has_still_run(x: NDArray[Any], threshold: NDArray[Any], n_still: int) -> NDArray[np.bool_]:
    """Whether ``n_still`` neighbouring differences in a row are below ``threshold``.

    Any such run holds 8 neighbouring probes spaced ``n_still // 8``, so only the series in which
    that many probes in a row are still get looked at in full.

    Parameters
    ----------
    x
        Shape (..., sample).
    threshold
        Shape (...).
    """
    still = np.zeros(x.shape[:-1], dtype=bool)
    if n_still >= x.shape[-1]:
        return still
    step, last = n_still // _PROBES, x.shape[-1] - 1
    candidates = ~still
    if step > 0:
        probes = _steps(x[..., 0:last:step], x[..., 1 : last + 1 : step])
        candidates = longest_run(probes < threshold[..., None]) >= _PROBES
    for position in map(tuple, np.argwhere(candidates)):
        differences = _steps(x[position][:-1], x[position][1:])
        still[position] = longest_run(differences < threshold[position]) >= n_still
    return still


def _steps(before: NDArray[Any], after: NDArray[Any]) -> NDArray[Any]:
    """Size of the step between neighbours; in float32 for 16-bit samples, which would overflow."""
    kind = np.result_type(before, np.float32)
    steps: NDArray[Any] = np.abs(np.subtract(after, before, dtype=kind))
    return steps

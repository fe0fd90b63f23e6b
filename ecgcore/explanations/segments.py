"""Windows of a record in seconds: sums over them, and the leads and windows that weigh most."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgcore.arrays import Floats
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS


def window_sums(
    values: NDArray[np.floating],
    rate_hz: float,
    *,
    window_s: float = 0.5,
    stride_s: float | None = None,
) -> tuple[Floats, Floats]:
    """Sums of ``values (..., sample)`` over windows, ``(..., window)``, and their starts in s.

    Windows start every ``stride_s`` (default: half a window, as in paper A), the last one so that
    it ends with the record.  Seconds not above 0 raise :class:`EcgcoreError`.
    """
    stride_s = window_s / 2 if stride_s is None else stride_s
    if not (window_s > 0 and stride_s > 0):
        raise EcgcoreError(
            f"window_s, stride_s: expected seconds above 0, got {window_s} and {stride_s}."
        )
    n_samples = values.shape[-1]
    size = min(n_samples, max(1, round(window_s * rate_hz)))
    step = max(1, round(stride_s * rate_hz))
    starts = np.unique(np.minimum(np.arange(0, n_samples - size + step, step), n_samples - size))
    windows = np.lib.stride_tricks.sliding_window_view(values, size, axis=-1)[..., starts, :]
    return np.asarray(windows.sum(axis=-1, dtype=np.float64)), starts / rate_hz


def top_segments(
    attribution: NDArray[np.floating],
    rate_hz: float,
    *,
    k: int = 5,
    window_s: float = 0.5,
    stride_s: float | None = None,
) -> pd.DataFrame:
    """The ``k`` windows that speak most for, and the ``k`` that speak most against, the class.

    Of a signed ``attribution (lead, sample)``: ``sign`` (+1 or -1), ``rank`` (from 1), ``lead``,
    ``start_s``, ``end_s``, ``value``; only windows of that sign, strongest first.
    """
    sums, start_s = window_sums(attribution, rate_hz, window_s=window_s, stride_s=stride_s)
    rows = []
    for sign in (1, -1):
        order = np.argsort(-sign * sums, axis=None, kind="stable")[:k]
        for rank, flat in enumerate(order, start=1):
            lead, window = np.unravel_index(flat, sums.shape)
            value, start = float(sums[lead, window]), float(start_s[window])
            if sign * value > 0:
                rows.append((sign, rank, LEADS[lead], start, start + window_s, value))
    return pd.DataFrame(rows, columns=["sign", "rank", "lead", "start_s", "end_s", "value"])


def lead_shares(attribution: NDArray[np.floating]) -> Floats:
    """Share of every lead in the absolute attribution, ``(..., lead)``; nan if that is 0."""
    by_lead = np.abs(attribution).sum(axis=-1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(by_lead / by_lead.sum(axis=-1, keepdims=True))

"""ECGs as clinicians read them, with what a model used in them, and one lead at several rates."""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ecgcore.arrays import Bools
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.plots import look
from ecgcore.plots.paper import Samples, Strip, draw_pulse, draw_strip, new_paper, row_levels

LARGEST_MV, LONGEST_S = 5.0, 60.0
"""Larger amplitudes are drawn at this height, and longer windows refused: pictures stay small."""


@look.styled
def ecg_12_lead(
    signals_mv: Samples,
    rate_hz: float,
    attribution: Samples | None = None,
    *,
    title: str = "",
    columns: int = 4,
    rhythm_lead: str | None = "II",
    start_s: float = 0.0,
    window_s: float | None = None,
    mask: Bools | None = None,
    boxes: pd.DataFrame | None = None,
) -> Figure:
    """Draw a 12-lead ECG on ECG paper: 25 mm/s and 10 mm/mV, scaled to the column's width.

    Leads are arranged as an ECG machine prints them: down the columns, each column with its own
    share of the time. Amplitudes beyond 5 mV are drawn at 5 mV.

    Parameters
    ----------
    signals_mv
        Shape ``(12, sample)``, mV, leads in PTB-XL's order.
    attribution
        Signed, same shape: an area on the trace, red above it towards disease and blue below it
        towards normal; the 99th percentile of its absolute values is 0.5 mV high.
    columns
        1, 2, 3 or 4; ``columns=1`` shows every lead in full.
    rhythm_lead
        A lead shown in full in a last row, or ``None``.
    start_s, window_s
        Part of the record to show, at most 60 s; default all of it.
    mask
        Boolean, same shape: a grey bar under the trace where it is true (evidence).
    boxes
        Segments to frame: ``lead``, ``start_s``, ``end_s``, ``sign`` (above 0: towards disease), as
        :func:`ecgcore.explanations.top_segments` returns them.
    """
    first, last = _window(signals_mv, rate_hz, start_s, window_s)
    rows = _rows(columns, rhythm_lead, first, last)
    trace, area = np.clip(signals_mv, -LARGEST_MV, LARGEST_MV), np.zeros_like(signals_mv)
    shown = np.zeros_like(signals_mv, dtype=bool) if mask is None else _like(mask, trace, "mask")
    if attribution is not None:
        scale = np.percentile(np.abs(_like(attribution, trace, "attribution")[:, first:last]), 99)
        area = np.clip(attribution * (0.5 / (scale or 1.0)), -1, 1)
    levels, extent = row_levels(trace, area, rows, rate_hz)
    fig, ax = new_paper((last - first) / rate_hz, extent, title)
    for level, strips in zip(levels, rows, strict=True):
        draw_pulse(ax, level)
        for strip in strips:
            _draw(ax, strip, (trace, area, shown), rate_hz, first, level, boxes)
    if attribution is not None:
        look.legend_below(fig, look.sign_handles())
    return fig


def _draw(
    ax: Axes,
    strip: Strip,
    arrays: tuple[NDArray[Any], ...],
    rate_hz: float,
    first: int,
    level: float,
    boxes: pd.DataFrame | None,
) -> None:
    """Draw one strip of a record, and the frames that lie in it."""
    lead, low, high = strip
    trace, area, mask = (array[lead, low:high] for array in arrays)
    t = (np.arange(low, high) - first) / rate_hz
    draw_strip(ax, LEADS[lead], t, trace, level, area, mask)
    if boxes is None:
        return
    framed = boxes.loc[boxes["lead"] == LEADS[lead], ["start_s", "end_s", "sign"]]
    for start_s, end_s, sign in framed.to_numpy(float):
        start, end = np.clip([start_s, end_s], low / rate_hz, high / rate_hz) - first / rate_hz
        colour, line = (look.TOWARDS_DISEASE, "-") if sign > 0 else (look.TOWARDS_NORMAL, "--")
        how: dict[str, Any] = {"ec": colour, "ls": line, "lw": 1.4, "zorder": 4}
        if end > start:
            ax.add_patch(Rectangle((start, level - 0.45), end - start, 1, fill=False, **how))


A = TypeVar("A", Samples, Bools)


def _like(array: A, signals_mv: Samples, name: str) -> A:
    if array.shape != signals_mv.shape:
        raise EcgcoreError(f"{name}: expected shape {signals_mv.shape}, got {array.shape}.")
    return array


def _window(
    signals_mv: Samples, rate_hz: float, start_s: float, window_s: float | None
) -> tuple[int, int]:
    """First sample of the part to show, and the sample after its last."""
    if signals_mv.ndim != 2 or signals_mv.shape[0] != len(LEADS):
        raise EcgcoreError(f"signals_mv: expected shape (12, sample), got {signals_mv.shape}.")
    n_samples, first = signals_mv.shape[1], round(start_s * rate_hz)
    last = n_samples if window_s is None else min(n_samples, first + round(window_s * rate_hz))
    if not 0 <= first < last <= first + LONGEST_S * rate_hz:
        raise EcgcoreError(
            f"start_s, window_s: expected a part of the record's {n_samples / rate_hz:g} s, at "
            f"most {LONGEST_S:g} s long, got {start_s} and {window_s}."
        )
    return first, last


def _rows(columns: int, rhythm_lead: str | None, first: int, last: int) -> list[list[Strip]]:
    if columns not in (1, 2, 3, 4):
        raise EcgcoreError(f"columns: expected 1, 2, 3 or 4, got {columns}.")
    if rhythm_lead not in (None, *LEADS):
        raise EcgcoreError(f"rhythm_lead: there is no '{rhythm_lead}'; expected one of {LEADS}.")
    edges = np.linspace(first, last, columns + 1).round().astype(int).tolist()
    n_rows = 12 // columns
    parts = list(zip(range(columns), edges[:-1], edges[1:], strict=True))
    rows = [[(row + c * n_rows, low, high) for c, low, high in parts] for row in range(n_rows)]
    if rhythm_lead is not None and columns > 1:
        rows.append([(LEADS.index(rhythm_lead), first, last)])
    return rows


@look.styled
def ecg_side_by_side(
    left_mv: Samples,
    right_mv: Samples,
    rate_hz: float,
    *,
    titles: tuple[str, str],
    start_s: float = 0.0,
    window_s: float = 3.2,
) -> Figure:
    """Draw two ECGs on one sheet of ECG paper, lead beside lead.

    Both have shape ``(12, sample)``, in mV, with leads in PTB-XL's order, at ``rate_hz``.
    """
    first, last = _window(left_mv, rate_hz, start_s, window_s)
    both = np.concatenate([left_mv, _like(right_mv, left_mv, "right_mv")])[:, first:last]
    both, n_shown = both.clip(-LARGEST_MV, LARGEST_MV), last - first
    rows: list[list[Strip]] = [[(k, 0, n_shown), (12 + k, 0, n_shown)] for k in range(12)]
    levels, extent = row_levels(both, np.zeros_like(both), rows, rate_hz)
    t, right_s = np.arange(n_shown) / rate_hz, n_shown / rate_hz + 0.3
    fig, ax = new_paper(right_s + n_shown / rate_hz, extent, "")
    for k, level in enumerate(levels):
        draw_pulse(ax, level)
        draw_strip(ax, LEADS[k], t, both[k], level)
        draw_strip(ax, LEADS[k], t + right_s, both[12 + k], level)
    for from_s, title in zip((0, right_s), titles, strict=True):
        ax.text(from_s, extent[1] + 0.1, title, fontsize=10, fontweight="bold")
    return fig


@look.styled
def resampling_picture(
    traces_mv: Mapping[int, Samples],
    *,
    lead: str = "II",
    start_s: float = 0.0,
    window_s: float = 1.0,
) -> Figure:
    """Draw a part of one lead at several sampling rates: samples as dots, on one time axis.

    ``traces_mv`` maps a sampling rate [Hz] to the trace ``(sample,)`` [mV] of the same record.
    """
    rates = look.in_order(traces_mv)
    fig = look.new_figure(1.05 * len(rates) + 0.6)
    axes = fig.subplots(len(rates), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for rate, ax in zip(rates, axes, strict=True):
        t = np.arange(traces_mv[rate].size) / rate
        shown = (t >= start_s - 1e-9) & (t <= start_s + window_s + 1e-9)
        how = {"color": look.BLUE, "linewidth": 1, "markersize": 1.8 if rate > 200 else 3.2}
        ax.plot(t[shown], traces_mv[rate][shown], "o-", **how)
        ax.set_title(f"{rate:g} Hz: one sample every {1000 / rate:.3g} ms", fontsize=9)
    axes[len(rates) // 2].set_ylabel("amplitude [mV]")
    axes[-1].set(xlabel=f"time [s], lead {lead}", xlim=(start_s, start_s + window_s))
    return fig

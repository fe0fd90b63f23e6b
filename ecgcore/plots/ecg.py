"""ECGs as clinicians read them, with what a model used in them, and one lead at several rates.

ECG paper has 25 mm/s and 10 mm/mV, scaled to the column's width.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ecgcore.arrays import Bools, Signals
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.plots import look

LARGEST_MV, LONGEST_S = 10.0, 60.0
"""Larger amplitudes are drawn at this height, longer windows refused, to keep figures small."""

Strip = tuple[int, int, int]
"""Part of a row: lead, first sample, and the sample after the last."""

_SECONDS_PER_MV = 0.4  # 10 mm/mV over 25 mm/s: one millivolt is as high as 0.4 s are wide
_NAME_S, _NAME_MV = 0.6, 0.5  # room for the name of a lead


@look.style()
def ecg_12_lead(
    signals_mv: Signals,
    rate_hz: float,
    attribution: Signals | None = None,
    *,
    title: str = "",
    columns: int = 4,
    mask: Bools | None = None,
    boxes: pd.DataFrame | None = None,
) -> Figure:
    """Draw a 12-lead ECG ``(12, sample)`` [mV], leads in PTB-XL's order, on ECG paper.

    Leads are arranged as an ECG machine prints them: down the 1 to 4 ``columns``, each with its own
    share of the time (at most 60 s), and lead II in full in a last row; ``columns=1`` shows every
    lead in full. Amplitudes beyond 10 mV are drawn at 10 mV, and NaN leaves a gap. ``attribution``,
    signed, same shape, is an area on the trace, red above it towards disease and blue below it
    towards normal; the 95th percentile of its absolute values is 0.5 mV high, and no area is higher
    than 1 mV. ``mask``, same shape, draws a grey bar under the trace where it is true (evidence);
    ``boxes`` frames the segments of :func:`ecgcore.explanations.top_segments`. Raises
    ``EcgcoreError`` for another shape.
    """
    if signals_mv.ndim != 2 or len(signals_mv) != len(LEADS):
        raise EcgcoreError(f"signals_mv: expected shape (12, sample), got {signals_mv.shape}.")
    for name, array in (("attribution", attribution), ("mask", mask)):
        if array is not None and array.shape != signals_mv.shape:
            raise EcgcoreError(f"{name}: expected shape {signals_mv.shape}, got {array.shape}.")
    duration_s = signals_mv.shape[1] / rate_hz
    if not 0 < duration_s <= LONGEST_S:
        raise EcgcoreError(f"signals_mv: expected at most {LONGEST_S:g} s, got {duration_s:g} s.")
    rows = _rows(columns, signals_mv.shape[1])
    trace, area = np.clip(signals_mv, -LARGEST_MV, LARGEST_MV), np.zeros_like(signals_mv)
    if attribution is not None:
        size = np.abs(attribution)
        scale = np.percentile(size, 95) or size.max()
        area = np.clip(attribution * (0.5 / (scale or 1.0)), -1, 1)
    levels, extent = _row_levels(trace, area, rows, rate_hz)
    fig, ax = _new_paper(duration_s, extent, levels, title)
    for level, strips in zip(levels, rows, strict=True):
        for k, a, b in strips:
            evidence = None if mask is None else mask[k, a:b]
            t = np.arange(a, b) / rate_hz
            _draw_strip(ax, LEADS[k], t, trace[k, a:b], level, area[k, a:b], evidence)
            if boxes is not None:
                of_lead = boxes[boxes["lead"] == LEADS[k]]
                _draw_frames(ax, of_lead, (a / rate_hz, b / rate_hz), level)
    if attribution is not None:
        look.legend_below(fig, look.sign_handles())
    return fig


def _rows(columns: int, n_samples: int) -> list[list[Strip]]:
    if columns not in (1, 2, 3, 4):
        raise EcgcoreError(f"columns: expected 1, 2, 3 or 4, got {columns}.")
    edges = np.linspace(0, n_samples, columns + 1).round().astype(int).tolist()
    n_rows, parts = 12 // columns, list(enumerate(itertools.pairwise(edges)))
    rows = [[(row + c * n_rows, *part) for c, part in parts] for row in range(n_rows)]
    return rows if columns == 1 else [*rows, [(LEADS.index("II"), 0, n_samples)]]


def _draw_frames(ax: Axes, boxes: pd.DataFrame, ends_s: tuple[float, float], level: float) -> None:
    for low, high, sign in boxes[["start_s", "end_s", "sign"]].to_numpy(float):
        start, end = np.clip([low, high], *ends_s)
        colour, line = (look.TOWARDS_DISEASE, "-") if sign > 0 else (look.TOWARDS_NORMAL, "--")
        if end > start:
            corner, size = (start, level - 0.45), (end - start, 1)
            ax.add_patch(Rectangle(corner, *size, fill=False, ec=colour, ls=line, lw=1.4, zorder=4))


def _row_levels(
    signals_mv: Signals, area_mv: Signals, rows: Sequence[Sequence[Strip]], rate_hz: float
) -> tuple[list[float], tuple[float, float]]:
    """Return the zero line of every row, so that rows do not touch, and the range in mV."""
    bottom, top = signals_mv + np.minimum(area_mv, 0), signals_mv + np.maximum(area_mv, 0)
    low, high = [], []
    for row in rows:
        low.append(min(-0.6, *(float(np.nanmin(bottom[i, a:b])) - 0.3 for i, a, b in row)))
        names = [_name_height(top[i, a:b], rate_hz) + _NAME_MV for i, a, b in row]
        high.append(max(0.8, *names, *(float(np.nanmax(top[i, a:b])) + 0.2 for i, a, b in row)))
    levels = [0.0]
    for above, below in zip(low[:-1], high[1:], strict=True):
        levels.append(levels[-1] - np.ceil((below - above) / 0.5) * 0.5)
    lowest = np.floor((levels[-1] + low[-1]) / 0.5) * 0.5
    return levels, (float(lowest), float(np.ceil(high[0] / 0.5) * 0.5))


def _name_height(top_mv: Signals, rate_hz: float) -> float:
    """Return the height above the zero line at which a name does not touch its trace."""
    return max(0.4, float(top_mv[: max(1, round(_NAME_S * rate_hz))].max()) + 0.15)


def _new_paper(
    seconds: float, extent: tuple[float, float], levels: list[float], title: str
) -> tuple[Figure, Axes]:
    """Return a sheet of millimetre paper of ``seconds``, from the lowest to the highest mV.

    Left of each zero line in ``levels`` is the calibration pulse, 1 mV for 0.2 s.
    """
    bottom, top = extent
    left, right = -0.6, np.ceil(seconds / 0.2 - 1e-9) * 0.2  # the pulse is left of zero
    inches_per_s = min((look.WIDTH_IN - 0.1) / (right - left), 25 / 25.4)  # never above 25 mm/s
    height_in = (top - bottom) * _SECONDS_PER_MV * inches_per_s
    fig = look.new_figure(height_in + 0.7, width_in=(right - left) * inches_per_s + 0.1)
    ax = fig.add_subplot()
    ax.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], title=title)
    ax.set_aspect(_SECONDS_PER_MV)
    for n_boxes, colour, width in ((1, "#F6DEDA", 0.35), (5, "#E9B3AB", 0.6)):
        x = np.arange(left, right + 0.001, 0.04 * n_boxes)
        y = np.arange(bottom, top + 0.001, 0.1 * n_boxes)
        ax.vlines(x, bottom, top, colors=colour, linewidths=width, zorder=0)
        ax.hlines(y, left, right, colors=colour, linewidths=width, zorder=0)
    for level in levels:
        pulse_mv = level + np.array([0, 0, 1, 1, 0, 0])
        ax.plot([-0.5, -0.4, -0.4, -0.2, -0.2, -0.1], pulse_mv, color=look.BLACK, linewidth=0.8)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("25 mm/s, 10 mm/mV: a large box is 0.2 s by 0.5 mV", fontsize=8, loc="left")
    return fig, ax


def _draw_strip(
    ax: Axes,
    name: str,
    t: Signals,
    trace_mv: Signals,
    level: float,
    area_mv: Signals,
    mask: Bools | None = None,
) -> None:
    """Draw one lead: its trace and name, the area of its attribution, and grey bars (mask)."""
    trace = trace_mv + level
    look.draw_signed_area(ax, t, trace, area_mv)
    ax.plot(t, trace, color=look.BLACK, linewidth=0.7, zorder=3)
    if mask is not None:
        floor = float(trace.min()) - 0.18
        style: Any = {"color": look.BLACK, "alpha": 0.45, "linewidth": 0}
        ax.fill_between(t, floor, floor + 0.12, where=mask, **style)
    if t[0] > 0:
        ax.plot([t[0], t[0]], [level - 0.3, level + 0.3], color=look.BLACK, linewidth=0.7)
    height = level + _name_height(trace_mv + np.maximum(area_mv, 0), 1 / (t[1] - t[0]))
    ax.text(t[0] + 0.04, height, name, fontsize=8.5, fontweight="bold", va="bottom")


@look.style()
def resampling_picture(traces_mv: Mapping[int, Signals], *, window_s: float = 1.0) -> Figure:
    """Draw the first ``window_s`` seconds of lead II at several sampling rates: samples as dots.

    ``traces_mv`` maps a sampling rate [Hz] to the trace ``(sample,)`` [mV] of the same record.
    """
    rates = look.in_order(traces_mv)
    fig = look.new_figure(1.05 * len(rates) + 0.6)
    axes = fig.subplots(len(rates), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for rate, ax in zip(rates, axes, strict=True):
        trace = traces_mv[rate][: int(window_s * rate + 1e-9) + 1]
        style = {"color": look.BLUE, "linewidth": 1, "markersize": 1.8 if rate > 200 else 3.2}
        ax.plot(np.arange(trace.size) / rate, trace, "o-", **style)
        ax.set_title(f"{rate:g} Hz: one sample every {1000 / rate:.3g} ms", fontsize=9)
    axes[len(rates) // 2].set_ylabel("amplitude [mV]")
    axes[-1].set(xlabel="time [s], lead II", xlim=(0, window_s))
    return fig

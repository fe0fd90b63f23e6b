"""ECGs as clinicians read them, and what a model saw in them."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.plots.style import (
    BLACK,
    BLUE,
    SIGNED,
    VERMILLION,
    WIDTH_IN,
    in_order,
    look,
    new_figure,
    styled,
)
from ecgcore.segments import window_sums

Floats = NDArray[np.floating]
_SECONDS_PER_MV = 0.4  # 10 mm/mV over 25 mm/s: one millivolt is as high as 0.4 s are wide
_SMALL_S, _SMALL_MV = 0.04, 0.1  # one small box
_PULSE_S = 0.6  # room for the calibration pulse, left of each row
_PAPER = {"fine": "#F6DEDA", "coarse": "#E9B3AB"}


@styled
def ecg_12_lead(
    signals_mv: Floats,
    rate_hz: float,
    attribution: Floats | None = None,
    *,
    title: str = "",
    columns: int = 4,
    rhythm_lead: str | None = "II",
    start_s: float = 0.0,
    window_s: float | None = None,
    attribution_scale: float | None = None,
    smooth_s: float = 0.0,
    mask: NDArray[np.bool_] | None = None,
) -> Figure:
    """A 12-lead ECG on ECG paper: 25 mm/s and 10 mm/mV, shrunk to the column's width.

    Leads are printed as by an ECG machine: down the columns, each column showing its own share of
    the time; ``columns=1`` shows every lead in full.

    Parameters
    ----------
    signals_mv
        Shape ``(12, sample)``, mV, leads in PTB-XL's order.
    rate_hz
        Sampling rate.
    attribution
        Signed, same shape: drawn as an area on the trace, above it (vermillion) where it speaks
        for the positive class and below it (blue) where it speaks against.
    columns
        1, 2, 3 or 4.
    rhythm_lead
        A lead shown in full in a last row, or ``None``.
    start_s, window_s
        Part of the record to show; default all of it.
    attribution_scale
        Attribution drawn 0.5 mV high (twice that is drawn at most); default the 99th percentile of
        its absolute values shown.  Give it to compare records.
    smooth_s
        Length of a running mean over the drawn attribution, in seconds; 0 draws it as it is.
    mask
        Boolean, same shape: a grey bar under the trace where it is true (evidence).

    Raises
    ------
    EcgcoreError
        When shapes do not fit or nothing of the record is in the window.
    """
    n_samples = signals_mv.shape[-1]
    _check_shapes(signals_mv, attribution, mask)
    if columns not in (1, 2, 3, 4):
        raise EcgcoreError(f"columns: expected 1, 2, 3 or 4, got {columns}.")
    first = round(start_s * rate_hz)
    last = n_samples if window_s is None else min(n_samples, first + round(window_s * rate_hz))
    if not 0 <= first < last:
        raise EcgcoreError(
            f"start_s, window_s: expected a part of the record's {n_samples / rate_hz:g} s, got "
            f"{start_s} and {window_s}."
        )
    edges = np.linspace(first, last, columns + 1).round().astype(int)
    rows = [
        [(r + c * 12 // columns, edges[c], edges[c + 1]) for c in range(columns)]
        for r in range(12 // columns)
    ]
    if rhythm_lead is not None and columns > 1:
        rows.append([(_lead(rhythm_lead), first, last)])
    area = None
    if attribution is not None:
        area = _area_mv(attribution, rate_hz, attribution_scale, slice(first, last), smooth_s)
    levels, extent = _row_levels(signals_mv, area, rows)
    seconds = (last - first) / rate_hz
    fig, ax = _paper(seconds, extent, title)
    for level, row in zip(levels, rows, strict=True):
        _pulse(ax, level)
        for lead, low, high in row:
            part = slice(low, high)
            t = (np.arange(low, high) - first) / rate_hz
            trace = signals_mv[lead, part] + level
            _trace(ax, t, trace, None if area is None else area[lead, part])
            if mask is not None:
                _mask_bar(ax, t, trace, mask[lead, part])
            _label(ax, LEADS[lead], t[0], level, low > first)
    if attribution is not None:
        _sign_legend(fig, ax)
    return fig


def _lead(name: str) -> int:
    if name not in LEADS:
        raise EcgcoreError(f"rhythm_lead: unknown lead {name!r}; expected one of {LEADS}.")
    return LEADS.index(name)


def _check_shapes(
    signals: Floats, attribution: Floats | None, mask: NDArray[np.bool_] | None
) -> None:
    if signals.ndim != 2 or signals.shape[0] != 12:
        raise EcgcoreError(f"signals_mv: expected shape (12, sample), got {signals.shape}.")
    for name, array in (("attribution", attribution), ("mask", mask)):
        if array is not None and array.shape != signals.shape:
            raise EcgcoreError(
                f"{name}: expected the record's shape {signals.shape}, got {array.shape}."
            )


def _area_mv(
    attribution: Floats, rate_hz: float, scale: float | None, shown: slice, smooth_s: float
) -> Floats:
    """The attribution as heights above the trace, in mV."""
    values = np.asarray(attribution, dtype=np.float64)
    n_mean = round(smooth_s * rate_hz)
    if n_mean > 1:
        values = uniform_filter1d(values, n_mean, axis=-1, mode="nearest")
    scale = scale or float(np.percentile(np.abs(values[:, shown]), 99)) or 1.0
    return np.clip(values * (0.5 / scale), -1.0, 1.0)


def _row_levels(
    signals: Floats, area: Floats | None, rows: Sequence[Sequence[tuple[int, int, int]]]
) -> tuple[list[float], tuple[float, float]]:
    """Height of every row's zero line [mV], so that neighbours do not touch; and the extent."""
    bottom = signals if area is None else signals + np.minimum(area, 0)
    top = signals if area is None else signals + np.maximum(area, 0)
    low = [min(-0.6, *(float(bottom[i, a:b].min()) - 0.3 for i, a, b in row)) for row in rows]
    high = [max(0.8, *(float(top[i, a:b].max()) + 0.3 for i, a, b in row)) for row in rows]
    levels = [0.0]
    for above, below in itertools.pairwise(range(len(rows))):
        levels.append(levels[-1] - np.ceil((high[below] - low[above]) / 0.5) * 0.5)
    lowest = np.floor((levels[-1] + low[-1]) / 0.5) * 0.5
    return levels, (float(lowest), float(np.ceil(high[0] / 0.5) * 0.5))


def _paper(seconds: float, extent: tuple[float, float], title: str) -> tuple[Figure, Axes]:
    bottom, top = extent
    left, right = -_PULSE_S, np.ceil(seconds / 0.2 - 1e-9) * 0.2
    inches_per_s = min((WIDTH_IN - 0.1) / (right - left), 25 / 25.4)  # never above 25 mm/s
    height = (top - bottom) * _SECONDS_PER_MV * inches_per_s
    fig = new_figure(height + 0.5, width_in=(right - left) * inches_per_s + 0.1)
    ax = fig.add_subplot()
    ax.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    ax.set_aspect(_SECONDS_PER_MV)
    ax.grid(False)
    for step_s, step_mv, colour, width in (
        (_SMALL_S, _SMALL_MV, _PAPER["fine"], 0.35),
        (0.2, 0.5, _PAPER["coarse"], 0.6),
    ):
        vertical = np.arange(round(left / step_s), round(right / step_s) + 1) * step_s
        horizontal = np.arange(round(bottom / step_mv), round(top / step_mv) + 1) * step_mv
        lines = [[(t, bottom), (t, top)] for t in vertical]
        lines += [[(left, v), (right, v)] for v in horizontal]
        ax.add_collection(LineCollection(lines, colors=colour, linewidths=width, zorder=0))
    for side in ax.spines.values():
        side.set(visible=True, color=_PAPER["coarse"])
    ax.set_title(title)
    words = "25 mm/s, 10 mm/mV: a large box is 0.2 s by 0.5 mV"
    ax.set_xlabel(words, fontsize=8, loc="left")
    return fig, ax


def _pulse(ax: Axes, level: float) -> None:
    t = np.array([-0.5, -0.4, -0.4, -0.2, -0.2, -0.1])
    ax.plot(t, level + np.array([0, 0, 1, 1, 0, 0]), color=BLACK, linewidth=0.8)


def _trace(ax: Axes, t: Floats, trace: Floats, area: Floats | None) -> None:
    if area is not None:
        for sign, colour in ((1, VERMILLION), (-1, BLUE)):
            reach = trace + np.clip(area * sign, 0, None) * sign
            ax.fill_between(t, trace, reach, color=colour, alpha=0.75, linewidth=0, zorder=2)
    ax.plot(t, trace, color=BLACK, linewidth=0.7, zorder=3)


def _mask_bar(ax: Axes, t: Floats, trace: Floats, mask: NDArray[np.bool_]) -> None:
    floor = np.full(t.shape, float(trace.min()) - 0.12)
    ax.fill_between(
        t, floor - 0.06, floor + 0.06, where=mask, color=BLACK, alpha=0.45, linewidth=0, zorder=2
    )


def _label(ax: Axes, lead: str, t: float, level: float, separator: bool) -> None:
    if separator:
        ax.plot([t, t], [level - 0.3, level + 0.3], color=BLACK, linewidth=0.7)
    box = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.8}
    ax.text(t + 0.04, level + 0.62, lead, fontsize=8.5, fontweight="bold", bbox=box, zorder=1)


def _sign_legend(fig: Figure, ax: Axes) -> None:
    for colour, words in (
        (VERMILLION, "above the trace: for the positive class"),
        (BLUE, "below: against"),
    ):
        ax.fill_between([], [], [], color=colour, alpha=0.75, linewidth=0, label=words)
    how = {"fontsize": 8, "handlelength": 1, "columnspacing": 1, "borderaxespad": 0.3}
    if fig.get_figwidth() > 0.9 * WIDTH_IN:  # beside the words on the paper's scale
        ax.legend(loc="upper right", bbox_to_anchor=(1, 0), ncols=2, **how)
    else:
        fig.legend(loc="outside lower right", **how)


@styled
def attribution_map(
    attribution: Floats,
    rate_hz: float,
    *,
    window_s: float = 0.5,
    stride_s: float | None = None,
    title: str = "",
    limit: float | None = None,
) -> Figure:
    """Heat map of a signed attribution summed over lead x window.

    Parameters
    ----------
    attribution
        Shape ``(12, sample)``.
    window_s, stride_s
        Window and its step, in seconds; the step is half a window by default (paper A).
    limit
        Value at both ends of the colour scale; default the largest absolute one.
    """
    sums, start_s = window_sums(attribution, rate_hz, window_s=window_s, stride_s=stride_s)
    limit = limit or float(np.abs(sums).max()) or 1.0
    centres = start_s + window_s / 2
    between = (centres[1:] + centres[:-1]) / 2
    ends = [max(0.0, float(start_s[0])), attribution.shape[-1] / rate_hz]
    edges = np.concatenate([ends[:1], between, ends[1:]])
    fig = new_figure(3.4)
    ax = fig.add_subplot()
    image = ax.pcolormesh(
        edges,
        np.arange(13),
        sums,
        cmap=SIGNED,
        vmin=-limit,
        vmax=limit,
        edgecolor="#EEEEEE",
        linewidth=0.2,
    )
    ax.set(title=title, xlabel="time [s]", ylabel="lead", yticks=np.arange(12) + 0.5)
    ax.set_yticklabels(LEADS)
    ax.invert_yaxis()
    ax.grid(False)
    bar = fig.colorbar(image, ax=ax, pad=0.01)
    bar.set_label(f"sum over {window_s:g} s\nagainst  ←   attribution   →  for")
    return fig


@styled
def resampling_picture(
    traces_mv: Mapping[int, Floats],
    *,
    lead: str = "II",
    start_s: float = 0.0,
    window_s: float = 1.0,
) -> Figure:
    """One stretch of one lead at several sampling rates: samples as dots, the same time axis.

    Parameters
    ----------
    traces_mv
        Sampling rate [Hz] to trace ``(sample,)`` [mV] of the same record.
    """
    rates = in_order(list(traces_mv))
    fig = new_figure(1.05 * len(rates) + 0.6)
    axes = np.atleast_1d(fig.subplots(len(rates), 1, sharex=True, sharey=True))
    for i, (rate, ax) in enumerate(zip(rates, axes, strict=True)):
        trace = traces_mv[rate]
        t = np.arange(trace.size) / rate
        shown = (t >= start_s - 1e-9) & (t <= start_s + window_s + 1e-9)
        ax.plot(
            t[shown],
            trace[shown],
            color=look(i)["color"],
            linewidth=1,
            marker="o",
            markersize=1.8 if rate > 200 else 3.2,
        )
        per_sample = 1000 / rate
        ax.set_title(f"{rate:g} Hz: one sample every {per_sample:.3g} ms", fontsize=9)
        ax.set_ylabel("mV")
    axes[-1].set_xlabel(f"time [s], lead {lead}")
    axes[-1].set_xlim(start_s, start_s + window_s)
    return fig

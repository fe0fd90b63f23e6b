"""ECGs as clinicians read them, and what a model saw in them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.plots.paper import (
    Floats,
    draw_label,
    draw_pulse,
    draw_trace,
    new_paper,
    row_levels,
)
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
    boxes: pd.DataFrame | None = None,
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
    boxes
        Segments to frame: ``lead``, ``start_s``, ``end_s``, ``sign`` (above 0: for the class), as
        :func:`ecgcore.segments.top_segments` gives them.

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
    levels, extent = row_levels(signals_mv, area, rows)
    seconds = (last - first) / rate_hz
    fig, ax = new_paper(seconds, extent, title)
    for level, row in zip(levels, rows, strict=True):
        draw_pulse(ax, level)
        for lead, low, high in row:
            part = slice(low, high)
            t = (np.arange(low, high) - first) / rate_hz
            trace = signals_mv[lead, part] + level
            draw_trace(ax, t, trace, None if area is None else area[lead, part])
            if mask is not None:
                _mask_bar(ax, t, trace, mask[lead, part])
            draw_label(ax, LEADS[lead], t[0], level, low > first)
            if boxes is not None:
                own = boxes[boxes["lead"] == LEADS[lead]]
                _boxes(ax, own, (low / rate_hz, high / rate_hz), first / rate_hz, level)
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


def _mask_bar(ax: Axes, t: Floats, trace: Floats, mask: NDArray[np.bool_]) -> None:
    floor = np.full(t.shape, float(trace.min()) - 0.12)
    ax.fill_between(
        t, floor - 0.06, floor + 0.06, where=mask, color=BLACK, alpha=0.45, linewidth=0, zorder=2
    )


def _boxes(
    ax: Axes, boxes: pd.DataFrame, shown_s: tuple[float, float], origin_s: float, level: float
) -> None:
    columns = boxes[["start_s", "end_s", "sign"]].astype(float).to_numpy()
    for first_s, last_s, sign in columns:
        start, end = max(first_s, shown_s[0]), min(last_s, shown_s[1])
        if end > start:
            frame = Rectangle(
                (start - origin_s, level - 0.45),
                end - start,
                1.0,
                fill=False,
                edgecolor=VERMILLION if sign > 0 else BLUE,
                linestyle="-" if sign > 0 else "--",
                linewidth=1.4,
                zorder=4,
            )
            ax.add_patch(frame)


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
def ecg_side_by_side(
    left_mv: Floats,
    right_mv: Floats,
    rate_hz: float,
    *,
    titles: tuple[str, str],
    start_s: float = 0.0,
    window_s: float = 3.2,
) -> Figure:
    """Two ECGs on one sheet of ECG paper, lead beside lead.

    Parameters
    ----------
    left_mv, right_mv
        Shape ``(12, sample)``, mV, leads in PTB-XL's order.
    titles
        What stands above each.
    start_s, window_s
        Part of both records to show.
    """
    _check_shapes(left_mv, right_mv, None)
    first, n_shown = round(start_s * rate_hz), round(window_s * rate_hz)
    both = np.concatenate([left_mv, right_mv])[:, first : first + n_shown]
    n_shown = both.shape[1]
    rows = [[(k, 0, n_shown), (12 + k, 0, n_shown)] for k in range(12)]
    levels, extent = row_levels(both, None, rows)
    gap_s = 0.2
    fig, ax = new_paper(2 * window_s + gap_s, extent, "")
    for side, title in enumerate(titles):
        from_s = side * (window_s + gap_s)
        t = from_s + np.arange(n_shown) / rate_hz
        for k, level in enumerate(levels):
            draw_trace(ax, t, both[12 * side + k] + level)
            draw_label(ax, LEADS[k], from_s, level, bool(side))
        ax.text(from_s, extent[1] + 0.1, title, fontsize=10, fontweight="bold")
    for level in levels:
        draw_pulse(ax, level)
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

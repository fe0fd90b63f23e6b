"""ECG paper and the elements printed on it: 25 mm/s and 10 mm/mV, scaled to the column's width."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecgcore.arrays import Bools
from ecgcore.plots import look

Samples = NDArray[np.floating]
Strip = tuple[int, int, int]
"""Part of a row: lead, first sample, and the sample after the last."""

_SECONDS_PER_MV = 0.4  # 10 mm/mV over 25 mm/s: one millivolt is as high as 0.4 s are wide
_NAME_S, _NAME_MV = 0.6, 0.5  # room for the name of a lead


def row_levels(
    signals_mv: Samples, area_mv: Samples, rows: Sequence[Sequence[Strip]], rate_hz: float
) -> tuple[list[float], tuple[float, float]]:
    """Return the zero line of every row, so that rows do not touch, and lowest and highest mV."""
    bottom, top = signals_mv + np.minimum(area_mv, 0), signals_mv + np.maximum(area_mv, 0)
    low, high = [], []
    for row in rows:
        low.append(min(-0.6, *(float(bottom[i, a:b].min()) - 0.3 for i, a, b in row)))
        names = [_name_height(top[i, a:b], rate_hz) + _NAME_MV for i, a, b in row]
        high.append(max(0.8, *names, *(float(top[i, a:b].max()) + 0.2 for i, a, b in row)))
    levels = [0.0]
    for above, below in itertools.pairwise(range(len(rows))):
        levels.append(levels[-1] - np.ceil((high[below] - low[above]) / 0.5) * 0.5)
    lowest = np.floor((levels[-1] + low[-1]) / 0.5) * 0.5
    return levels, (float(lowest), float(np.ceil(high[0] / 0.5) * 0.5))


def _name_height(top_mv: Samples, rate_hz: float) -> float:
    """Height above the zero line at which the lead's name does not touch its trace."""
    return max(0.4, float(top_mv[: max(1, round(_NAME_S * rate_hz))].max()) + 0.15)


def new_paper(seconds: float, extent: tuple[float, float], title: str) -> tuple[Figure, Axes]:
    """Return a sheet of millimetre paper for so many seconds, from lowest to highest mV."""
    bottom, top = extent
    left, right = -0.6, np.ceil(seconds / 0.2 - 1e-9) * 0.2  # the pulse is left of zero
    inches_per_s = min((look.WIDTH_IN - 0.1) / (right - left), 25 / 25.4)  # never above 25 mm/s
    height_in = (top - bottom) * _SECONDS_PER_MV * inches_per_s
    fig = look.new_figure(height_in + 0.7, width_in=(right - left) * inches_per_s + 0.1)
    ax = fig.add_subplot()
    ax.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], title=title)
    ax.set_aspect(_SECONDS_PER_MV)
    for n_boxes, colour, width in ((1, "#F6DEDA", 0.35), (5, "#E9B3AB", 0.6)):
        lines: dict[str, Any] = {"colors": colour, "linewidths": width, "zorder": 0}
        step_s, step_mv = 0.04 * n_boxes, 0.1 * n_boxes
        ax.vlines(np.arange(left, right + 0.001, step_s), bottom, top, **lines)
        ax.hlines(np.arange(bottom, top + 0.001, step_mv), left, right, **lines)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("25 mm/s, 10 mm/mV: a large box is 0.2 s by 0.5 mV", fontsize=8, loc="left")
    return fig, ax


def draw_pulse(ax: Axes, level: float) -> None:
    """Draw the calibration pulse, 1 mV for 0.2 s, left of a row."""
    t = np.array([-0.5, -0.4, -0.4, -0.2, -0.2, -0.1])
    ax.plot(t, level + np.array([0, 0, 1, 1, 0, 0]), color=look.BLACK, linewidth=0.8)


def draw_strip(
    ax: Axes,
    name: str,
    t: Samples,
    trace_mv: Samples,
    level: float,
    area_mv: Samples | None = None,
    mask: Bools | None = None,
) -> None:
    """Draw one lead: its trace and name, the area of its attribution, and grey bars (mask)."""
    area = np.zeros_like(trace_mv) if area_mv is None else area_mv
    trace = trace_mv + level
    look.draw_signed_area(ax, t, trace, area)
    ax.plot(t, trace, color=look.BLACK, linewidth=0.7, zorder=3)
    if mask is not None:
        floor = np.full(t.shape, float(trace.min()) - 0.18)
        ax.fill_between(
            t, floor, floor + 0.12, where=mask, color=look.BLACK, alpha=0.45, linewidth=0
        )
    if t[0] > 0:
        ax.plot([t[0], t[0]], [level - 0.3, level + 0.3], color=look.BLACK, linewidth=0.7)
    height = level + _name_height(trace_mv + np.maximum(area, 0), 1 / (t[1] - t[0]))
    ax.text(t[0] + 0.04, height, name, fontsize=8.5, fontweight="bold", va="bottom")

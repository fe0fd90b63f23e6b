"""ECG paper, and what is printed on it: 25 mm/s and 10 mm/mV, shrunk to the column's width."""

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecgcore.plots.style import BLACK, BLUE, VERMILLION, WIDTH_IN, new_figure

Floats = NDArray[np.floating]
_SECONDS_PER_MV = 0.4  # 10 mm/mV over 25 mm/s: one millivolt is as high as 0.4 s are wide
_SMALL_S, _SMALL_MV = 0.04, 0.1  # one small box
_PULSE_S = 0.6  # room for the calibration pulse, left of each row
_PAPER = {"fine": "#F6DEDA", "coarse": "#E9B3AB"}


def row_levels(
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


def new_paper(seconds: float, extent: tuple[float, float], title: str) -> tuple[Figure, Axes]:
    """A sheet of millimetre paper for so many seconds, from lowest to highest mV."""
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


def draw_pulse(ax: Axes, level: float) -> None:
    """The calibration pulse: 1 mV, 0.2 s, left of a row."""
    t = np.array([-0.5, -0.4, -0.4, -0.2, -0.2, -0.1])
    ax.plot(t, level + np.array([0, 0, 1, 1, 0, 0]), color=BLACK, linewidth=0.8)


def draw_trace(ax: Axes, t: Floats, signal_mv: Floats, area: Floats | None = None) -> None:
    """One lead, with the area of its attribution, if any."""
    if area is not None:
        for sign, colour in ((1, VERMILLION), (-1, BLUE)):
            reach = signal_mv + np.clip(area * sign, 0, None) * sign
            ax.fill_between(t, signal_mv, reach, color=colour, alpha=0.75, linewidth=0, zorder=2)
    ax.plot(t, signal_mv, color=BLACK, linewidth=0.7, zorder=3)


def draw_label(ax: Axes, lead: str, t: float, level: float, separator: bool) -> None:
    """The lead's name at the start of its trace."""
    if separator:
        ax.plot([t, t], [level - 0.3, level + 0.3], color=BLACK, linewidth=0.7)
    box = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.8}
    ax.text(t + 0.04, level + 0.62, lead, fontsize=8.5, fontweight="bold", bbox=box, zorder=1)

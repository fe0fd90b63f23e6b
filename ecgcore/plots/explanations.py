"""What an explanation gives to leads, beats and the bias; how methods fare as evidence goes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecgcore.leads import LEADS
from ecgcore.plots.scores import require
from ecgcore.plots.style import (
    BLACK,
    BLUE,
    GREY,
    VERMILLION,
    in_order,
    look,
    marker,
    new_figure,
    styled,
)

Floats = NDArray[np.floating]


@styled
def lead_bars(contribution: Floats, bias: float, *, title: str = "") -> Figure:
    """What every lead, and the bias, adds to the logit: for and against, as bars.

    Parameters
    ----------
    contribution
        W * x of one record, shape ``(12, sample)``; its sum and ``bias`` make the logit.
    bias
        b of the record; it has no place in the record, so it gets a bar of its own.
    """
    parts = [np.clip(contribution, 0, None).sum(axis=1), np.clip(contribution, None, 0).sum(axis=1)]
    names = [*LEADS, "bias"]
    fig = new_figure(2.9)
    ax = fig.add_subplot()
    place = np.arange(len(names))
    bars = [np.append(parts[0], max(bias, 0.0)), np.append(parts[1], min(bias, 0.0))]
    for values, colour, hatch, words in (
        (bars[0], VERMILLION, "", "for the positive class"),
        (bars[1], BLUE, "//", "against"),
    ):
        ax.bar(place, values, 0.7, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        ax.fill_between([], [], [], color=colour, hatch=hatch, linewidth=0, label=words)
    net = bars[0] + bars[1]
    ax.plot(place, net, linestyle="none", marker="D", color=BLACK, markersize=4, label="net")
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.axvline(len(LEADS) - 0.5, color=GREY, linewidth=0.8, linestyle=":")
    ax.set_xticks(place, names)
    ax.set(ylabel="contribution to the logit", title=title)
    ax.xaxis.grid(False)
    fig.legend(loc="outside lower center", ncols=3)
    return fig


@styled
def beat_averages(
    time_s: Floats,
    beats: Mapping[str, Floats],
    attributions: Mapping[str, Floats],
    *,
    unit: str = "mV",
    title: str = "",
) -> Figure:
    """Mean beat of every lead, one line a class, with the mean attribution as an area below.

    Parameters
    ----------
    time_s
        From the R peak, shape ``(sample,)``.
    beats, attributions
        By class: means over records, shape ``(12, sample)``.
    """
    fig = new_figure(5.6)
    axes = fig.subplots(3, 4, sharex=True)
    size = max(float(np.abs(values).max()) for values in attributions.values()) or 1.0
    for number, lead in enumerate(LEADS):
        ax = axes[number % 3][number // 3]
        trace = [values[number] for values in beats.values()]
        low, high = min(t.min() for t in trace), max(t.max() for t in trace)
        span = max(float(high - low), 1e-6)
        for i, (name, values) in enumerate(beats.items()):
            own = look(i)
            floor = low - (0.55 + 0.75 * i) * span
            reach = attributions[name][number] / size * 0.4 * span
            for sign, colour in ((1, VERMILLION), (-1, BLUE)):
                area = floor + np.clip(reach * sign, 0, None) * sign
                ax.fill_between(time_s, floor, area, color=colour, alpha=0.8, linewidth=0)
            ax.plot(time_s, np.full(len(time_s), floor), **own | {"linewidth": 0.6})
            ax.plot(time_s, values[number], **own | {"linewidth": 1.1}, label=name)
        ax.axvline(0, color=GREY, linewidth=0.6, linestyle=":")
        ax.set_title(lead, fontsize=9)
        ax.set_yticks([])
        ax.grid(False)
        ax.spines["left"].set_visible(False)
        if number % 3 == 2:
            ax.set_xlabel("time from R [s]")
    axes[1][0].set_ylabel(f"mean beat [{unit}], and below it the mean attribution")
    handles, names = axes[0][0].get_legend_handles_labels()
    for colour, words in ((VERMILLION, "for the positive class"), (BLUE, "against")):
        handles.append(axes[0][0].fill_between([], [], [], color=colour, alpha=0.8, linewidth=0))
        names.append(words)
    fig.legend(handles, names, loc="outside lower center", ncols=4)
    if title:
        fig.suptitle(title, fontsize=10, fontweight="bold", x=0.02, ha="left")
    return fig


@styled
def deletion_picture(curves: pd.DataFrame, *, panel: str = "fill", line: str = "method") -> Figure:
    """Mean logit as units are taken out: most relevant first solid, least relevant first dashed.

    Parameters
    ----------
    curves
        Tidy: ``fraction, morf, lerf`` and the columns ``panel`` and ``line``.
    """
    require(curves, ["fraction", "morf", "lerf", panel, line], "curves")
    panels, lines = in_order(curves[panel].tolist()), in_order(curves[line].tolist())
    fig = new_figure(3.4)
    axes = np.atleast_1d(fig.subplots(1, len(panels), sharey=True))
    for name, ax in zip(panels, axes, strict=True):
        for i, value in enumerate(lines):
            own = curves[(curves[panel] == name) & (curves[line] == value)].sort_values("fraction")
            _pair_of_curves(ax, own, i, str(value))
        ax.set(xlabel="share of units taken out", title=f"{panel}: {name}")
    axes[0].set_ylabel("mean positive logit [sd]")
    handles, names = axes[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=4)
    return fig


def _pair_of_curves(ax: Axes, own: pd.DataFrame, i: int, label: str) -> None:
    colour = look(i)["color"]
    how = {"color": colour, "marker": marker(i), "markersize": 3.5, "linewidth": 1.2}
    ax.plot(own["fraction"], own["morf"], linestyle="-", label=label, **how)
    ax.plot(own["fraction"], own["lerf"], linestyle=(0, (4, 1.5)), **how)


@styled
def critical_difference(ranks: pd.Series, distance: float, *, title: str = "") -> Figure:
    """Average ranks on a line; models that a bar joins do not differ (Demsar 2006).

    Parameters
    ----------
    ranks
        Average rank by model, 1 is best.
    distance
        Nemenyi's critical difference.
    """
    ordered = ranks.sort_values()
    half = -(-len(ordered) // 2)
    fig = new_figure(0.9 + 0.26 * half)
    ax = fig.add_subplot()
    low, high = 1.0, float(len(ordered))
    ax.plot([low, high], [0, 0], color=BLACK, linewidth=1)
    for tick in range(1, len(ordered) + 1):
        ax.plot([tick, tick], [0, 0.12], color=BLACK, linewidth=1)
        ax.text(tick, 0.2, str(tick), ha="center", va="bottom", fontsize=8)
    for place, (name, rank) in enumerate(ordered.items()):
        left = place < half
        level = -0.75 - 0.5 * (place if left else len(ordered) - 1 - place)
        side = low - 0.1 if left else high + 0.1
        ax.plot([rank, rank, side], [0, level, level], color=GREY, linewidth=0.9)
        words = f"{name}  {rank:.2f}"
        ax.text(side, level, words, ha="right" if left else "left", va="center", fontsize=8.5)
    for level, (start, end) in enumerate(_cliques(ordered.to_numpy(float), distance)):
        y = -0.2 - 0.17 * level
        ax.plot([start - 0.04, end + 0.04], [y, y], color=BLACK, linewidth=3.2)
    ax.plot([low, low + distance], [0.75, 0.75], color=BLACK, linewidth=1.4, marker="|")
    ax.text(low, 0.9, f"critical difference {distance:.2f}", fontsize=8, va="bottom")
    ax.set(xlim=(low - 1.6, high + 1.6), ylim=(-0.9 - 0.5 * half, 1.4), xticks=[], yticks=[])
    ax.set(title=title, xlabel="average rank, 1 is best")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return fig


def _cliques(ranks: Floats, distance: float) -> list[tuple[float, float]]:
    """Longest runs of ranks no farther apart than the distance."""
    found: list[tuple[float, float]] = []
    for start in ranks:
        end = float(ranks[ranks <= start + distance].max())
        if end > start and not any(a <= start and end <= b for a, b in found):
            found.append((float(start), end))
    return found

"""Estimates with their intervals, side by side and beside what was published."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgcore.errors import EcgcoreError
from ecgcore.plots.scores import require
from ecgcore.plots.style import (
    GREY,
    in_order,
    look,
    marker,
    new_figure,
    styled,
)


@styled
def metric_by_rate(
    intervals: pd.DataFrame,
    *,
    metric_label: str = "AUROC",
    published: pd.DataFrame | None = None,
    published_label: str = "published",
    title: str = "",
) -> Figure:
    """A metric against the sampling rate, one series a model, with 95 % intervals.

    Parameters
    ----------
    intervals
        ``model``, ``rate_hz``, ``value``, ``low``, ``high``; several rows of one model and rate
        (seeds) are drawn beside each other.
    published
        ``model``, ``rate_hz``, ``value``: drawn as open stars, never joined by lines, since they
        were measured on other data.
    """
    require(intervals, ["model", "rate_hz", "value", "low", "high"], "intervals")
    rates = in_order([*intervals["rate_hz"], *([] if published is None else published["rate_hz"])])
    models = in_order([*intervals["model"], *([] if published is None else published["model"])])
    fig = new_figure(3.5)
    ax = fig.add_subplot()
    position = {rate: i for i, rate in enumerate(rates)}
    step = min(0.16, 0.6 / max(1, len(models)))
    for i, model in enumerate(models):
        shift = (i - (len(models) - 1) / 2) * step
        own = intervals[intervals["model"] == model].sort_values("rate_hz", kind="stable")
        within = own.groupby("rate_hz").cumcount()
        several = own.groupby("rate_hz")["value"].transform("size")
        x = own["rate_hz"].map(position) + shift + 0.03 * (within - (several - 1) / 2)
        bars = np.stack([own["value"] - own["low"], own["high"] - own["value"]]).clip(0)
        ax.errorbar(
            x,
            own["value"],
            yerr=np.nan_to_num(bars),
            **look(i) | {"linestyle": "none"},
            marker=marker(i),
            elinewidth=1.2,
            capsize=2.5,
            label=model,
        )
        means = own.groupby("rate_hz")["value"].mean()
        ax.plot(means.index.map(position) + shift, means, **look(i), linewidth=0.8, alpha=0.6)
        if published is not None:
            theirs = published[published["model"] == model]
            ax.plot(
                theirs["rate_hz"].map(position) + shift + step / 4,
                theirs["value"],
                linestyle="none",
                marker="*",
                markersize=10,
                markerfacecolor="white",
                markeredgecolor=look(i)["color"],
                label=f"{model}, {published_label}",
            )
    ax.set(xlabel="sampling rate [Hz]", ylabel=metric_label, title=title)
    ax.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    ax.set_xlim(-0.5, len(rates) - 0.5)
    ax.xaxis.grid(False)
    drawn = {
        str(label): handle for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    names = sorted(drawn, key=lambda name: name.endswith(f", {published_label}"))
    fig.legend(
        [drawn[name] for name in names], names, loc="outside lower center", ncols=min(4, len(names))
    )
    return fig


@styled
def forest(
    intervals: pd.DataFrame,
    *,
    metric_label: str = "AUROC",
    published: pd.DataFrame | None = None,
    published_label: str = "published, other data",
    group: str = "task",
    item: str = "model",
    reference: float | None = None,
    margin: float | None = None,
    title: str = "",
) -> Figure:
    """Forest plot: estimates with 95 % intervals, models within tasks, values written beside.

    Parameters
    ----------
    intervals
        Columns ``group``, ``item``, ``value``, ``low``, ``high``.
    published
        Columns ``group``, ``item``, ``value``, drawn as open stars.
    reference
        A vertical line (0 for differences, 0.5 for AUROC).
    margin
        Shade so far on both sides of the reference: what counts as no difference.

    Raises
    ------
    EcgcoreError
        No row to draw, or a column is missing.
    """
    require(intervals, [group, item, "value", "low", "high"], "intervals")
    if intervals.empty:
        raise EcgcoreError("forest: no row to draw; was the table filtered by a metric it lacks?")
    groups, items = in_order(intervals[group].tolist()), in_order(intervals[item].tolist())
    fig = new_figure(0.21 * len(intervals) + 0.28 * len(groups) + 0.9)
    ax = fig.add_subplot()
    y, ticks, labels = 0.0, [], []
    for name in groups:
        ticks.append(y)
        labels.append(str(name))
        y += 1
        for i, model in enumerate(items):
            rows = intervals[(intervals[group] == name) & (intervals[item] == model)]
            for row in rows.itertuples():
                _estimate(ax, y, float(row.value), float(row.low), float(row.high), i)
                if published is not None:
                    theirs = published[(published[group] == name) & (published[item] == model)]
                    ax.plot(
                        theirs["value"],
                        np.full(len(theirs), y),
                        linestyle="none",
                        marker="*",
                        markersize=9,
                        markerfacecolor="white",
                        markeredgecolor="black",
                    )
                ticks.append(y)
                labels.append(f"{model}   ")
                y += 0.8
        y += 0.25
    _finish_forest(ax, ticks, labels, set(map(str, groups)), y)
    if reference is not None:
        ax.axvline(reference, color=GREY, linewidth=0.9, linestyle=":")
        if margin is not None:
            ax.axvspan(reference - margin, reference + margin, color=GREY, alpha=0.12, linewidth=0)
    ax.set(xlabel=f"{metric_label} (95 % interval)", title=title)
    if published is not None and not published.empty:
        ax.plot(
            [],
            [],
            linestyle="none",
            marker="*",
            markersize=9,
            markerfacecolor="white",
            markeredgecolor="black",
            label=published_label,
        )
        fig.legend(loc="outside lower center")
    return fig


def _estimate(ax: Axes, y: float, value: float, low: float, high: float, i: int) -> None:
    colour = look(i)["color"]
    if np.isfinite(low) and np.isfinite(high):
        ax.plot([low, high], [y, y], color=colour, linewidth=1.6)
    ax.plot([value], [y], marker=marker(i), color=colour)
    words = f"{value:.3f}" + (f" [{low:.3f}, {high:.3f}]" if np.isfinite(low) else "")
    ax.text(1.01, y, words, transform=ax.get_yaxis_transform(), va="center", fontsize=8)


def _finish_forest(
    ax: Axes, ticks: Sequence[float], labels: Sequence[str], groups: set[str], end: float
) -> None:
    ax.set_yticks(ticks, labels)
    for tick in ax.get_yticklabels():
        if tick.get_text() in groups:
            tick.set_fontweight("bold")
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(end - 0.6, -0.6)
    ax.yaxis.grid(False)
    ax.spines["left"].set_visible(False)

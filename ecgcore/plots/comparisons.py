"""Estimates with their intervals, beside each other and beside published values; and counts."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from ecgcore.errors import EcgcoreError
from ecgcore.plots import look


@look.styled
def answer_bars(
    values: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    labels: list[str],
    *,
    n: list[str] | list[int] | None = None,
    metric_label: str = "AUROC",
    reference: float = 0.0,
    margin: float | None = None,
    title: str = "",
) -> Figure:
    """Draw a few horizontal bars with 95 % intervals: one figure that gives an answer.

    Parameters
    ----------
    values, low, high
        Estimates and the ends of their intervals, shape ``(bar,)``.
    labels
        Name of each bar.
    n
        Size of each comparison: a number of records, or words such as ``"2,273 records, 5 seeds"``.
    reference
        Where bars start: 0 for differences, 0.5 for AUROC.
    margin
        Half the width of a grey zone around the reference: differences that do not matter.
    """
    columns = {"value": values, "low": low, "high": high}
    table = pd.DataFrame({name: np.asarray(each, float) for name, each in columns.items()})
    fig = look.new_figure(0.42 * len(table) + 0.8)
    ax = fig.add_subplot()
    how: dict[str, Any] = {"left": reference, "color": look.BLUE, "alpha": 0.75}
    ax.barh(table.index, table["value"] - reference, 0.55, **how)
    for i, row in enumerate(table.to_dict("records")):
        ax.plot([row["low"], row["high"]], [i, i], "|-", color=look.BLACK)
        more = "" if n is None else f"\nn = {n[i]:,}" if isinstance(n[i], int) else f"\n{n[i]}"
        _write_estimate(ax, i, row, more)
    ax.set_yticks(table.index, labels)
    _finish_rows(ax, len(table) - 0.5, reference, margin)
    ax.set(xlabel=f"{metric_label} (95 % interval)", title=title)
    return fig


@look.styled
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
    """Draw a forest plot: estimates with 95 % intervals, items within groups, values beside them.

    Parameters
    ----------
    intervals
        Columns ``group``, ``item``, ``value``, ``low``, ``high``; at least one row.
    published
        Columns ``group``, ``item``, ``value``, drawn as open stars.
    reference
        A vertical line (0 for differences, 0.5 for AUROC).
    margin
        A grey zone this wide on both sides of the reference: differences that do not matter.
    """
    look.require_columns(intervals, [group, item, "value", "low", "high"], "intervals")
    if intervals.empty:
        raise EcgcoreError("intervals: the table has no row; check the filter that selected it.")
    stars = intervals[:0] if published is None else published
    items = look.in_order(intervals[item])
    ordered = intervals.sort_values(item, key=lambda c: c.map(items.index), kind="stable")
    groups = look.in_order(intervals[group])
    fig = look.new_figure(0.21 * len(intervals) + 0.28 * len(groups) + 0.9)
    ax = fig.add_subplot()
    y, ticks = 0.0, {}
    for name in groups:
        ticks[y] = str(name)
        y += 1
        for row in ordered[ordered[group] == name].to_dict("records"):
            ax.plot([row["low"], row["high"]], [y, y], color=look.BLUE)
            ax.plot([row["value"]], [y], "o", color=look.BLUE)
            _write_estimate(ax, y, row)
            theirs = stars.loc[(stars[group] == name) & (stars[item] == row[item]), "value"]
            ax.plot(theirs, np.full(len(theirs), y), **look.STAR)
            ticks[y] = f"{row[item]}   "
            y += 0.8
        y += 0.25
    ax.set_yticks(list(ticks), list(ticks.values()))
    for label in ax.get_yticklabels():
        label.set_fontweight("normal" if label.get_text().endswith("   ") else "bold")
    _finish_rows(ax, y - 0.6, reference, margin)
    ax.set(xlabel=f"{metric_label} (95 % interval)", title=title)
    if len(stars):
        look.legend_below(fig, [Line2D([], [], label=published_label, **look.STAR)])
    return fig


def _write_estimate(ax: Axes, y: float, row: dict[Any, float], more: str = "") -> None:
    """Write a value and its interval right of the axes."""
    words = f"{row['value']:.3f}"
    if np.isfinite([row["low"], row["high"]]).all():
        words += f" [{row['low']:.3f}, {row['high']:.3f}]"
    where = ax.get_yaxis_transform()
    ax.text(1.01, y, words + more, transform=where, va="center", fontsize=8)


def _finish_rows(ax: Axes, end: float, reference: float | None, margin: float | None) -> None:
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(end, -0.6)
    ax.yaxis.grid(False)
    ax.spines["left"].set_visible(False)
    if reference is not None:
        ax.axvline(reference, color=look.GREY, linewidth=0.9, linestyle=":")
    if reference is not None and margin is not None:
        zone: dict[str, Any] = {"color": look.GREY, "alpha": 0.15, "linewidth": 0, "zorder": 0}
        ax.axvspan(reference - margin, reference + margin, **zone)


@look.styled
def response(
    table: pd.DataFrame,
    *,
    x: str = "rate_hz",
    line: str = "model",
    panel: str | None = None,
    x_label: str = "sampling rate [Hz]",
    metric_label: str = "AUROC",
    log: bool = True,
    falling: bool = False,
    marks: dict[str, float] | None = None,
    published: pd.DataFrame | None = None,
    title: str = "",
) -> Figure:
    """Draw a metric against the sampling rate, or another quantity, with 95 % intervals.

    Parameters
    ----------
    table
        One row per point: columns ``x``, ``line``, ``value``, ``low``, ``high`` and, where given,
        ``panel``. Series are drawn a little beside each other.
    log, falling
        Logarithmic axis; axis from large to small (noise grows to the right).
    marks
        Vertical lines by name, such as the length of a QRS complex.
    published
        Columns ``x``, ``line`` and ``value`` of values from other data: open stars.
    """
    look.require_columns(
        table, [x, line, "value", "low", "high", *([panel] if panel else [])], "table"
    )
    stars, labels = table[:0] if published is None else published, {"x": x_label, "y": metric_label}
    panels = look.in_order(table[panel]) if panel else [title]
    fig, axes = look.new_panels(panels, 2, 2.5, sharex=True, sharey=True, **labels)
    handles: list[Any] = []
    for name, ax in axes.items():
        of_panel = table if panel is None else table[table[panel] == name]
        for i, label, part in look.series(of_panel.sort_values(x), table, line):
            place = _beside(part[x], i, table, line, log)
            handles.append(look.draw_intervals(ax, place, part, i, label=label))
        for i, label, part in look.series(stars, table, line):
            how = look.STAR | {"mec": look.colour(i), "label": f"{label}, published"}
            handles += ax.plot(_beside(part[x], i, table, line, log), part["value"], **how)
        for words, at in (marks or {}).items():
            ax.axvline(at, color=look.GREY, linewidth=0.8, linestyle=":")
            how = {"transform": ax.get_xaxis_transform(), "color": look.GREY, "fontsize": 7.5}
            ax.text(at, 1.0, words, va="bottom", ha="center", **how)
        ax.set_title(str(name), pad=14 if marks else None)
        if log:
            ticks = look.in_order(int(v) for v in table[x].round())
            ax.set_xscale("log")
            ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.minorticks_off()
    if falling:
        axes[panels[0]].invert_xaxis()
    look.legend_below(fig, handles)
    return fig


def _beside(x: Any, i: int, table: pd.DataFrame, line: str, log: bool) -> Any:
    """Move the points of the i-th series so that intervals do not cover each other."""
    step = i - (table[line].nunique() - 1) / 2
    return x * 1.05**step if log else x + 0.012 * step * float(np.ptp(x))


@look.styled
def matrices(
    table: pd.DataFrame,
    *,
    row: str,
    column: str,
    panel: str,
    row_label: str = "",
    column_label: str = "",
    metric_label: str = "AUROC",
) -> Figure:
    """Draw matrices of one metric beside each other, on one colour scale, with the numbers.

    ``table`` has one row per cell: the columns ``row``, ``column``, ``panel`` and ``value``.
    """
    look.require_columns(table, [row, column, panel, "value"], "table")
    height_in = 0.42 * table[row].nunique() + 0.8
    labels = {"x": column_label or column, "y": row_label or row}
    fig, axes = look.new_panels(look.in_order(table[panel]), 2, height_in, **labels)
    how = {"vmin": table["value"].min(), "vmax": table["value"].max(), "cmap": "cividis"}
    for name, ax in axes.items():
        cells = table[table[panel] == name].pivot_table(index=row, columns=column, values="value")
        outer = {"xlabel": ax.get_xlabel(), "ylabel": ax.get_ylabel()}
        sns.heatmap(cells, annot=True, fmt=".3f", ax=ax, cbar=False, annot_kws={"size": 8}, **how)
        ax.set(title=str(name), **outer)
        ax.tick_params(rotation=0, length=0)
    image = next(iter(axes.values())).collections[0]
    fig.colorbar(image, ax=list(axes.values()), label=metric_label, shrink=0.8)
    return fig


@look.styled
def class_counts(counts: pd.DataFrame) -> Figure:
    """Draw horizontal bars of counts per class, with the numbers.

    ``counts`` has one row per class, named by the index, and numeric columns (``records``,
    ``patients``), which are drawn beside each other.
    """
    fig = look.new_figure(0.24 * len(counts) * max(1.0, 0.75 * counts.shape[1]) + 0.9)
    ax = fig.add_subplot()
    counts.plot.barh(ax=ax, width=0.8, color=list(look.COLOURS), legend=False)
    bars: Any
    for bars in ax.containers:
        ax.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=7.5)
    _finish_rows(ax, len(counts) - 0.4, None, None)
    ax.set(xlabel=f"number of {' and '.join(map(str, counts))}", ylabel="")
    ax.margins(x=0.1)
    if counts.shape[1] > 1:
        look.legend_below(fig, ax.containers)
    return fig

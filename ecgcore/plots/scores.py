"""Figures of scores: estimates with their intervals, learning curves and counts."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ecgcore.errors import EcgcoreError
from ecgcore.plots import look
from ecgcore.statistics.scores import require_columns

_DIAGONAL: dict[str, Any] = {"color": look.GREY, "linewidth": 0.8, "linestyle": ":"}


@look.style()
def learning_curves(
    history: pd.DataFrame, *, line: str | None = None, best_epoch: int | None = None
) -> Figure:
    """Draw every quantity of a training history against the epoch, one panel each.

    ``history`` has one row per epoch: ``epoch`` (or the index), ``train_*`` and ``valid_*``
    columns. A ``train_`` and a ``valid_`` column of the same name share a panel; a table without
    such columns raises :class:`EcgcoreError`. ``line`` is the column that identifies runs (folds,
    seeds), each with its own colour; ``best_epoch`` is marked with a vertical line.
    """
    data = history if "epoch" in history.columns else history.rename_axis("epoch").reset_index()
    columns = [c for c in data.columns if c.startswith(("train_", "valid_"))]
    names = list(dict.fromkeys(c.split("_", 1)[1] for c in columns))
    if not names:
        raise EcgcoreError(f"history: expected columns train_* or valid_*; it has {list(data)}.")
    fig, axes = look.new_panels(names, 3, 2.3, x="epoch", y="", sharex=True)
    handles: list[Any] = []
    runs = [(0, "", data)] if line is None else list(look.series(data, data, line))
    for column in columns:
        stage, name = column.split("_", 1)
        for i, label, part in runs:
            colour = look.COLOURS[i % 7 if line else int(stage == "valid")]
            style: Any = {"color": colour, "linestyle": "-" if stage == "valid" else "--"}
            style |= {"marker": "." if len(part) < 3 else "", "label": f"{label} {stage}".strip()}
            handles += axes[name].plot(part["epoch"], part[column], **style)
    for name, ax in axes.items():
        if best_epoch is not None:
            handles.append(ax.axvline(best_epoch, **_DIAGONAL, label="best epoch"))
        acronym = name in ("auroc", "auprc", "f1", "ece", "mcc")
        ax.set_title(name.upper() if acronym else name.replace("_", " "))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    look.legend_below(fig, handles, 5)
    return fig


@look.style()
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

    Estimates and the ends of their intervals have the shape ``(bar,)``; ``n`` is the size of each
    comparison, a number of records or words such as ``"2,273 records, 5 seeds"``. Bars start at
    ``reference``; ``margin`` is half the width of a grey zone around it: irrelevant differences.
    """
    columns = {"value": values, "low": low, "high": high}
    table = pd.DataFrame({name: np.asarray(each, float) for name, each in columns.items()})
    fig = look.new_figure(0.42 * len(table) + 0.8)
    ax = fig.add_subplot()
    height = table["value"] - reference
    ax.barh(table.index, height, 0.55, left=reference, color=look.BLUE, alpha=0.75)
    for i, row in enumerate(table.to_dict("records")):
        ax.plot([row["low"], row["high"]], [i, i], "|-", color=look.BLACK)
        more = "" if n is None else f"\nn = {n[i]:,}" if isinstance(n[i], int) else f"\n{n[i]}"
        _write_estimate(ax, i, row, more)
    ax.set_yticks(table.index, labels)
    _finish_rows(ax, len(table) - 0.5, reference, margin)
    ax.set(xlabel=f"{metric_label} (95 % interval)", title=title)
    return fig


@look.style()
def forest(
    intervals: pd.DataFrame,
    *,
    metric_label: str = "AUROC",
    group: str = "task",
    item: str = "model",
    reference: float | None = None,
    margin: float | None = None,
    title: str = "",
) -> Figure:
    """Draw a forest plot: estimates with 95 % intervals, items within groups, values beside them.

    ``intervals`` has the columns ``group``, ``item``, ``value``, ``low`` and ``high``; a missing
    column or a table without rows raises :class:`EcgcoreError`. ``reference`` is a vertical line (0
    for differences, 0.5 for AUROC), and ``margin`` half the width of a grey zone of irrelevant
    differences around it.
    """
    require_columns(intervals, [group, item, "value", "low", "high"], "intervals")
    if intervals.empty:
        raise EcgcoreError("intervals: the table has no rows; check the filter that selected it.")
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
            ticks[y] = f"{row[item]}   "
            y += 0.8
        y += 0.25
    ax.set_yticks(list(ticks), list(ticks.values()))
    for label in ax.get_yticklabels():
        label.set_fontweight("normal" if label.get_text().endswith("   ") else "bold")
    _finish_rows(ax, y - 0.6, reference, margin)
    ax.set(xlabel=f"{metric_label} (95 % interval)", title=title)
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
        ends = reference - margin, reference + margin
        ax.axvspan(*ends, color=look.GREY, alpha=0.15, linewidth=0, zorder=0)


@look.style()
def response(
    table: pd.DataFrame,
    *,
    x: str = "rate_hz",
    line: str = "model",
    panel: str | None = None,
    x_label: str = "sampling rate [Hz]",
    log: bool = True,
    marks: dict[str, float] | None = None,
) -> Figure:
    """Draw AUROC against the sampling rate, or another quantity, with 95 % intervals.

    ``table`` has one row per point: the columns ``x``, ``line``, ``value``, ``low``, ``high`` and,
    where given, ``panel``. Series are shifted sideways so that they do not overlap. The axis is
    ``log`` or linear; ``marks`` are vertical lines by name.
    """
    columns = [x, line, "value", "low", "high", *([panel] if panel else [])]
    require_columns(table, columns, "table")
    panels, n_lines = look.in_order(table[panel]) if panel else [""], table[line].nunique()
    fig, axes = look.new_panels(panels, 2, 2.5, sharex=True, sharey=True, x=x_label, y="AUROC")
    handles = []
    for name, ax in axes.items():
        of_panel = table[table[panel] == name] if panel else table
        for i, label, part in look.series(of_panel.sort_values(x), table, line):
            step = i - (n_lines - 1) / 2
            place = part[x] * 1.05**step if log else part[x] + 0.012 * step * np.ptp(part[x])
            handles.append(look.draw_intervals(ax, place, part, i, label=label))
        for mark, at in (marks or {}).items():
            ax.axvline(at, color=look.GREY, linewidth=0.8, linestyle=":")
            label_of_mark = ax.text(at, 1.0, mark, va="bottom", ha="center", fontsize=7.5)
            label_of_mark.set(color=look.GREY, transform=ax.get_xaxis_transform())
        ax.set_title(str(name), pad=14 if marks else None)
        if log:
            ticks = look.in_order(int(v) for v in table[x].round())
            ax.set_xscale("log")
            ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.minorticks_off()
    look.legend_below(fig, handles)
    return fig


@look.style()
def class_counts(counts: pd.Series) -> Figure:
    """Draw horizontal bars of the number of records in each class, named by the index."""
    fig = look.new_figure(0.24 * len(counts) + 0.9)
    ax = fig.add_subplot()
    counts.plot.barh(ax=ax, width=0.8, color=look.BLUE)
    bars: Any = ax.containers[0]
    ax.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=7.5)
    _finish_rows(ax, len(counts) - 0.4, None, None)
    ax.set(xlabel="number of records", ylabel="")
    ax.margins(x=0.1)
    return fig

"""How a metric responds to a number that was varied, and what a threshold is worth."""

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from ecgcore.plots.scores import require
from ecgcore.plots.style import GREY, in_order, look, marker, new_figure, series_label, styled


@styled
def response(
    table: pd.DataFrame,
    *,
    x: str,
    line: str = "rate_hz",
    panel: str | None = None,
    x_label: str = "",
    metric_label: str = "AUROC",
    log: bool = False,
    falling: bool = False,
    marks: dict[str, float] | None = None,
) -> Figure:
    """A metric against a number, one series a value of ``line``, with 95 % intervals.

    Parameters
    ----------
    table
        Columns ``x``, ``line``, ``value``, ``low``, ``high`` and, where given, ``panel``.
    log, falling
        Logarithmic axis; axis from large to small (noise grows to the right).
    marks
        Vertical lines by name, such as the length of a QRS complex.
    """
    require(table, [x, line, "value", "low", "high", *([panel] if panel else [])], "table")
    panels = in_order(table[panel].tolist()) if panel else [None]
    lines = in_order(table[line].tolist())
    n_columns = min(2, len(panels))
    n_rows = -(-len(panels) // n_columns)
    fig = new_figure(2.5 * n_rows + 0.9)
    axes = fig.subplots(n_rows, n_columns, squeeze=False, sharey=True, sharex=True)
    shown: dict[str, Artist] = {}
    for ax, name in zip(axes.ravel(), panels, strict=False):
        own = table if panel is None else table[table[panel] == name]
        for i, value in enumerate(lines):
            part = own[own[line] == value].sort_values(x)
            bars = np.stack([part["value"] - part["low"], part["high"] - part["value"]]).clip(0)
            drawn = ax.errorbar(
                part[x],
                part["value"],
                yerr=np.nan_to_num(bars),
                **look(i),
                marker=marker(i),
                elinewidth=1,
                capsize=2.5,
            )
            if len(part):
                shown[series_label(line, value)] = drawn
        for words, at in (marks or {}).items():
            ax.axvline(at, color=GREY, linewidth=0.8, linestyle=":")
            where = ax.get_xaxis_transform()
            ax.text(at, 1.0, words, transform=where, fontsize=7.5, color=GREY, va="bottom")
        if name is not None:
            ax.set_title(str(name), pad=12 if marks else None)
        ax.set_xscale("log" if log else "linear")
        if log:
            ticks = in_order([round(v) for v in table[x]])
            ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks], rotation=45, fontsize=7.5)
            ax.minorticks_off()
    for ax in axes.ravel()[len(panels) :]:
        ax.set_visible(False)
    for row in axes:
        row[0].set_ylabel(metric_label)
    for column in range(n_columns):
        axes[(len(panels) - 1 - column) // n_columns][column].set_xlabel(x_label or x)
    if falling:
        axes[0][0].invert_xaxis()
    fig.legend(shown.values(), shown, loc="outside lower center", ncols=min(5, len(shown)))
    return fig


@styled
def decision_curves(curves: pd.DataFrame, *, line: str, panel: str = "model") -> Figure:
    """Net benefit against the threshold probability, beside calling everyone or no one positive.

    Parameters
    ----------
    curves
        Of :func:`ecgcore.metrics.decision_curve`: ``threshold``, ``net_benefit``, ``treat_all``,
        and the columns ``line`` and ``panel``.
    """
    require(curves, [line, panel, "threshold", "net_benefit", "treat_all"], "curves")
    panels, lines = in_order(curves[panel].tolist()), in_order(curves[line].tolist())
    fig = new_figure(3.3)
    axes = fig.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    top = float(curves["net_benefit"].max())
    for ax, name in zip(axes, panels, strict=True):
        own = curves[curves[panel] == name]
        for i, value in enumerate(lines):
            part = own[own[line] == value]
            label = series_label(line, value)
            ax.plot(part["threshold"], part["net_benefit"], **look(i), label=label)
        everyone = own.drop_duplicates("threshold").sort_values("threshold")
        ax.plot(
            everyone["threshold"], everyone["treat_all"], color=GREY, linewidth=0.9, label="all"
        )
        ax.axhline(0, color=GREY, linewidth=0.9, linestyle=":", label="none")
        ax.set(title=str(name), xlabel="threshold probability", ylim=(-0.12 * top, 1.08 * top))
    axes[0].set_ylabel("net benefit")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)))
    return fig


@styled
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
    """Matrices of one metric, side by side on one scale, with the numbers written in.

    Parameters
    ----------
    table
        One row a cell: the columns ``row``, ``column``, ``panel`` and ``value``.
    """
    require(table, [row, column, panel, "value"], "table")
    panels = in_order(table[panel].tolist())
    rows, columns = in_order(table[row].tolist()), in_order(table[column].tolist())
    n_across = min(2, len(panels))
    n_down = -(-len(panels) // n_across)
    fig = new_figure((0.42 * len(rows) + 1.0) * n_down + 0.2)
    axes = fig.subplots(n_down, n_across, squeeze=False, sharex=True, sharey=True)
    low, high = float(table["value"].min()), float(table["value"].max())
    image = None
    for ax, name in zip(axes.ravel(), panels, strict=False):
        own = table[table[panel] == name].pivot_table(index=row, columns=column, values="value")
        matrix = own.reindex(index=rows, columns=columns).to_numpy(dtype=float)
        image = ax.imshow(matrix, cmap="cividis", vmin=low, vmax=high, aspect="auto")
        for (i, j), value in np.ndenumerate(matrix):
            if np.isfinite(value):
                dark = value < (low + high) / 2
                colour = "white" if dark else "black"
                ax.text(j, i, f"{value:.3f}", ha="center", va="center", color=colour, fontsize=8)
        ax.set_xticks(range(len(columns)), [f"{v:g}" for v in columns])
        ax.set_yticks(range(len(rows)), [f"{v:g}" for v in rows])
        ax.set_title(str(name))
        ax.grid(False)
    for ax in axes.ravel()[len(panels) :]:
        ax.set_visible(False)
    for down in axes:
        down[0].set_ylabel(row_label or row)
    for ax in axes[-1]:
        ax.set_xlabel(column_label or column)
    if image is not None:
        fig.colorbar(image, ax=axes, label=metric_label, shrink=0.8)
    return fig

"""Counts: of records in a class, and of right and wrong calls."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecgcore.plots.scores import require
from ecgcore.plots.style import look, new_figure, styled


@styled
def confusion(
    counts: pd.DataFrame,
    *,
    panel: str = "model",
    classes: tuple[str, str] = ("negative", "positive"),
    n_columns: int = 4,
) -> Figure:
    """Confusion matrices: counts, and their share of the true class as the shade.

    Parameters
    ----------
    counts
        One row a matrix: ``panel`` (its title), ``tn``, ``fp``, ``fn``, ``tp``.
    """
    require(counts, [panel, "tn", "fp", "fn", "tp"], "counts")
    n_columns = min(n_columns, len(counts))
    n_rows = -(-len(counts) // n_columns)
    fig = new_figure(2.15 * n_rows + 0.2, width_in=max(2.6, 1.8 * n_columns))
    axes = fig.subplots(n_rows, n_columns, squeeze=False)
    for ax, (_, row) in zip(axes.ravel(), counts.iterrows(), strict=False):
        matrix = np.array([[row["tn"], row["fp"]], [row["fn"], row["tp"]]], dtype=float)
        total = matrix.sum(axis=1, keepdims=True)
        share = np.divide(matrix, total, out=np.zeros_like(matrix), where=total > 0)
        ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for i in range(2):
            for j in range(2):
                ax.text(
                    j,
                    i,
                    f"{matrix[i, j]:,.0f}\n{share[i, j]:.1%}",
                    ha="center",
                    va="center",
                    color="white" if share[i, j] > 0.55 else "black",
                    fontsize=8.5,
                )
        ax.set_title(str(row[panel]), fontsize=9)
        ax.set_xticks([0, 1], classes)
        ax.set_yticks([0, 1], classes, rotation=90, va="center")
        ax.grid(False)
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
    for ax in axes.ravel()[len(counts) :]:
        ax.set_visible(False)
    for row_axes in axes:
        row_axes[0].set_ylabel("true class")
    for column in range(n_columns):
        bottom = (len(counts) - 1 - column) // n_columns
        axes[bottom][column].set_xlabel("called")
    return fig


@styled
def class_counts(
    counts: pd.DataFrame,
    *,
    label: str = "class",
    columns: Sequence[str] | None = None,
    title: str = "",
    log: bool = False,
) -> Figure:
    """Horizontal bars of counts a class, with the numbers written out.

    Parameters
    ----------
    counts
        One row a class, named by column ``label`` or by the index; numeric columns (``records``,
        ``patients``) are drawn side by side.
    """
    table = counts.set_index(label) if label in counts.columns else counts
    columns = list(columns or table.select_dtypes("number").columns)
    require(table, columns, "counts")
    thick = 0.8 / len(columns)
    fig = new_figure(0.24 * len(table) * max(1.0, 0.75 * len(columns)) + 0.9)
    ax = fig.add_subplot()
    rows = np.arange(len(table))
    hatches = ("", "//", "..", "xx")
    for i, column in enumerate(columns):
        bars = ax.barh(
            rows + (i - (len(columns) - 1) / 2) * thick,
            table[column],
            thick * 0.92,
            color=look(i)["color"],
            label=column,
            hatch=hatches[i % 4],
            edgecolor="white",
            linewidth=0,
        )
        ax.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=7.5)
    ax.set_yticks(rows, [str(name) for name in table.index])
    ax.invert_yaxis()
    ax.set(xlabel="number", title=title)
    if log:
        ax.set_xscale("log")
        ax.set_xlim(left=0.8)
    ax.margins(x=0.1)
    ax.yaxis.grid(False)
    if len(columns) > 1:
        ax.legend(loc="lower right")
    else:
        ax.set_xlabel(f"number of {columns[0]}")
    return fig

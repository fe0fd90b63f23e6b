"""How well scores separate the classes, and whether they mean what they say."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ecgcore.errors import EcgcoreError
from ecgcore.metrics import (
    evaluate,
    precision_recall_curve,
    reliability_curve,
    roc_curve,
)
from ecgcore.metrics.table import Binning
from ecgcore.plots.style import (
    GREY,
    in_order,
    look,
    marker,
    metric_label,
    new_figure,
    series_label,
    styled,
)

_ON_WHITE = {"frameon": True, "framealpha": 0.9, "edgecolor": "none", "borderpad": 0.2}


def require(frame: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Stop with the missing columns' names."""
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise EcgcoreError(f"{name}: missing columns {missing}; has {list(frame.columns)}.")


@styled
def roc_pr(
    predictions: pd.DataFrame,
    *,
    panel: str = "model",
    line: str = "rate_hz",
    zoom: bool = True,
    bands: pd.DataFrame | None = None,
) -> Figure:
    """ROC (left) and precision-recall (right) curves, one row of panels a model.

    Parameters
    ----------
    predictions
        One row a record and series: ``y`` (0/1), ``score`` and the columns ``panel`` and ``line``.
    zoom
        An inset with the corner where good models differ, if one gets there.
    bands
        Optional, of :func:`ecgcore.compare.curve_bands`: ``curve``, ``x``, ``low``, ``high`` and
        the columns ``panel`` and ``line``.
    """
    require(predictions, ["y", "score", panel, line], "predictions")
    panels, lines = in_order(predictions[panel].tolist()), in_order(predictions[line].tolist())
    fig = new_figure(3.1 * len(panels) + 0.2)
    axes = fig.subplots(len(panels), 2, squeeze=False)
    for name, (roc_ax, pr_ax) in zip(panels, axes, strict=True):
        own = predictions[predictions[panel] == name]
        good = any(evaluate(p["y"], p["score"])["auroc"] > 0.9 for _, p in own.groupby(line))
        insets = [_inset(roc_ax, "roc"), _inset(pr_ax, "pr")] if zoom and good else []
        for i, value in enumerate(lines):
            part = own[own[line] == value]
            if part.empty:
                continue
            label = series_label(line, value)
            _curves(part, label, i, [roc_ax, *insets[:1]], [pr_ax, *insets[1:]])
            if bands is not None:
                band = bands[(bands[panel] == name) & (bands[line] == value)]
                _shade(band[band["curve"] == "roc"], i, [roc_ax, *insets[:1]])
                _shade(band[band["curve"] == "pr"], i, [pr_ax, *insets[1:]])
        roc_ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
        prevalence = float(own["y"].mean())
        pr_ax.axhline(prevalence, color=GREY, linewidth=0.8, linestyle=":")
        roc_ax.set(title=f"{name}: ROC", xlabel="1 − specificity", ylabel="sensitivity")
        pr_ax.set(title=f"{name}: precision-recall", xlabel="sensitivity", ylabel="precision")
        for ax, where in ((roc_ax, "lower right"), (pr_ax, "lower left")):
            ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
            ax.set_box_aspect(0.85)
            ax.legend(
                loc=where, title="AUROC" if ax is roc_ax else "AUPRC", handlelength=2.8, **_ON_WHITE
            )
    return fig


def _curves(
    part: pd.DataFrame, label: str, i: int, roc_axes: Sequence[Axes], pr_axes: Sequence[Axes]
) -> None:
    y, score = part["y"], part["score"]
    roc, pr = roc_curve(y, score), precision_recall_curve(y, score)
    values = evaluate(y, score)
    for ax in roc_axes:
        ax.plot(
            roc["false_positive_rate"],
            roc["sensitivity"],
            **look(i),
            label=f"{label}  {values['auroc']:.4f}",
        )
    for ax in pr_axes:
        ax.step(
            np.concatenate([[0.0], pr["sensitivity"]]),
            np.concatenate([pr["precision"][:1], pr["precision"]]),
            where="pre",
            **look(i),
            label=f"{label}  {values['auprc']:.4f}",
        )


def _shade(band: pd.DataFrame, i: int, axes: Sequence[Axes]) -> None:
    for ax in axes:
        colour = look(i)["color"]
        ax.fill_between(band["x"], band["low"], band["high"], color=colour, alpha=0.13, linewidth=0)


def _inset(ax: Axes, kind: str) -> Axes:
    place = (0.46, 0.52, 0.5, 0.42) if kind == "roc" else (0.12, 0.50, 0.5, 0.40)
    inset = ax.inset_axes(place)
    limits = ((0, 0.1), (0.85, 1.004)) if kind == "roc" else ((0.85, 1.004), (0.85, 1.004))
    inset.set(xlim=limits[0], ylim=limits[1])
    inset.tick_params(labelsize=7, length=2, pad=1.5)
    for side in inset.spines.values():
        side.set(visible=True, color=GREY, linewidth=0.6)
    return inset


@styled
def reliability(
    predictions: pd.DataFrame,
    *,
    panel: str = "model",
    line: str = "rate_hz",
    n_bins: int = 10,
    binning: Binning = "equal_width",
) -> Figure:
    """Reliability diagram (observed against predicted, 95 % Wilson bars) over counts a bin.

    ``predictions`` as in :func:`roc_pr`.
    """
    require(predictions, ["y", "score", panel, line], "predictions")
    panels, lines = in_order(predictions[panel].tolist()), in_order(predictions[line].tolist())
    fig = new_figure(4.6)
    axes = fig.subplots(
        2, len(panels), squeeze=False, sharex=True, sharey="row", height_ratios=[3, 1]
    )
    for column, name in enumerate(panels):
        top, below = axes[0][column], axes[1][column]
        top.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
        for i, value in enumerate(lines):
            part = predictions[(predictions[panel] == name) & (predictions[line] == value)]
            if not part.empty:
                shift = (i - (len(lines) - 1) / 2) / (n_bins * (len(lines) + 2))
                label = series_label(line, value)
                _reliability_series(top, below, part, label, i, n_bins, binning, shift)
        top.set(title=str(name), xlim=(0, 1), ylim=(-0.02, 1.02))
        top.legend(loc="upper left", title=f"ECE, {n_bins} bins", handlelength=2.2)
        below.set(xlabel="predicted probability", yscale="symlog")
    axes[0][0].set_ylabel("observed frequency")
    axes[1][0].set_ylabel("records")
    return fig


def _reliability_series(
    top: Axes,
    below: Axes,
    part: pd.DataFrame,
    label: str,
    i: int,
    n_bins: int,
    binning: Binning,
    shift: float,
) -> None:
    curve = reliability_curve(part["y"], part["score"], n_bins=n_bins, binning=binning)
    ece = evaluate(part["y"], part["score"], ece_bins=n_bins, binning=binning)["ece"]
    full = curve[curve["n"] > 0]
    bars = np.abs(
        np.stack(
            [full["observed"] - full["observed_low"], full["observed_high"] - full["observed"]]
        )
    )
    top.errorbar(
        full["mean_predicted"],
        full["observed"],
        yerr=bars,
        **look(i),
        marker=marker(i),
        elinewidth=0.8,
        linewidth=1,
        label=f"{label}  {ece:.3f}",
    )
    centres = (curve["low"] + curve["high"]) / 2 + shift
    below.plot(
        centres,
        curve["n"].where(curve["n"] > 0),
        linestyle="none",
        marker=marker(i),
        color=look(i)["color"],
        markersize=4,
    )


@styled
def learning_curves(
    history: pd.DataFrame, *, line: str | None = None, best_epoch: int | None = None
) -> Figure:
    """Every quantity of a training history against the epoch, one panel each.

    Parameters
    ----------
    history
        One row an epoch: ``epoch`` (or the index), ``train_*`` and ``valid_*`` columns; a
        ``train_`` and a ``valid_`` column of one name share a panel.
    line
        Column that tells runs (folds, seeds) apart.
    best_epoch
        Marked with a vertical line.
    """
    data = history if "epoch" in history.columns else history.rename_axis("epoch").reset_index()
    columns = [c for c in data.columns if c.startswith(("train_", "valid_"))]
    names = list(dict.fromkeys(c.split("_", 1)[1] for c in columns))
    if not names:
        raise EcgcoreError("history: expected columns train_* or valid_*, found none.")
    runs = in_order(data[line].tolist()) if line else [None]
    n_columns = min(3, len(names))
    n_rows = -(-len(names) // n_columns)
    fig = new_figure(2.4 * n_rows + 0.2)
    axes = fig.subplots(n_rows, n_columns, squeeze=False, sharex=True).ravel()
    for name, ax in zip(names, axes, strict=False):
        for i, run in enumerate(runs):
            part = data if run is None else data[data[line] == run]
            for j, stage in enumerate(("train", "valid")):
                if f"{stage}_{name}" in columns:
                    words = stage if run is None else f"{series_label(str(line), run)}, {stage}"
                    colour = look(j if run is None else i)["color"]
                    ax.plot(
                        part["epoch"],
                        part[f"{stage}_{name}"],
                        label=words,
                        color=colour,
                        linestyle=("--", "-")[j],
                        marker="." if len(part) < 3 else "",
                    )
        if best_epoch is not None:
            ax.axvline(best_epoch, color=GREY, linewidth=0.8, linestyle=":")
        ax.set_title(metric_label(name))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        if ax in axes[-n_columns:]:
            ax.set_xlabel("epoch")
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    axes[0].legend(fontsize=7.5)
    return fig

"""Figures of predictions: discrimination, calibration, and the training behind them."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import precision_recall_curve, roc_curve

from ecgcore.errors import EcgcoreError
from ecgcore.plots import look
from ecgcore.statistics import evaluate, reliability_curve
from ecgcore.statistics.scores import require_columns

_DIAGONAL: dict[str, Any] = {"color": look.GREY, "linewidth": 0.8, "linestyle": ":"}


@look.style()
def roc_pr(predictions: pd.DataFrame) -> Figure:
    """Draw ROC and precision-recall curves, one row of panels per model, one line per rate.

    ``predictions`` has one row per record and series: ``y`` (0 or 1, both of them in each series),
    ``score``, ``model`` and ``rate_hz``. If a curve has an AUROC above 0.9, the corner of the ROC
    panel is drawn again, enlarged.
    """
    require_columns(predictions, ["y", "score", "model", "rate_hz"], "predictions")
    by_series = predictions.groupby(["model", "rate_hz"], sort=False)[["y", "score"]]
    metrics = {key: evaluate(part["y"], part["score"]) for key, part in by_series}
    n_columns = 2 + any(values["auroc"] > 0.9 for values in metrics.values())
    panels = look.in_order(predictions["model"])
    fig = look.new_figure((2.9 if n_columns == 3 else 3.5) * len(panels))
    for name, row in zip(panels, fig.subfigures(len(panels), 1, squeeze=False)[:, 0], strict=True):
        axes, handles = list(row.subplots(1, n_columns)), []
        of_panel = predictions[predictions["model"] == name]
        for i, label, part in look.series(of_panel, predictions, "rate_hz"):
            values = metrics[name, part["rate_hz"].iloc[0]]
            label += f": {values['auroc']:.3f}, {values['auprc']:.3f}"
            handles += _draw_curves(axes, part, i, label)
        for ax in axes:
            ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), xlabel="1 − specificity")
            ax.set_box_aspect(0.9)
        for ax in axes[:-1]:
            ax.plot([0, 1], [0, 1], **_DIAGONAL)
        if n_columns == 3:
            axes[1].set(title="enlarged corner", xlim=(-0.003, 0.3), ylim=(0.7, 1.006))
        axes[0].set(title=f"{name}: ROC", ylabel="sensitivity")
        axes[-1].axhline(of_panel["y"].mean(), **_DIAGONAL)
        axes[-1].set(title="precision-recall", xlabel="sensitivity", ylabel="precision")
        look.legend_below(row, handles, 3, title="AUROC, AUPRC", title_fontsize=8.5)
    return fig


def _draw_curves(axes: list[Axes], part: pd.DataFrame, i: int, label: str) -> list[Any]:
    """Draw ROC on all axes but the last, precision-recall on the last; return a legend handle."""
    false_positive, true_positive, _ = roc_curve(part["y"], part["score"], drop_intermediate=False)
    precision, sensitivity, _ = precision_recall_curve(part["y"], part["score"])
    for ax in axes[:-1]:
        ax.plot(false_positive, true_positive, **look.of_series(i))
    precision[-1] = precision[-2]  # scikit-learn ends at a precision of 1 that was not measured
    steps = {"where": "pre", "label": label, **look.of_series(i)}
    return axes[-1].step(sensitivity[::-1], precision[::-1], **steps)


@look.style()
def reliability(predictions: pd.DataFrame, *, panel: str = "model") -> Figure:
    """Draw observed against predicted frequency, with 95 % Wilson intervals, and records per bin.

    ``predictions`` are those of :func:`roc_pr`, with probabilities in ``score``; each value of
    ``panel`` has a panel of its own. There are 10 bins.
    """
    require_columns(predictions, ["y", "score", panel, "rate_hz"], "predictions")
    panels, n_lines = look.in_order(predictions[panel]), predictions["rate_hz"].nunique()
    fig = look.new_figure(4.8)
    names = {"observed": "value", "observed_low": "low", "observed_high": "high"}
    for name, sub in zip(panels, fig.subfigures(1, len(panels), squeeze=False)[0], strict=True):
        top, below = sub.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        top.plot([0, 1], [0, 1], **_DIAGONAL)
        of_panel, handles = predictions[predictions[panel] == name], []
        for i, label, part in look.series(of_panel, predictions, "rate_hz"):
            ece = evaluate(part["y"], part["score"])["ece"]
            table = reliability_curve(part["y"], part["score"]).query("n > 0")
            shift = (i - (n_lines - 1) / 2) / (10 * (n_lines + 2))
            place = (table["low"] + table["high"]) / 2 + shift
            below.plot(place, table["n"], look.MARKERS[i % 7], color=look.COLOURS[i % 7], ms=4)
            table = table.drop(columns=["low", "high"]).rename(columns=names)
            how = {"linewidth": 1, "label": f"{label}: {ece:.3f}"}
            handles.append(look.draw_intervals(top, table["mean_predicted"], table, i, **how))
        top.set(title=str(name), xlim=(0, 1), ylim=(-0.02, 1.02), ylabel="observed frequency")
        below.set(xlabel="predicted probability", yscale="log", ylabel="records")
        below.set_ylim(bottom=0.7)
        sub.align_ylabels()
        n_columns = 1 if len(panels) > 2 else 2
        look.legend_below(sub, handles, n_columns, title="ECE, 10 bins", title_fontsize=8.5)
    return fig


@look.style()
def learning_curves(
    history: pd.DataFrame, *, line: str | None = None, best_epoch: int | None = None
) -> Figure:
    """Draw every quantity of a training history against the epoch, one panel each.

    ``history`` has one row per epoch: ``epoch`` (or the index), ``train_*`` and ``valid_*``
    columns, at least one, else :class:`EcgcoreError`; a ``train_`` and a ``valid_`` column of one
    name share a panel. ``line`` is the column that identifies runs (folds, seeds), each with its
    own colour; ``best_epoch`` is marked with a vertical line.
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
            how: dict[str, Any] = {"color": colour, "linestyle": "-" if stage == "valid" else "--"}
            how |= {"marker": "." if len(part) < 3 else "", "label": f"{label} {stage}".strip()}
            handles += axes[name].plot(part["epoch"], part[column], **how)
    for name, ax in axes.items():
        if best_epoch is not None:
            handles.append(ax.axvline(best_epoch, **_DIAGONAL, label="best epoch"))
        acronym = name in ("auroc", "auprc", "f1", "ece", "mcc")
        ax.set_title(name.upper() if acronym else name.replace("_", " "))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    look.legend_below(fig, handles, 5)
    return fig

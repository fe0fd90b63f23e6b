"""Explanations: against known evidence, by beat, and as units are masked."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.plots import look
from ecgcore.plots.look import Samples
from ecgcore.statistics.scores import require_columns

_EVIDENCE = "#D9D9D9"


@look.style()
def record_with_evidence(
    signals_mv: Samples,
    rate_hz: float,
    evidence: NDArray[np.generic] | None,
    attribution: Samples,
    *,
    leads: Sequence[str] = ("II", "V1", "V5"),
    title: str = "",
) -> Figure:
    """Draw a few leads with the known evidence of the disease and, below each, the attribution.

    ``signals_mv`` [mV], ``attribution``, on one scale for all ``leads``, and ``evidence`` (grey
    columns where it is not zero; None where it is not known) have the shape ``(12, sample)``, else
    :class:`EcgcoreError`.
    """
    look.require_shape(signals_mv, evidence=evidence, attribution=attribution)
    if not set(leads) <= set(LEADS):
        raise EcgcoreError(f"leads: expected names among {', '.join(LEADS)}, got {list(leads)}.")
    t = np.arange(signals_mv.shape[1]) / rate_hz
    fig = look.new_figure(1.35 * len(leads) + 0.7)
    axes = fig.subplots(2 * len(leads), 1, sharex=True, height_ratios=[1.4, 1] * len(leads))
    chosen = [LEADS.index(lead) for lead in leads]
    limit = 1.05 * float(np.abs(attribution[chosen]).max()) or 1.0
    for lead, top, below in zip(chosen, axes[::2], axes[1::2], strict=True):
        top.plot(t, signals_mv[lead], color=look.BLACK, linewidth=0.9)
        top.set_ylabel(f"{LEADS[lead]} [mV]")
        look.draw_signed_area(below, t, 0, attribution[lead])
        below.set(ylabel="logit", ylim=(-limit, limit))
        for ax in (top, below):
            ax.grid(False)
            if evidence is not None:
                how = {"color": _EVIDENCE, "linewidth": 0, "transform": ax.get_xaxis_transform()}
                ax.fill_between(t, 0, 1, where=evidence[lead] != 0, **how)
    axes[0].set(title=title, xlim=(t[0], t[-1]))
    axes[-1].set_xlabel("time [s]")
    fig.align_ylabels(axes)
    known = [] if evidence is None else [Patch(color=_EVIDENCE, label="evidence")]
    look.legend_below(fig, [*known, *look.sign_handles()])
    return fig


@look.style()
def beat_averages(
    time_s: Samples,
    beats: Mapping[str, Samples],
    attributions: Mapping[str, Samples],
    *,
    unit: str = "mV",
    title: str = "",
) -> Figure:
    """Draw the mean beat of every lead, one line per group, and below it the mean attribution.

    ``time_s``, shape ``(sample,)``, is the time from the R peak; ``beats`` and ``attributions`` are
    means over records by group, shape ``(12, sample)``.
    """
    fig = look.new_figure(5.6)
    axes = fig.subplots(3, 4, sharex=True)
    size = max(float(np.abs(values).max()) for values in attributions.values()) or 1.0
    for k, ax in enumerate(axes.T.ravel()):
        low = min(float(trace[k].min()) for trace in beats.values())
        span = max(float(trace[k].max()) for trace in beats.values()) - low or 1e-6
        for i, (name, trace) in enumerate(beats.items()):
            floor = np.full(len(time_s), low - (0.55 + 0.9 * i) * span)
            look.draw_signed_area(ax, time_s, floor, attributions[name][k] / size * 0.4 * span)
            ax.plot(time_s, floor, **look.of_series(i), linewidth=0.6)
            ax.plot(time_s, trace[k], **look.of_series(i), linewidth=1.1, label=name)
        ax.axvline(0, color=look.GREY, linewidth=0.6, linestyle=":")
        ax.set_title(LEADS[k], fontsize=9)
        ax.set_yticks([])
        ax.grid(False)
        ax.spines["left"].set_visible(False)
    for ax in axes[-1]:
        ax.set_xlabel("time from R [s]")
    axes[1][0].set_ylabel(f"mean beat [{unit}], and below it the mean attribution")
    look.legend_below(fig, [*axes[0][0].get_legend_handles_labels()[0], *look.sign_handles()])
    fig.suptitle(title, fontsize=10, fontweight="bold", x=0.02, ha="left")
    return fig


@look.style()
def deletion_picture(curves: pd.DataFrame) -> Figure:
    """Draw the mean logit as units are masked: most relevant first, and least relevant first.

    ``curves`` is tidy: ``method``, ``fraction``, ``morf``, ``lerf``, and ``fill`` in words, what
    replaces the units; each has a panel.
    """
    require_columns(curves, ["fraction", "morf", "lerf", "fill", "method"], "curves")
    labels = {"x": "share of pieces taken out", "y": "mean positive logit [SD]"}
    panels = look.in_order(curves["fill"])
    fig, axes = look.new_panels(panels, len(panels), 2.9, sharey=True, **labels)
    handles = [Line2D([], [], color=look.BLACK, label="most relevant first")]
    handles += [Line2D([], [], color=look.BLACK, linestyle="--", label="least relevant first")]
    for name, ax in axes.items():
        of_panel = curves[curves["fill"] == name].sort_values("fraction")
        for i, label, part in look.series(of_panel, curves, "method"):
            how: Any = {"color": look.COLOURS[i % 7], "marker": look.MARKERS[i % 7], "ms": 3.5}
            handles += ax.plot(part["fraction"], part["morf"], label=label, **how)
            ax.plot(part["fraction"], part["lerf"], linestyle="--", **how)
        ax.set_title(f"replaced by {name}")
    look.legend_below(fig, handles)
    return fig

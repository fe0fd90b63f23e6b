"""Cost against size."""

import pandas as pd
from matplotlib.figure import Figure

from ecgcore.plots.scores import require
from ecgcore.plots.style import look, marker, new_figure, styled


@styled
def cost_growth(measured: pd.DataFrame, lines: pd.DataFrame) -> Figure:
    """Time and memory of each step against the number of records, with the lines through them.

    Parameters
    ----------
    measured
        ``step``, ``records``, ``seconds``, ``peak_mib``; one rate.
    lines
        From :func:`ecgcore.growth.slopes`, of the same rate.
    """
    require(measured, ["step", "records", "seconds", "peak_mib"], "measured")
    fig = new_figure(3.4)
    axes = fig.subplots(1, 2)
    panels = (("seconds", "time [s]", 1.0), ("peak_mib", "peak memory [GiB]", 1024.0))
    for ax, (cost, label, unit) in zip(axes, panels, strict=True):
        for i, (step, group) in enumerate(measured.groupby("step", sort=False)):
            points = group.sort_values("records")
            ax.plot(
                points["records"],
                points[cost] / unit,
                **look(i) | {"linestyle": "none"},
                marker=marker(i),
                label=str(step).replace("_", " "),
            )
            line = lines[(lines["step"] == step) & (lines["cost"] == cost)]
            for _, row in line.iterrows():
                fitted = row["fixed"] + row["per_record"] * points["records"]
                ax.plot(points["records"], fitted / unit, **look(i), linewidth=0.9)
        ax.set(xlabel="records", ylabel=label, xscale="log", yscale="log")
    axes[0].legend(loc="upper left")
    return fig

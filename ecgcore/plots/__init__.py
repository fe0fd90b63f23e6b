"""Every figure of the book: each function takes data and returns a matplotlib Figure.

Nothing here changes matplotlib's global settings; a figure shows itself in a notebook when it is
the last value of a cell.  Colours are Okabe & Ito's, told apart also by marker or line style.
"""

from ecgcore.plots.comparisons import forest, metric_by_rate
from ecgcore.plots.counts import class_counts, confusion
from ecgcore.plots.ecg import attribution_map, ecg_12_lead, ecg_side_by_side, resampling_picture
from ecgcore.plots.explanations import (
    beat_averages,
    critical_difference,
    deletion_picture,
    lead_bars,
)
from ecgcore.plots.growing import cost_growth
from ecgcore.plots.responses import decision_curves, matrices, response
from ecgcore.plots.scores import learning_curves, reliability, roc_pr
from ecgcore.plots.style import BookFigure, style

__all__ = [
    "BookFigure",
    "attribution_map",
    "beat_averages",
    "class_counts",
    "confusion",
    "cost_growth",
    "critical_difference",
    "decision_curves",
    "deletion_picture",
    "ecg_12_lead",
    "ecg_side_by_side",
    "forest",
    "lead_bars",
    "learning_curves",
    "matrices",
    "metric_by_rate",
    "reliability",
    "resampling_picture",
    "response",
    "roc_pr",
    "style",
]

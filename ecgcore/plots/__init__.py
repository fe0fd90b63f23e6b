"""Every figure of the book: each function takes data and returns a matplotlib Figure.

No function changes matplotlib's global settings. A figure is displayed in a notebook when it is
the last value of a cell. Colours of series are those of Okabe and Ito, and series also differ in
marker or line style. In every figure of an explanation, red is towards disease and blue is towards
normal.
"""

from ecgcore.plots.comparisons import (
    answer_bars,
    class_counts,
    forest,
    matrices,
    response,
)
from ecgcore.plots.ecg import ecg_12_lead, ecg_side_by_side, resampling_picture
from ecgcore.plots.explanations import (
    attribution_map,
    beat_averages,
    deletion_picture,
    lead_bars,
    record_with_evidence,
)
from ecgcore.plots.scores import learning_curves, reliability, roc_pr

__all__ = [
    "answer_bars",
    "attribution_map",
    "beat_averages",
    "class_counts",
    "deletion_picture",
    "ecg_12_lead",
    "ecg_side_by_side",
    "forest",
    "lead_bars",
    "learning_curves",
    "matrices",
    "record_with_evidence",
    "reliability",
    "resampling_picture",
    "response",
    "roc_pr",
]

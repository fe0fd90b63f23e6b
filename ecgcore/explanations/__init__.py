"""Attributions of a model's decision, and how far they can be believed.

An attribution is signed and has the record's shape: above 0 speaks for the positive class, below 0
against it.  Further modules: ``beats``, ``territories``, ``stability``.
"""

from ecgcore.explanations.attribute import METHODS, attribute
from ecgcore.explanations.comparison import compare_with_controls, subject_of
from ecgcore.explanations.controls import control_maps, randomised
from ecgcore.explanations.deletion import Units, deletion_curves, deletion_scores
from ecgcore.explanations.examination import Effort, Examination, examine
from ecgcore.explanations.fills import FILLS, filled
from ecgcore.explanations.forward import decompose, gradients, native_method, positive_logits
from ecgcore.explanations.localisation import localisation
from ecgcore.explanations.segments import lead_shares, top_segments, window_sums
from ecgcore.explanations.stability import (
    bias_and_weights,
    gini,
    gradient_agreement,
    rank_agreement,
)

__all__ = [
    "FILLS",
    "METHODS",
    "Effort",
    "Examination",
    "Units",
    "attribute",
    "bias_and_weights",
    "compare_with_controls",
    "control_maps",
    "decompose",
    "deletion_curves",
    "deletion_scores",
    "examine",
    "filled",
    "gini",
    "gradient_agreement",
    "gradients",
    "lead_shares",
    "localisation",
    "native_method",
    "positive_logits",
    "randomised",
    "rank_agreement",
    "subject_of",
    "top_segments",
    "window_sums",
]

"""Attributions of a model's decision, and how far they can be believed.

An attribution is signed and has the record's shape: above 0 speaks for the positive class, below 0
against it. A further module: ``beats``.
"""

from ecgcore.explanations.attribute import (
    METHODS,
    attribute,
    decompose,
    native_method,
    positive_logits,
)
from ecgcore.explanations.controls import compare_with_controls, control_maps
from ecgcore.explanations.deletion import Units, deletion_curves, filled, lerf_minus_morf
from ecgcore.explanations.examination import Effort, examine, rank_agreement
from ecgcore.explanations.localisation import (
    expected_leads,
    lead_shares,
    mass_accuracy,
    top_segments,
    window_sums,
)

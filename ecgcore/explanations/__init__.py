"""Attributions of a model's decision, and how far they can be believed.

An attribution is signed and has the record's shape: above 0 speaks for the positive class, below 0
against it.  A further module: ``beats``.
"""

from ecgcore.explanations.attribute import METHODS as METHODS
from ecgcore.explanations.attribute import attribute as attribute
from ecgcore.explanations.attribute import decompose as decompose
from ecgcore.explanations.attribute import native_method as native_method
from ecgcore.explanations.attribute import positive_logits as positive_logits
from ecgcore.explanations.controls import compare_with_controls as compare_with_controls
from ecgcore.explanations.controls import control_maps as control_maps
from ecgcore.explanations.deletion import Units as Units
from ecgcore.explanations.deletion import deletion_curves as deletion_curves
from ecgcore.explanations.deletion import filled as filled
from ecgcore.explanations.deletion import lerf_minus_morf as lerf_minus_morf
from ecgcore.explanations.examination import Effort as Effort
from ecgcore.explanations.examination import examine as examine
from ecgcore.explanations.examination import rank_agreement as rank_agreement
from ecgcore.explanations.localisation import expected_leads as expected_leads
from ecgcore.explanations.localisation import lead_shares as lead_shares
from ecgcore.explanations.localisation import mass_accuracy as mass_accuracy
from ecgcore.explanations.localisation import top_segments as top_segments
from ecgcore.explanations.localisation import window_sums as window_sums

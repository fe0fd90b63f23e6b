"""How far an attribution can be believed: place, deletion, decomposition, stability, controls."""

from ecgcore.faithful.controls import control_maps, derangement, randomised
from ecgcore.faithful.decomposition import bias_and_weights, gini, gradient_agreement
from ecgcore.faithful.deletion import (
    DeletionCurves,
    Units,
    curves_of,
    deletion_curves,
    deletion_scores,
)
from ecgcore.faithful.examination import COSTLY, Effort, Examination, examine, writes_weights
from ecgcore.faithful.localisation import LOCALISATION, localisation
from ecgcore.faithful.perturbation import Falls, foretold, max_sensitivity, random_falls
from ecgcore.faithful.stability import noise_agreement, rank_agreement, shift_agreement
from ecgcore.faithful.suite import (
    LOWER_IS_BETTER,
    SuiteResult,
    compared,
    require_controls_lose,
    suite,
    unbeaten,
)
from ecgcore.fills import FILLS, Fill, filled

__all__ = [
    "COSTLY",
    "FILLS",
    "LOCALISATION",
    "LOWER_IS_BETTER",
    "DeletionCurves",
    "Effort",
    "Examination",
    "Falls",
    "Fill",
    "SuiteResult",
    "Units",
    "bias_and_weights",
    "compared",
    "control_maps",
    "curves_of",
    "deletion_curves",
    "deletion_scores",
    "derangement",
    "examine",
    "filled",
    "foretold",
    "gini",
    "gradient_agreement",
    "localisation",
    "max_sensitivity",
    "noise_agreement",
    "random_falls",
    "randomised",
    "rank_agreement",
    "require_controls_lose",
    "shift_agreement",
    "suite",
    "unbeaten",
    "writes_weights",
]

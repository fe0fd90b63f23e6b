"""How far an attribution can be believed: localisation, deletion, decomposition, controls."""

from ecgcore.faithful.controls import control_maps, derangement, randomised
from ecgcore.faithful.decomposition import bias_and_weights, gradient_agreement
from ecgcore.faithful.deletion import DeletionCurves, deletion_curves, deletion_scores
from ecgcore.faithful.fills import FILLS, Fill, filled
from ecgcore.faithful.localisation import LOCALISATION, localisation
from ecgcore.faithful.suite import SuiteResult, require_controls_lose, suite

__all__ = [
    "FILLS",
    "LOCALISATION",
    "DeletionCurves",
    "Fill",
    "SuiteResult",
    "bias_and_weights",
    "control_maps",
    "deletion_curves",
    "deletion_scores",
    "derangement",
    "filled",
    "gradient_agreement",
    "localisation",
    "randomised",
    "require_controls_lose",
    "suite",
]

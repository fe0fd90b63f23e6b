"""Attributions of a model's decision: intrinsic (``W * x`` of the IMN) and post hoc.

The target is always the positive logit.  An attribution is signed and has the record's shape:
above 0 speaks for the positive class, below 0 against it.
"""

from ecgcore.explain.attribute import METHODS, attribute
from ecgcore.explain.forward import PositiveLogit, device_of, evaluating, positive_logits
from ecgcore.explain.intrinsic import Decomposition, decompose, gradients

__all__ = [
    "METHODS",
    "Decomposition",
    "PositiveLogit",
    "attribute",
    "decompose",
    "device_of",
    "evaluating",
    "gradients",
    "positive_logits",
]

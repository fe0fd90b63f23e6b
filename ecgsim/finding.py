"""What a pathology adds to a normal beat, and how PTB-XL describes it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ecgcore.arrays import Floats
from ecgsim.anatomy import Heart
from ecgsim.dipole import Wave


@dataclass(frozen=True)
class Finding:
    """One pathology of one record.

    The signal of the record is that of the healthy heart, plus ``evidence``, minus
    ``counterfactual`` (waves that the pathology removed or moved, as they would have been).

    ``codes`` are SCP statements with their likelihood; ``severity`` runs from 0 (hidden among
    normal records) to 1 (clearly visible) and beyond; ``stadium`` is PTB-XL's stage of an
    infarction.
    """

    codes: dict[str, float]
    report: str
    severity: float
    evidence: list[Wave] = field(default_factory=list)
    counterfactual: list[Wave] = field(default_factory=list)
    stadium: str | None = None
    measures: dict[str, float] = field(default_factory=dict)


Draw = Callable[[np.random.Generator, Heart, float], Finding]
"""Draws a finding of a given severity in a heart."""


def choose(rng: np.random.Generator, choices: tuple[tuple[float, Draw], ...]) -> Draw:
    """Draw one of several forms of a pathology, each given with its share."""
    shares = np.array([share for share, _ in choices])
    return choices[int(rng.choice(len(choices), p=shares / shares.sum()))][1]


def draw_severity(rng: np.random.Generator, mild_share: float) -> float:
    """Draw a severity: mild cases (``mild_share``) overlap with normal records."""
    if rng.random() < mild_share:
        return float(rng.uniform(0.10, 0.45))
    return float(rng.uniform(0.45, 1.25))


def likelihood(rng: np.random.Generator, severity: float) -> float:
    """Draw PTB-XL's likelihood: 100 for a clear case, 80, 50 or 35 for a doubtful one."""
    certainty = severity + rng.normal(0, 0.15)
    if certainty > 0.55:
        return 100.0
    return 80.0 if certainty > 0.35 else 50.0 if certainty > 0.2 else 35.0


def unit(x: float, y: float, z: float) -> Floats:
    """Return the direction (x, y, z) with length one."""
    vector = np.array([x, y, z])
    direction: Floats = vector / np.linalg.norm(vector)
    return direction

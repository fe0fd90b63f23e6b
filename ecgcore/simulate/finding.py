"""What a pathology adds to a normal beat, and how it is written down in PTB-XL's words."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ecgcore.simulate.anatomy import Heart
from ecgcore.simulate.dipole import FloatArray, Wave


@dataclass(frozen=True)
class Finding:
    """One pathology of one record.

    The signal of the record is that of the healthy heart, plus ``evidence``, minus
    ``counterfactual`` (waves that the pathology took away or moved, as they would have been).

    ``codes`` are SCP statements with their likelihood, ``severity`` runs from 0 (hidden among the
    normal) to 1 (plain to see) and beyond.
    """

    codes: dict[str, float]
    report: str
    severity: float
    evidence: list[Wave] = field(default_factory=list)
    counterfactual: list[Wave] = field(default_factory=list)
    stadium: str | None = None
    measures: dict[str, float] = field(default_factory=dict)


class Choice(NamedTuple):
    """One way a pathology can show, and how often."""

    share: float
    make: Callable[[np.random.Generator, Heart, float], Finding]


def choose(rng: np.random.Generator, choices: tuple[Choice, ...]) -> Choice:
    """Draw one of the choices by its share."""
    shares = np.array([choice.share for choice in choices])
    return choices[int(rng.choice(len(choices), p=shares / shares.sum()))]


def draw_severity(rng: np.random.Generator, mild_share: float) -> float:
    """Severity: a mild part that overlaps with the normal, and a plain one."""
    if rng.random() < mild_share:
        return float(rng.uniform(0.10, 0.45))
    return float(rng.uniform(0.45, 1.25))


def likelihood(rng: np.random.Generator, severity: float) -> float:
    """PTB-XL's likelihoods: 100 when plain, 80, 50 or 35 when the reader doubted."""
    doubt = severity + rng.normal(0, 0.15)
    return 100.0 if doubt > 0.55 else 80.0 if doubt > 0.35 else 50.0 if doubt > 0.2 else 35.0


def unit(x: float, y: float, z: float) -> FloatArray:
    """A direction of length one."""
    vector = np.array([x, y, z])
    direction: FloatArray = vector / np.linalg.norm(vector)
    return direction

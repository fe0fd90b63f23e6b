"""A planted shortcut: an artefact in one lead that goes with a label.

A model that learns it looks good and has learnt nothing; an explanation that shows it is worth
having (Lapuschkin et al., *Unmasking Clever Hans predictors*, Nat. Commun. 10:1096, 2019).
"""

from dataclasses import dataclass

import numpy as np

from ecgcore.leads import INDEPENDENT
from ecgcore.simulate.dipole import FloatArray


@dataclass(frozen=True)
class Shortcut:
    """Which records get the artefact, and what it is.

    Parameters
    ----------
    condition
        One of :data:`ecgcore.simulate.cohort.CONDITIONS`, for example ``"MI"``.
    lead
        An independent lead (I, II, V1-V6), so that no other lead gets it through Einthoven's
        identities unless it is I or II.
    amplitude_mv, duration_s, frequency_hz
        A burst of a sine under a Gaussian envelope, once a record at a random place.
    share, share_others
        Probability of the artefact with the condition, and without it.
    """

    condition: str
    lead: str = "V6"
    amplitude_mv: float = 0.15
    duration_s: float = 0.6
    frequency_hz: float = 25.0
    share: float = 0.95
    share_others: float = 0.05


def plant(
    rng: np.random.Generator, shortcut: Shortcut, rate_hz: float, n_samples: int
) -> FloatArray:
    """The artefact in mV, shape ``(8, sample)``."""
    time_s = np.arange(n_samples) / rate_hz
    centre_s = rng.uniform(1.0, time_s[-1] - 1.0)
    envelope = np.exp(-0.5 * np.square((time_s - centre_s) / (shortcut.duration_s / 4)))
    out = np.zeros((len(INDEPENDENT), n_samples))
    out[INDEPENDENT.index(shortcut.lead)] = (
        shortcut.amplitude_mv
        * envelope
        * np.sin(2 * np.pi * shortcut.frequency_hz * (time_s - centre_s))
    )
    return out

"""A planted shortcut: an artefact in one lead that goes with a label.

A model that learns it looks good and has learnt nothing; an explanation that shows it is worth
having (Lapuschkin et al., *Unmasking Clever Hans predictors*, Nat. Commun. 10:1096, 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import EcgcoreError
from ecgcore.leads import INDEPENDENT, twelve_from_eight
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


def planted(
    shortcut: Shortcut,
    ecg_ids: Sequence[int] | NDArray[np.integer],
    is_positive: Sequence[int] | NDArray[np.integer],
    *,
    rate_hz: float,
    n_samples: int,
    seed: int,
) -> NDArray[np.float32]:
    """The artefact for records of any archive, real ones too, by their label.

    Parameters
    ----------
    shortcut
        Its ``condition`` is not looked at: positives get the artefact with probability ``share``,
        negatives with ``share_others``.
    ecg_ids, is_positive
        Records and their labels; a record's artefact depends on its id and the seed alone.

    Returns
    -------
    array
        To be added to the signals, mV, shape ``(record, 12, sample)``; 0 where nothing is planted.
    """
    if shortcut.lead not in INDEPENDENT:
        raise EcgcoreError(
            f"shortcut.lead: expected one of {', '.join(INDEPENDENT)}, got {shortcut.lead!r}."
        )
    added = np.zeros((len(ecg_ids), 12, n_samples), np.float32)
    for row, (ecg_id, label) in enumerate(zip(ecg_ids, is_positive, strict=True)):
        rng = np.random.default_rng([seed, 5, int(ecg_id)])
        if rng.random() < (shortcut.share if label else shortcut.share_others):
            added[row] = twelve_from_eight(plant(rng, shortcut, rate_hz, n_samples))
    return added

"""A planted shortcut: an artefact in one lead that goes with a label.

A model that learns the artefact scores well and has learned nothing about the heart. An explanation
that shows the artefact is worth having (Lapuschkin et al., *Unmasking Clever Hans predictors*, Nat.
Commun. 10:1096, 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgcore.arrays import Floats32, Ints
from ecgcore.errors import EcgcoreError
from ecgcore.leads import INDEPENDENT, LEADS, twelve_from_eight


@dataclass(frozen=True)
class Shortcut:
    """Which records get the artefact, and what it looks like.

    Parameters
    ----------
    condition
        One of :data:`ecgsim.cohort.CONDITIONS`, for example ``"MI"``.
    lead
        An independent lead (I, II, V1-V6). An artefact in I or II reaches the other limb leads
        through Einthoven's identities; one in V1-V6 stays in its lead.
    amplitude_mv, duration_s, frequency_hz
        A burst of a sine under a Gaussian envelope, once per record at a random place.
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

    def share_of(self, condition: str) -> float:
        """Return the probability of the artefact in a record with this leading condition."""
        return self.share if condition == self.condition else self.share_others


def shortcut_artefact(
    rng: np.random.Generator, shortcut: Shortcut, rate_hz: float, n_samples: int
) -> Floats32:
    """Return the artefact of one record in mV, shape ``(8, sample)``."""
    time_s = np.arange(n_samples) / rate_hz
    centre_s = rng.uniform(1.0, time_s[-1] - 1.0)
    envelope = np.exp(-0.5 * np.square((time_s - centre_s) / (shortcut.duration_s / 4)))
    out = np.zeros((len(INDEPENDENT), n_samples), dtype=np.float32)
    sine = np.sin(2 * np.pi * shortcut.frequency_hz * (time_s - centre_s))
    out[INDEPENDENT.index(shortcut.lead)] = shortcut.amplitude_mv * envelope * sine
    return out


def plant_shortcut(
    shortcut: Shortcut,
    ecg_ids: Sequence[int] | Ints,
    is_positive: Sequence[int] | Ints,
    *,
    rate_hz: float,
    n_samples: int,
    seed: int,
) -> Floats32:
    """Return the artefact for records of any archive, real or simulated, by their label.

    Parameters
    ----------
    shortcut
        Its ``condition`` is ignored: positive records get the artefact with probability ``share``,
        negative ones with ``share_others``.
    ecg_ids, is_positive
        Records and their labels; the artefact of a record depends on its id and the seed alone.

    Returns
    -------
    array
        To be added to the signals, mV, shape ``(record, 12, sample)``; 0 where nothing is planted.

    Raises
    ------
    EcgcoreError
        ``shortcut.lead`` is not an independent lead.
    """
    if shortcut.lead not in INDEPENDENT:
        raise EcgcoreError(
            f"shortcut.lead: expected one of {', '.join(INDEPENDENT)}, got {shortcut.lead!r}."
        )
    added = np.zeros((len(ecg_ids), len(LEADS), n_samples), np.float32)
    for row, (ecg_id, label) in enumerate(zip(ecg_ids, is_positive, strict=True)):
        rng = np.random.default_rng([seed, 5, int(ecg_id)])
        if rng.random() < (shortcut.share if label else shortcut.share_others):
            added[row] = twelve_from_eight(shortcut_artefact(rng, shortcut, rate_hz, n_samples))
    return added

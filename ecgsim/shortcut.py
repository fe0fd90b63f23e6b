"""A planted shortcut: an artefact in one lead that goes with a label.

A model that learns the artefact scores well and has learned nothing about the heart. An explanation
that shows the artefact is worth having (Lapuschkin et al., *Unmasking Clever Hans predictors*, Nat.
Commun. 10:1096, 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgcore.arrays import Floats32, Ints
from ecgcore.leads import INDEPENDENT, LEADS, twelve_from_eight


@dataclass(frozen=True)
class Shortcut:
    """A burst of a sine under a Gaussian envelope, once per record at a random time.

    ``lead`` is an independent lead (I, II, V1-V6). An artefact in I or II reaches the other limb
    leads through Einthoven's identities; one in V1-V6 stays in its lead.
    """

    lead: str = "V6"
    amplitude_mv: float = 0.15
    duration_s: float = 0.6
    frequency_hz: float = 25.0
    share: float = 0.95  # probability of the artefact in a positive record
    share_others: float = 0.05  # and in a negative one


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
    """Return the artefacts of records by their label, to be added to the signals of any archive.

    mV, shape ``(record, 12, sample)``; 0 in a record without the artefact. The artefact of a record
    depends on its id, its label and the seed alone.
    """
    added = np.zeros((len(ecg_ids), len(LEADS), n_samples), np.float32)
    for row, (ecg_id, label) in enumerate(zip(ecg_ids, is_positive, strict=True)):
        rng = np.random.default_rng([seed, 5, int(ecg_id)])
        if rng.random() < (shortcut.share if label else shortcut.share_others):
            added[row] = twelve_from_eight(shortcut_artefact(rng, shortcut, rate_hz, n_samples))
    return added

"""Noise of one kind and a given strength, laid over records that are already there.

For stress tests: the noise is that of :mod:`ecgcore.simulate.noise`, arises at nine electrodes and
so obeys the identities that bind the leads, real records or simulated.
"""

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import EcgcoreError
from ecgcore.leads import twelve_from_eight
from ecgcore.simulate import noise
from ecgcore.simulate.dipole import FloatArray

KINDS = ("muscle", "baseline", "mains", "motion")
"""Muscle activity (from 20 Hz), wander (below 0.5 Hz), mains hum (50 Hz), pulled electrodes."""

MAINS_HZ = 50.0
_PULLS = 3  # electrodes that are pulled in one record


def add_noise(
    signals_mv: NDArray[np.float32], rate_hz: float, kind: str, snr_db: float, *, seed: int
) -> NDArray[np.float32]:
    """Records with noise at a signal-to-noise ratio.

    The ratio is that of powers: variance of the record against variance of the noise, each
    averaged over the twelve leads, record by record.  The same seed draws the same noise at every
    strength, so that strengths can be compared pair by pair.

    Parameters
    ----------
    signals_mv
        Shape (record, 12, sample), mV; left as it is.
    rate_hz
        Their sampling rate; noise of muscles needs some 250 Hz to be whole.
    kind
        One of :data:`KINDS`.
    snr_db
        Signal-to-noise ratio in decibels.

    Raises
    ------
    EcgcoreError
        Unknown kind, or records without twelve leads.
    """
    if kind not in KINDS:
        raise EcgcoreError(f"kind: there is no noise {kind!r}; expected one of {', '.join(KINDS)}.")
    if signals_mv.ndim != 3 or signals_mv.shape[1] != 12:
        raise EcgcoreError(
            f"signals_mv: has shape {signals_mv.shape}; expected (record, 12 leads, sample)."
        )
    noisy = np.array(signals_mv, dtype=np.float32)
    for number, record in enumerate(noisy):
        rng = np.random.default_rng([seed, number])
        added = twelve_from_eight(noise.TO_LEADS @ _at_electrodes(kind, rng, rate_hz, record.shape))
        power = float(record.var(axis=-1).mean()) / 10 ** (snr_db / 10)
        record += (added * np.sqrt(power / added.var(axis=-1).mean())).astype(np.float32)
    return noisy


def _at_electrodes(
    kind: str, rng: np.random.Generator, rate_hz: float, shape: tuple[int, ...]
) -> FloatArray:
    """Noise at the nine electrodes, shape (electrode, sample), of any strength."""
    n_samples = shape[-1]
    time_s = np.arange(n_samples) / rate_hz
    if kind == "muscle":
        strength = noise.join_slow(noise.swell(rng, noise.slow_times_s(time_s)), n_samples)
        return np.asarray(noise.muscle_noise(rng, n_samples, rate_hz) * strength, dtype=float)
    if kind == "baseline":
        slow = noise.wander(rng, noise.slow_times_s(time_s))
        return np.asarray(noise.join_slow(slow, n_samples), dtype=float)
    if kind == "mains":
        coupling, hum = noise.mains_hum(rng, time_s, MAINS_HZ)
        return np.asarray(coupling * hum, dtype=float)
    pulled = np.zeros((noise.N_ELECTRODES, n_samples))
    for electrode in rng.choice(noise.N_ELECTRODES, _PULLS, replace=False):
        pulled[electrode] += noise.motion(rng, time_s)
    return pulled

"""Atrial fibrillation: f waves instead of P.

References
----------
- Stridh and Sornmo, *Spatiotemporal QRST cancellation techniques for analysis of atrial
  fibrillation*, IEEE TBME 48, 2001: sawtooth with harmonics, modulated in frequency and amplitude.
- Petrenas et al., *Electrocardiogram modeling during paroxysmal atrial fibrillation*, Front.
  Physiol. 8:690, 2017, and Bachi et al. 2023: RMS of 15-45 (x), 15-40 (y), 25-70 (z) microvolts,
  3-7 Hz, band noise beside the sawtooth (50/25/25 %), V1 largest.
- Cheng et al. 2013: V1 0.116 +- 0.031 to 0.148 +- 0.047 mV peak to peak; coarse (at least 0.1 mV)
  in about a third of patients.
"""

import numpy as np

from ecgcore.arrays import Floats
from ecgsim.dipole import N_SAMPLES, RATE_HZ

HARMONICS = np.array([1.0, 0.5, 0.33])
AXIS_RMS_MV = np.array([0.024, 0.026, 0.052])
LEAD_GAINS = np.array([1.0, 1.0, 1.0, 0.55, 0.42, 0.42, 0.42, 0.5])
"""Factors on Dower's matrix, for I, II, V1-V6: the atria lie close to V1, so V2-V6 see less of
them (factors 1.5, 1.2, 0.8, 0.5, 0.4, 0.3 for V1-V6 in Bachi et al. 2023)."""
MODULATION_HZ = 0.2
FREQUENCY_DEVIATION_HZ = 0.25
AMPLITUDE_DEPTH = 1 / 3


def f_waves(rng: np.random.Generator, coarseness: float, frequency_hz: float) -> Floats:
    """Draw the fibrillatory activity of the atria as a dipole: mV, shape ``(3, N_SAMPLES)``, Frank.

    ``coarseness`` multiplies the mean RMS of each axis: below 0.5 fine (hard to see), above 1.3
    coarse. ``frequency_hz`` is the dominant atrial frequency, 4 to 9 Hz.
    """
    time_s = np.arange(N_SAMPLES) / RATE_HZ
    angle = 2 * np.pi * MODULATION_HZ * time_s
    wobble = np.sin(angle + rng.uniform(0, 2 * np.pi))
    phase = 2 * np.pi * frequency_hz * time_s + FREQUENCY_DEVIATION_HZ / MODULATION_HZ * wobble
    wander = np.cumsum(_band_noise(rng, 1, 0.1, 1.5)) / RATE_HZ
    phase = phase + 2 * np.pi * rng.uniform(0.3, 1.2) * wander
    swell = 1 + AMPLITUDE_DEPTH * np.sin(angle + rng.uniform(0, 2 * np.pi, (3, 1)))
    tooth = np.zeros((3, N_SAMPLES))
    shift = rng.uniform(-0.6, 0.6, (3, 1)) + np.array([[0.0], [0.3], [1.2]])
    for order, weight in enumerate(HARMONICS, start=1):
        tooth += weight * np.sin(order * (phase + shift)) / order
    tooth = _unit_rms(tooth * swell)
    low = _band_noise(rng, 3, 0.6 * frequency_hz, frequency_hz)
    high = _band_noise(rng, 3, frequency_hz, 1.4 * frequency_hz)
    mixed = _unit_rms(np.sqrt(0.5) * tooth + 0.5 * low + 0.5 * high)
    rms_mv = coarseness * AXIS_RMS_MV * np.exp(rng.normal(0, 0.2, 3))
    return mixed * rms_mv[:, None]


def _unit_rms(signal: Floats) -> Floats:
    scaled: Floats = signal / np.sqrt(np.mean(np.square(signal), axis=-1, keepdims=True))
    return scaled


def _band_noise(rng: np.random.Generator, n_axes: int, low_hz: float, high_hz: float) -> Floats:
    """Return Gaussian noise between two frequencies, unit RMS, shape (axis, sample)."""
    spectrum = np.zeros((n_axes, N_SAMPLES // 2 + 1), dtype=complex)
    first, last = (round(edge_hz * N_SAMPLES / RATE_HZ) for edge_hz in (low_hz, high_hz))
    real, imaginary = rng.standard_normal((2, n_axes, last - first + 1))
    spectrum[:, first : last + 1] = real + 1j * imaginary
    return _unit_rms(np.fft.irfft(spectrum, N_SAMPLES, axis=-1))

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

from ecgcore.simulate.dipole import FloatArray

HARMONICS = np.array([1.0, 0.5, 0.33])
AXIS_RMS_MV = np.array([0.024, 0.026, 0.052])
LEAD_GAINS = np.array([1.0, 1.0, 1.0, 0.55, 0.42, 0.42, 0.42, 0.5])
"""On top of Dower's matrix, for I, II, V1-V6: the atria lie close to V1, so that V2-V6 see less of
them (factors 1.5, 1.2, 0.8, 0.5, 0.4, 0.3 for V1-V6 in Bachi et al. 2023)."""
MODULATION_HZ = 0.2
FREQUENCY_DEVIATION_HZ = 0.25
AMPLITUDE_DEPTH = 1 / 3


def f_waves(
    rng: np.random.Generator,
    coarseness: float,
    frequency_hz: float,
    rate_hz: float,
    n_samples: int,
) -> FloatArray:
    """Fibrillatory activity of the atria as a dipole.

    Parameters
    ----------
    coarseness
        Multiplies the mean RMS of each axis: below 0.5 fine (hard to see), above 1.3 coarse.
    frequency_hz
        Dominant atrial frequency, 4 to 9 Hz.

    Returns
    -------
    array
        mV, shape ``(3, sample)``, Frank axes.
    """
    time_s = np.arange(n_samples) / rate_hz
    wobble = rng.uniform(0, 2 * np.pi)
    phase = 2 * np.pi * frequency_hz * time_s + (FREQUENCY_DEVIATION_HZ / MODULATION_HZ) * np.sin(
        2 * np.pi * MODULATION_HZ * time_s + wobble
    )
    wander = np.cumsum(_slow_noise(rng, n_samples, rate_hz, 1.5)) / rate_hz
    phase = phase + 2 * np.pi * rng.uniform(0.3, 1.2) * wander
    swell = 1 + AMPLITUDE_DEPTH * np.sin(
        2 * np.pi * MODULATION_HZ * time_s + rng.uniform(0, 2 * np.pi, (3, 1))
    )
    tooth = np.zeros((3, n_samples))
    shift = rng.uniform(-0.6, 0.6, (3, 1)) + np.array([[0.0], [0.3], [1.2]])
    for order, weight in enumerate(HARMONICS, start=1):
        tooth += weight * np.sin(order * (phase + shift)) / order
    tooth = _unit_rms(tooth * swell)
    low = _band_noise(rng, n_samples, rate_hz, 0.6 * frequency_hz, frequency_hz)
    high = _band_noise(rng, n_samples, rate_hz, frequency_hz, 1.4 * frequency_hz)
    mixed = _unit_rms(np.sqrt(0.5) * tooth + 0.5 * low + 0.5 * high)
    rms_mv = coarseness * AXIS_RMS_MV * np.exp(rng.normal(0, 0.2, 3))
    dipole: FloatArray = mixed * rms_mv[:, None]
    return dipole


def _unit_rms(signal: FloatArray) -> FloatArray:
    scaled: FloatArray = signal / np.sqrt(np.mean(np.square(signal), axis=-1, keepdims=True))
    return scaled


def _band_noise(
    rng: np.random.Generator, n_samples: int, rate_hz: float, low_hz: float, high_hz: float
) -> FloatArray:
    spectrum = np.zeros((3, n_samples // 2 + 1), dtype=complex)
    first, last = (round(edge * n_samples / rate_hz) for edge in (low_hz, high_hz))
    n_lines = last - first + 1
    spectrum[:, first : last + 1] = rng.standard_normal((3, n_lines)) + 1j * rng.standard_normal(
        (3, n_lines)
    )
    return _unit_rms(np.fft.irfft(spectrum, n_samples, axis=-1))


def _slow_noise(
    rng: np.random.Generator, n_samples: int, rate_hz: float, below_hz: float
) -> FloatArray:
    spectrum = np.zeros(n_samples // 2 + 1, dtype=complex)
    last = round(below_hz * n_samples / rate_hz)
    spectrum[1 : last + 1] = rng.standard_normal(last) + 1j * rng.standard_normal(last)
    return _unit_rms(np.fft.irfft(spectrum, n_samples))

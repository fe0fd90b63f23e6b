"""What the electrodes pick up besides the heart.

Noise arises at nine electrodes (RA, LA, LL, V1-V6) and reaches the leads as the heart does, through
I = LA - RA, II = LL - RA and Wilson's terminal; so the lead identities hold for it too.

Defaults: baseline wander below 0.5 Hz, muscle noise from about 20 Hz with slowly changing strength
(Bachi et al., IEEE TBME 2023: 0.15 and 0.01 mV RMS at most by default), mains of 0.005-0.05 mV.
Levels vary between records by a log-normal factor, since real archives hold clean and poor records.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ecgcore.simulate.dipole import FloatArray

TO_LEADS: FloatArray = np.zeros((8, 9))
"""From nine electrodes to the eight independent leads."""
TO_LEADS[0, [1, 0]] = 1.0, -1.0
TO_LEADS[1, [2, 0]] = 1.0, -1.0
TO_LEADS[2:, 3:] = np.eye(6)
TO_LEADS[2:, :3] = -1.0 / 3.0

N_ELECTRODES = 9


@dataclass(frozen=True)
class NoiseLevels:
    """Typical noise of an archive; each level is a median over records, RMS at one electrode.

    Parameters
    ----------
    baseline_mv, electrode_mv, muscle_mv, mains_mv, white_mv
        RMS of wander, electrode contact (about 1 to 12 Hz, the band of P and f waves), muscle
        activity, mains hum, and the amplifier's noise.
    spread
        Standard deviation of the natural logarithm of the levels between records.
    motion_share, burst_share, tremor_share
        Shares of records with an electrode that jumps, with a burst of muscle noise, and with a
        tremor of 4 to 6 Hz in one limb, which passes for f waves.
    mains_hz
        50 or 60.
    """

    baseline_mv: float = 0.035
    electrode_mv: float = 0.015
    muscle_mv: float = 0.008
    mains_mv: float = 0.002
    white_mv: float = 0.002
    spread: float = 0.85
    motion_share: float = 0.06
    burst_share: float = 0.08
    tremor_share: float = 0.05
    mains_hz: float = 50.0

    def times(self, factor: float) -> "NoiseLevels":
        """All levels multiplied; shares stay."""
        return replace(
            self,
            baseline_mv=self.baseline_mv * factor,
            electrode_mv=self.electrode_mv * factor,
            muscle_mv=self.muscle_mv * factor,
            mains_mv=self.mains_mv * factor,
            white_mv=self.white_mv * factor,
        )


SILENT = NoiseLevels(0.0, 0.0, 0.0, 0.0, 0.0, motion_share=0.0, burst_share=0.0, tremor_share=0.0)
"""No noise at all, for measuring what the heart does."""


@dataclass(frozen=True)
class Noise:
    """Noise of one record: everlasting, and passing (the distractors); mV, ``(8, sample)``."""

    background_mv: FloatArray
    passing_mv: FloatArray | None
    rms_mv: dict[str, float]
    n_bursts: int


def draw_noise(
    rng: np.random.Generator, levels: NoiseLevels, *, rate_hz: float, n_samples: int
) -> Noise:
    """Noise of one record at the eight independent leads."""
    names = ("baseline", "electrode", "muscle", "mains", "white")
    factors = np.exp(rng.normal(0, levels.spread, len(names)))
    rms_mv = {
        name: float(getattr(levels, f"{name}_mv") * factor)
        for name, factor in zip(names, factors, strict=True)
    }
    uneven = np.exp(rng.normal(0, 0.4, (N_ELECTRODES, 1)))
    time_s = np.arange(n_samples) / rate_hz
    muscle = muscle_noise(rng, n_samples, rate_hz)
    electrodes = join_slow(
        rms_mv["baseline"] * uneven * wander(rng, slow_times_s(time_s)), n_samples
    )
    electrodes += muscle * join_slow(
        rms_mv["muscle"] * uneven * swell(rng, slow_times_s(time_s)), n_samples
    )
    coupling, hum = mains_hum(rng, time_s, levels.mains_hz)
    electrodes += (rms_mv["mains"] * coupling) * hum
    electrodes += _steady(rng, rms_mv["white"], rms_mv["electrode"], n_samples, rate_hz)
    passing = np.zeros_like(electrodes)
    n_bursts = 0
    if rng.random() < levels.burst_share:
        electrode = rng.integers(N_ELECTRODES)
        passing[electrode] += _burst(rng, time_s, np.roll(muscle[electrode], n_samples // 3))
        n_bursts += 1
    if rng.random() < levels.motion_share:
        passing[rng.integers(N_ELECTRODES)] += motion(rng, time_s)
        n_bursts += 1
    if rng.random() < levels.tremor_share:
        passing[rng.integers(3)] += _tremor(rng, time_s)
        n_bursts += 1
    leads = TO_LEADS @ passing if n_bursts else None
    return Noise(TO_LEADS @ electrodes, leads, rms_mv, n_bursts)


SLOW_STEP = 20
"""What changes slower than 0.5 Hz is drawn at every 20th sample (25 Hz) and joined by lines: an
error below 0.2 %."""


def slow_times_s(time_s: FloatArray) -> FloatArray:
    """Instants at which what changes slowly is drawn."""
    step_s = SLOW_STEP * (time_s[1] - time_s[0])
    slow_s: FloatArray = np.arange(-(-len(time_s) // SLOW_STEP) + 1) * step_s
    return slow_s


def join_slow(values: NDArray[np.floating], n_samples: int) -> NDArray[np.float32]:
    """Join values at every 20th sample by lines; shape ``(electrode, sample)``."""
    knots: NDArray[np.float32] = values.astype(np.float32)
    share = (np.arange(SLOW_STEP) / SLOW_STEP).astype(np.float32)
    lines: NDArray[np.float32] = knots[:, :-1, None] + np.diff(knots, axis=1)[:, :, None] * share
    return lines.reshape(len(knots), -1)[:, :n_samples]


def wander(rng: np.random.Generator, time_s: FloatArray) -> FloatArray:
    """Breathing (common to all electrodes in part) and slow drift of each."""
    frequency_hz = np.concatenate([rng.uniform(0.03, 0.15, 2), rng.uniform(0.15, 0.5, 3)])
    phase = 2 * np.pi * (frequency_hz[:, None] * time_s + rng.random((5, 1)))
    strength = rng.standard_normal((N_ELECTRODES, 10)) + 0.6 * rng.standard_normal((1, 10))
    wander: FloatArray = 0.35 * strength @ np.concatenate([np.sin(phase), np.cos(phase)])
    return wander


def _unit_rms(shape: FloatArray, n_samples: int) -> NDArray[np.float32]:
    """Scale an amplitude spectrum so that complex normal lines give noise of unit RMS."""
    scaled: NDArray[np.float32] = (shape * n_samples / 2).astype(np.float32)
    return scaled / np.float32(np.sqrt(np.sum(np.square(shape))))


@cache
def _muscle_spectrum(n_samples: int, rate_hz: float) -> NDArray[np.float32]:
    frequency_hz = np.fft.rfftfreq(n_samples, 1 / rate_hz)
    rising = 1 / (1 + (20 / np.maximum(frequency_hz, 0.1)) ** 4)
    shape = np.sqrt(rising / (1 + (frequency_hz / 90) ** 4))
    return _unit_rms(shape, n_samples)


@cache
def _electrode_spectrum(n_samples: int, rate_hz: float) -> NDArray[np.float32]:
    """Pink from 0.7 Hz, falling faster above 8 Hz, as electrode motion in the Noise Stress Test
    Database (Moody et al. 1984)."""
    frequency_hz = np.maximum(np.fft.rfftfreq(n_samples, 1 / rate_hz), 0.05)
    shape = frequency_hz**-0.5 / np.sqrt(1 + (0.7 / frequency_hz) ** 4)
    shape /= np.sqrt(1 + (frequency_hz / 8) ** 4)
    return _unit_rms(shape, n_samples)


def _coloured(
    rng: np.random.Generator, spectrum: NDArray[np.float32], n_samples: int
) -> NDArray[np.float32]:
    """Gaussian noise, shape ``(electrode, sample)``."""
    pairs = rng.standard_normal((N_ELECTRODES, len(spectrum), 2), dtype=np.float32)
    lines = pairs.view(np.complex64)[..., 0] * spectrum
    return np.asarray(scipy.fft.irfft(lines, n_samples, axis=-1), dtype=np.float32)


def muscle_noise(rng: np.random.Generator, n_samples: int, rate_hz: float) -> NDArray[np.float32]:
    """Band noise from 20 Hz, falling above 90 Hz; unit RMS."""
    return _coloured(rng, _muscle_spectrum(n_samples, rate_hz), n_samples)


def _steady(
    rng: np.random.Generator, white_mv: float, electrode_mv: float, n_samples: int, rate_hz: float
) -> NDArray[np.float32]:
    """The amplifier's white noise and that of the electrodes' contact, in one go."""
    contact = electrode_mv * _electrode_spectrum(n_samples, rate_hz)
    white = white_mv * np.sqrt(n_samples / 2)
    return _coloured(rng, np.sqrt(contact**2 + np.float32(white**2)), n_samples)


def swell(rng: np.random.Generator, time_s: FloatArray) -> FloatArray:
    """Muscles tense and relax over seconds."""
    angle = 2 * np.pi * (rng.uniform(0.05, 0.3) * time_s + rng.random((N_ELECTRODES, 1)))
    return np.exp(0.5 * np.sin(angle)) / 1.06


def mains_hum(
    rng: np.random.Generator, time_s: FloatArray, mains_hz: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hum and its third harmonic; each electrode couples by its own amount."""
    hum = np.sin(2 * np.pi * (mains_hz + rng.normal(0, 0.02)) * time_s)
    third = np.sin(2 * np.pi * 3 * mains_hz * time_s + rng.uniform(0, 2 * np.pi))
    coupling = np.abs(rng.standard_normal((N_ELECTRODES, 1)))
    return coupling.astype(np.float32), (1.35 * hum + 0.3 * third).astype(np.float32)


def _burst(rng: np.random.Generator, time_s: FloatArray, muscle: NDArray[np.float32]) -> FloatArray:
    """Strong muscle activity at one electrode for 0.3 to 1.5 s."""
    centre_s, half_s = rng.uniform(0, time_s[-1]), rng.uniform(0.15, 0.75)
    envelope = np.exp(-0.5 * np.square(np.square((time_s - centre_s) / half_s)))
    burst: FloatArray = rng.uniform(0.05, 0.25) * envelope * muscle
    return burst


def motion(rng: np.random.Generator, time_s: FloatArray) -> FloatArray:
    """An electrode is pulled: a quick rise and a slow return."""
    start_s, decay_s = rng.uniform(0, time_s[-1] - 0.5), rng.uniform(0.1, 0.5)
    after_s = np.maximum(time_s - start_s, 0)
    height_mv = rng.choice([-1, 1]) * rng.uniform(0.2, 0.9)
    pull: FloatArray = height_mv * (np.exp(-after_s / decay_s) - np.exp(-after_s / 0.03))
    return pull


def _tremor(rng: np.random.Generator, time_s: FloatArray) -> FloatArray:
    """Parkinsonian tremor, 4 to 6 Hz, coming and going: a known mimic of atrial
    flutter and fibrillation in the limb leads."""
    frequency_hz, swell_hz = rng.uniform(4, 6), rng.uniform(0.08, 0.25)
    phase = 2 * np.pi * frequency_hz * time_s + 0.8 * np.sin(2 * np.pi * 0.3 * time_s)
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * swell_hz * time_s + rng.uniform(0, 2 * np.pi))
    return rng.uniform(0.02, 0.09) * swell * (np.sin(phase) + 0.3 * np.sin(2 * phase))

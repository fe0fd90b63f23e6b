"""What the electrodes pick up besides the heart.

Noise arises at nine electrodes (RA, LA, LL, V1-V6) and reaches the leads as the heart does, through
I = LA - RA, II = LL - RA and Wilson's terminal; so the lead identities hold for it too, even
in real records to which :func:`add_noise` adds it.

Baseline wander lies below 0.5 Hz; muscle noise starts at about 20 Hz and its strength changes
slowly (Bachi et al., IEEE TBME 2023). Levels and their spread between records were set to the
spectra of 500 raw records of PTB-XL: above 60 Hz, between the QRS complexes, these have about 0.002
mV RMS; the rest lies in the QRS complexes.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.fft

from ecgcore.arrays import Floats, Floats32, Signals
from ecgcore.errors import EcgcoreError, check_choice
from ecgcore.leads import LEADS, twelve_from_eight
from ecgsim.devices import DEVICES, Device
from ecgsim.dipole import N_SAMPLES, RATE_HZ

TO_LEADS: Floats = np.zeros((8, 9))
"""From nine electrodes to the eight independent leads."""
TO_LEADS[0, [1, 0]] = 1.0, -1.0
TO_LEADS[1, [2, 0]] = 1.0, -1.0
TO_LEADS[2:, 3:] = np.eye(6)
TO_LEADS[2:, :3] = -1.0 / 3.0
_TO_LEADS_32 = TO_LEADS.astype(np.float32)

N_ELECTRODES, MAINS_HZ = 9, 50.0


@dataclass(frozen=True)
class NoiseLevels:
    """Typical noise of an archive; each level is a median over records, RMS at one electrode."""

    baseline_mv: float = 0.045  # wander
    electrode_mv: float = 0.015  # contact noise, about 1 to 12 Hz: the band of P and f waves
    muscle_mv: float = 0.0034
    mains_mv: float = 0.0012
    white_mv: float = 0.0007  # noise floor of the amplifier
    offset_mv: float = 0.004  # standard deviation of the offset that AC coupling leaves in a lead
    spread: float = 0.50  # standard deviation of the natural logarithm of levels between records
    motion_share: float = 0.06  # share of records with an electrode that jumps
    burst_share: float = 0.08  # share of records with a burst of muscle noise
    tremor_share: float = 0.05  # share of records with a tremor of 4 to 6 Hz, which mimics f waves


NO_NOISE = NoiseLevels(*[0.0] * 10)
"""No noise at all, to measure the heart alone."""


@dataclass(frozen=True)
class Noise:
    """Noise of one record: lasting noise, and passing noise (distractors), mV, ``(8, sample)``.

    ``offset_mv`` is the constant offset of each lead, shape ``(8,)``; ``rms_mv`` holds the level of
    each kind of noise.
    """

    background_mv: Floats32
    passing_mv: Floats32 | None
    offset_mv: Floats
    rms_mv: dict[str, float]


def draw_noise(rng: np.random.Generator, levels: NoiseLevels, device: Device) -> Noise:
    """Draw the noise of one record around typical levels, at the eight independent leads.

    The low-pass filter, noise floor and mains pickup of the device shape the noise.
    """
    rms_mv = _draw_levels(rng, levels, device)
    uneven = np.exp(rng.normal(0, 0.4, (N_ELECTRODES, 1)))
    time_s = np.arange(N_SAMPLES) / RATE_HZ
    slow_s = slow_times_s(N_SAMPLES, RATE_HZ)
    muscle = muscle_noise(rng, N_SAMPLES, RATE_HZ, device)
    tension = rms_mv["muscle"] * uneven * muscle_tension(rng, slow_s)
    electrodes = interpolate_slow(rms_mv["baseline"] * uneven * wander(rng, slow_s), N_SAMPLES)
    electrodes += muscle * interpolate_slow(tension, N_SAMPLES)
    coupling, hum = mains_pickup(rng, time_s, device)
    electrodes += (np.float32(rms_mv["mains"]) * coupling) * hum
    contact, floor = _steady_spectra(device)
    contact, floor = np.float32(rms_mv["electrode"]) * contact, np.float32(rms_mv["white"]) * floor
    electrodes += _gaussian_noise(rng, np.hypot(contact, floor), N_SAMPLES)
    passing = _passing_noise(rng, levels, time_s, muscle)
    return Noise(
        background_mv=_TO_LEADS_32 @ electrodes,
        passing_mv=None if passing is None else _TO_LEADS_32 @ passing,
        offset_mv=levels.offset_mv * rng.standard_normal(len(TO_LEADS)),
        rms_mv=rms_mv,
    )


def _draw_levels(rng: np.random.Generator, levels: NoiseLevels, device: Device) -> dict[str, float]:
    """Return the levels of one record, RMS in mV at one electrode."""
    factors = np.exp(rng.normal(0, levels.spread, 5)).tolist()
    # Amplifiers of one type differ less than the skin and the muscles of the patients.
    floor_factor = device.floor_factor * factors[4] ** 0.5
    return {
        "baseline": levels.baseline_mv * factors[0],
        "electrode": levels.electrode_mv * factors[1],
        "muscle": levels.muscle_mv * factors[2],
        "mains": levels.mains_mv * factors[3] * device.mains_factor,
        "white": levels.white_mv * floor_factor,
    }


def _passing_noise(
    rng: np.random.Generator, levels: NoiseLevels, time_s: Floats, muscle: Floats32
) -> Floats32 | None:
    """Return noise of a few seconds at single electrodes, None if the record has none."""
    shares = (levels.burst_share, levels.motion_share, levels.tremor_share)
    has_burst, has_motion, has_tremor = rng.random(3) < shares
    if not (has_burst or has_motion or has_tremor):
        return None
    passing = np.zeros((N_ELECTRODES, len(time_s)), dtype=np.float32)
    if has_burst:
        electrode = rng.integers(N_ELECTRODES)
        passing[electrode] += _burst(rng, time_s, np.roll(muscle[electrode], len(time_s) // 3))
    if has_motion:
        passing[rng.integers(N_ELECTRODES)] += motion(rng, time_s)
    if has_tremor:
        passing[rng.integers(3)] += _tremor(rng, time_s)
    return passing


SLOW_STEP = 20
"""Slow changes (below 0.5 Hz) are computed at every 20th sample (25 Hz) and interpolated
linearly, with an error below 0.2 %."""


def slow_times_s(n_samples: int, rate_hz: float) -> Floats:
    """Return the instants at which slow changes are computed."""
    return np.arange(-(-n_samples // SLOW_STEP) + 1, dtype=float) * (SLOW_STEP / rate_hz)


def interpolate_slow(values: Signals, n_samples: int) -> Floats32:
    """Interpolate values at every 20th sample linearly; returns shape ``(electrode, sample)``."""
    knots: Floats32 = values.astype(np.float32)
    share = (np.arange(SLOW_STEP) / SLOW_STEP).astype(np.float32)
    lines: Floats32 = knots[:, :-1, None] + np.diff(knots, axis=1)[:, :, None] * share
    return lines.reshape(len(knots), -1)[:, :n_samples]


def wander(rng: np.random.Generator, time_s: Floats) -> Floats:
    """Return baseline wander: respiration (partly common to all electrodes) and slow drift."""
    frequency_hz = np.concatenate([rng.uniform(0.03, 0.15, 2), rng.uniform(0.15, 0.5, 3)])
    phase = 2 * np.pi * (frequency_hz[:, None] * time_s + rng.random((5, 1)))
    strength = rng.standard_normal((N_ELECTRODES, 10)) + 0.6 * rng.standard_normal((1, 10))
    sines: Floats = 0.35 * strength @ np.concatenate([np.sin(phase), np.cos(phase)])
    return sines


def _unit_rms(shape: Floats, n_samples: int) -> Floats32:
    """Scale an amplitude spectrum so that lines of unit variance give noise of unit RMS."""
    scaled: Floats32 = (shape * n_samples / 2).astype(np.float32)
    return scaled / np.float32(np.sqrt(np.sum(np.square(shape))))


@cache
def _muscle_spectrum(n_samples: int, rate_hz: float, device: Device) -> Floats32:
    frequency_hz = _frequencies_hz(n_samples, rate_hz)
    rising = 1 / (1 + (20 / np.maximum(frequency_hz, 0.1)) ** 4)
    shape = np.sqrt(rising / (1 + (frequency_hz / 45) ** 4))
    return _unit_rms(shape, n_samples) * device.response(frequency_hz).astype(np.float32)


@cache
def _steady_spectra(device: Device) -> tuple[Floats32, Floats32]:
    """Return the spectra of the electrodes' contact noise and of the amplifier's noise floor.

    Contact noise is pink from 0.7 Hz and falls faster above 8 Hz, like electrode motion in the
    Noise Stress Test Database (Moody et al. 1984). The floor is white before the device's filter.
    """
    frequency_hz = np.maximum(_frequencies_hz(N_SAMPLES, RATE_HZ), 0.05)
    shape = frequency_hz**-0.5 / np.sqrt(1 + (0.7 / frequency_hz) ** 4)
    shape /= np.sqrt(1 + (frequency_hz / 8) ** 4)
    floor = np.sqrt(N_SAMPLES / 2) * device.response(frequency_hz)
    return _unit_rms(shape, N_SAMPLES), floor.astype(np.float32)


def _frequencies_hz(n_samples: int, rate_hz: float) -> Floats:
    return np.asarray(np.fft.rfftfreq(n_samples, 1 / rate_hz), dtype=np.float64)


def _gaussian_noise(rng: np.random.Generator, spectrum: Floats32, n_samples: int) -> Floats32:
    """Return Gaussian noise with an amplitude spectrum, shape ``(electrode, sample)``.

    The lines of the spectrum are uniformly distributed, which is quicker to draw; a sum of
    thousands of them is Gaussian anyway.
    """
    pairs = rng.random((N_ELECTRODES, len(spectrum), 2), dtype=np.float32)
    pairs -= np.float32(0.5)
    lines = pairs.view(np.complex64)[..., 0] * (np.float32(np.sqrt(12)) * spectrum)
    return np.asarray(scipy.fft.irfft(lines, n_samples, axis=-1), dtype=np.float32)


def muscle_noise(
    rng: np.random.Generator, n_samples: int, rate_hz: float, device: Device = DEVICES[0]
) -> Floats32:
    """Return band noise from 20 Hz that falls above 45 Hz; unit RMS before the device's filter."""
    return _gaussian_noise(rng, _muscle_spectrum(n_samples, rate_hz, device), n_samples)


def muscle_tension(rng: np.random.Generator, time_s: Floats) -> Floats:
    """Return the slowly changing strength of muscle noise, about 1, ``(electrode, sample)``."""
    angle = 2 * np.pi * (rng.uniform(0.05, 0.3) * time_s + rng.random((N_ELECTRODES, 1)))
    return np.exp(0.5 * np.sin(angle)) / 1.06


def mains_pickup(
    rng: np.random.Generator, time_s: Floats, device: Device = DEVICES[0]
) -> tuple[Floats32, Floats32]:
    """Return how strongly each electrode picks up the mains, ``(electrode, 1)``, and the pickup
    itself with its third harmonic, ``(sample,)``."""
    phase = 2 * np.pi * (MAINS_HZ + rng.normal(0, 0.02)) * time_s
    third_phase = 2 * np.pi * 3 * MAINS_HZ * time_s + rng.uniform(0, 2 * np.pi)
    third_size = np.float32(0.3 * device.response(np.array(3 * MAINS_HZ)))
    hum = np.float32(1.35) * np.sin(phase.astype(np.float32))
    hum += third_size * np.sin(third_phase.astype(np.float32))
    coupling = np.abs(rng.standard_normal((N_ELECTRODES, 1)))
    return coupling.astype(np.float32), hum


def _burst(rng: np.random.Generator, time_s: Floats, muscle: Floats32) -> Floats:
    """Return strong muscle noise at one electrode for 0.3 to 1.5 s."""
    centre_s, half_s = rng.uniform(0, time_s[-1]), rng.uniform(0.15, 0.75)
    envelope = np.exp(-0.5 * np.square(np.square((time_s - centre_s) / half_s)))
    burst: Floats = rng.uniform(0.05, 0.25) * envelope * muscle
    return burst


def motion(rng: np.random.Generator, time_s: Floats) -> Floats:
    """Return the artefact of an electrode that is pulled: a quick rise and a slow return."""
    start_s, decay_s = rng.uniform(0, time_s[-1] - 0.5), rng.uniform(0.1, 0.5)
    after_s = np.maximum(time_s - start_s, 0)
    height_mv = rng.choice([-1, 1]) * rng.uniform(0.2, 0.9)
    pull: Floats = height_mv * (np.exp(-after_s / decay_s) - np.exp(-after_s / 0.03))
    return pull


def _tremor(rng: np.random.Generator, time_s: Floats) -> Floats:
    """Return a parkinsonian tremor of 4 to 6 Hz that comes and goes, a known mimic of atrial
    flutter and fibrillation in the limb leads."""
    frequency_hz, swell_hz = rng.uniform(4, 6), rng.uniform(0.08, 0.25)
    phase = 2 * np.pi * frequency_hz * time_s + 0.8 * np.sin(2 * np.pi * 0.3 * time_s)
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * swell_hz * time_s + rng.uniform(0, 2 * np.pi))
    return rng.uniform(0.02, 0.09) * swell * (np.sin(phase) + 0.3 * np.sin(2 * phase))


KINDS = ("muscle", "baseline", "mains", "motion")
"""Muscle noise (from 20 Hz), baseline wander (below 0.5 Hz), mains pickup (50 Hz), and electrodes
that are pulled."""


def add_noise(
    signals_mv: Floats32, rate_hz: float, kind: str, snr_db: float, *, seed: int
) -> Floats32:
    """Return records with added noise at a given signal-to-noise ratio.

    The ratio is one of powers: variance of the record over variance of the noise, each averaged
    over the twelve leads, record by record. The same seed gives the same noise at every strength,
    so that strengths can be compared in pairs.

    ``signals_mv``, shape (record, 12, sample), mV, is not changed; ``kind`` is one of
    :data:`KINDS`, of which muscle noise needs about 250 Hz to be complete. Raises ``EcgcoreError``
    if the kind is unknown or the records do not have twelve leads.
    """
    check_choice("kind", kind, KINDS)
    if signals_mv.ndim != 3 or signals_mv.shape[1] != len(LEADS):
        raise EcgcoreError(
            f"signals_mv: has shape {signals_mv.shape}; expected (record, 12 leads, sample)."
        )
    noisy = np.array(signals_mv, dtype=np.float32)
    for number, record in enumerate(noisy):
        rng = np.random.default_rng([seed, number])
        electrodes = _electrode_noise(kind, rng, rate_hz, record.shape[-1])
        added = twelve_from_eight(TO_LEADS @ electrodes)
        power = float(record.var(axis=-1).mean()) / 10 ** (snr_db / 10)
        record += (added * np.sqrt(power / added.var(axis=-1).mean())).astype(np.float32)
    return noisy


def _electrode_noise(kind: str, rng: np.random.Generator, rate_hz: float, n_samples: int) -> Floats:
    """Return noise at the nine electrodes, shape (electrode, sample), of any strength."""
    time_s = np.arange(n_samples) / rate_hz
    slow_s = slow_times_s(n_samples, rate_hz)
    if kind == "muscle":
        tension = interpolate_slow(muscle_tension(rng, slow_s), n_samples)
        return np.asarray(muscle_noise(rng, n_samples, rate_hz) * tension, dtype=float)
    if kind == "baseline":
        return np.asarray(interpolate_slow(wander(rng, slow_s), n_samples), dtype=float)
    if kind == "mains":
        coupling, hum = mains_pickup(rng, time_s)
        return np.asarray(coupling * hum, dtype=float)
    pulled = np.zeros((N_ELECTRODES, n_samples))
    for electrode in rng.choice(N_ELECTRODES, 3, replace=False):
        pulled[electrode] += motion(rng, time_s)
    return pulled

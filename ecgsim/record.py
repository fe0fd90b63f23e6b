"""One record: healthy heart, pathology, distractors and noise as separate parts, and their sum.

``signal = healthy + evidence - counterfactual + distractor + noise + coupling`` in every lead and
sample. Records are computed at 500 Hz with a margin on both sides, so that the anti-alias filter of
lower rates never sees an edge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.fft
from scipy.signal import firwin

from ecgcore.arrays import Adu, Floats, Floats32
from ecgcore.data import DURATION_S, GAIN, LAYERS
from ecgcore.leads import LEADS, LIMB, twelve_from_eight
from ecgsim.anatomy import Heart
from ecgsim.devices import DEVICES, Device
from ecgsim.dipole import ATRIAL, MARGIN_S, N_SAMPLES, RATE_HZ, VENTRICULAR, Beats, render
from ecgsim.fibrillation import LEAD_GAINS, f_waves
from ecgsim.finding import Finding
from ecgsim.noise import NoiseLevels, draw_noise
from ecgsim.rhythm import (
    add_ectopy,
    atrial_p,
    draw_breathing,
    fibrillation_r_s,
    join_r_s,
    make_beats,
    sinus_r_s,
    ventricular_beat,
)

SIGNS = {
    "healthy": 1,
    "evidence": 1,
    "evidence_st": 0,
    "evidence_t": 0,
    "evidence_q": 0,
    "counterfactual": -1,
    "distractor": 1,
    "noise": 1,
    "coupling": 1,
}
"""How each part enters the signal: added, subtracted, or (0) part of another part.

``evidence_st``, ``evidence_t`` and ``evidence_q`` are the shares of ``evidence`` that show ST
elevation or depression, T flattening or inversion, and Q waves with loss of R, of infarctions and
ST-T changes. ``coupling`` is the constant that the device's AC coupling removes per lead."""


@dataclass(frozen=True)
class Rhythm:
    """How a record beats.

    ``rr_cv`` is the coefficient of variation of RR. In ``episode_s`` (start and end, seconds from
    the first stored sample) the atria fibrillate; None means sinus rhythm throughout.
    """

    mean_rr_s: float
    rr_cv: float
    episode_s: tuple[float, float] | None = None
    sinus_rr_s: float = 0.8
    coarseness: float = 0.0
    atrial_hz: float = 0.0
    n_ectopic: int = 0
    ectopic_kind: int = VENTRICULAR


@dataclass(frozen=True)
class SimulatedRecord:
    """A record and its parts at 500 Hz with margins, mV, each ``(8, sample)``.

    ``parts`` holds ``signal`` and those of :data:`SIGNS` that exist; leads are
    :data:`ecgcore.leads.INDEPENDENT`. :meth:`at` returns what is stored.
    """

    parts: dict[str, Floats32]
    beats: Beats
    noise_rms_mv: dict[str, float]

    def at(self, rate_hz: int) -> dict[str, Adu]:
        """Return ``signal`` and the layers that exist, in adu (1000 per mV), ``(12, sample)``.

        I, II and V1-V6 are rounded; the other leads follow from the rounded ones, so III = II - I
        holds exactly and the augmented leads hold to half an adu.
        """
        stored = [name for name in ("signal", *LAYERS) if name in self.parts]
        # Evidence of a single sign is the same array under two names.
        distinct = {id(self.parts[name]): self.parts[name] for name in stored}
        adu = {key: _to_adu(_resample(part, rate_hz)) for key, part in distinct.items()}
        return {name: adu[id(self.parts[name])] for name in stored}


def simulate_record(
    rng: np.random.Generator,
    heart: Heart,
    rhythm: Rhythm,
    findings: Sequence[Finding],
    *,
    noise: NoiseLevels,
    device: Device = DEVICES[0],
) -> SimulatedRecord:
    """Compute one record: a heart, its rhythm, its pathologies, and noise of typical levels."""
    beats, matrix = _draw_beats(rng, heart, rhythm), heart.lead_matrix
    parts = {"healthy": render([*heart.p, *heart.qrs, *heart.t], beats, matrix)}
    parts |= _evidence(findings, beats, matrix)
    missing = [wave for finding in findings for wave in finding.counterfactual]
    if missing:
        parts["counterfactual"] = render(missing, beats, matrix)
    if rhythm.episode_s is not None:
        _fibrillate(rng, parts, heart, rhythm, beats)
    disturbance = draw_noise(rng, noise, device)
    parts["noise"] = disturbance.background_mv
    distractors = [] if disturbance.passing_mv is None else [disturbance.passing_mv]
    if (beats.kind == VENTRICULAR).any():
        distractors.append(render(ventricular_beat(rng), beats, matrix, VENTRICULAR))
    if (beats.kind == ATRIAL).any():
        distractors.append(render(atrial_p(rng, heart), beats, matrix, ATRIAL))
    if distractors:
        parts["distractor"] = sum(distractors[1:], start=distractors[0])
    total = np.zeros_like(parts["healthy"])
    for name in parts:
        if SIGNS[name]:
            total += parts[name] if SIGNS[name] > 0 else -parts[name]
    parts["coupling"] = _coupling(total, disturbance.offset_mv)
    parts["signal"] = total + parts["coupling"]
    return SimulatedRecord(parts, beats, disturbance.rms_mv)


def _coupling(total_mv: Floats32, offset_mv: Floats) -> Floats32:
    """Return what AC coupling adds: it removes the mean of the stored seconds but a small offset.

    It is a constant per lead; a real high-pass filter of 0.05 Hz would also tilt the baseline.
    """
    margin = round(MARGIN_S * RATE_HZ)
    mean_mv = total_mv[:, margin:-margin].mean(axis=1, dtype=np.float64)
    constant = (offset_mv - mean_mv).astype(np.float32)
    return np.broadcast_to(constant[:, None], total_mv.shape)


def _evidence(
    findings: Sequence[Finding], beats: Beats, lead_matrix: Floats
) -> dict[str, Floats32]:
    """Return the evidence of all findings, and the share of each ECG sign in it."""
    waves = [wave for finding in findings for wave in finding.evidence]
    parts = {
        f"evidence_{sign}" if sign else "evidence": render(group, beats, lead_matrix)
        for sign in ("st", "t", "q", "")
        if (group := [wave for wave in waves if wave.sign == sign])
    }
    if parts:
        first, *others = parts.values()
        parts["evidence"] = sum(others, start=first)
    return parts


def _fibrillate(
    rng: np.random.Generator, parts: dict[str, Floats32], heart: Heart, rhythm: Rhythm, beats: Beats
) -> None:
    """Add f waves to the evidence and take P away while the atria fibrillate."""
    assert rhythm.episode_s is not None
    start_s, end_s = rhythm.episode_s
    time_s = np.arange(N_SAMPLES) / RATE_HZ - MARGIN_S
    inside_s = np.minimum(time_s - start_s, end_s - time_s)
    window = 1 / (1 + np.exp(-np.clip(inside_s / 0.02, -50, 50)))  # on and off within 0.1 s
    f = f_waves(rng, rhythm.coarseness, rhythm.atrial_hz) * window
    atria = (LEAD_GAINS[:, None] * (heart.lead_matrix @ f)).astype(np.float32)
    fibrillating = beats.where(beats.fibrillating)
    missing_p = render(heart.p, fibrillating, heart.lead_matrix)
    for name, part in (("evidence", atria), ("counterfactual", missing_p)):
        parts[name] = parts[name] + part if name in parts else part


def _draw_beats(rng: np.random.Generator, heart: Heart, rhythm: Rhythm) -> Beats:
    breathing, duration_s = draw_breathing(rng), DURATION_S + 2 * MARGIN_S
    episode_s = None
    if rhythm.episode_s is None:
        r_s = sinus_r_s(rng, rhythm.mean_rr_s, rhythm.rr_cv, breathing, duration_s)
    else:
        episode_s = (rhythm.episode_s[0] + MARGIN_S, rhythm.episode_s[1] + MARGIN_S)
        sinus_s = sinus_r_s(rng, rhythm.sinus_rr_s, 0.03, breathing, duration_s)
        af_s = fibrillation_r_s(rng, rhythm.mean_rr_s, rhythm.rr_cv, duration_s)
        r_s = join_r_s(sinus_s, af_s, episode_s)
    r_s, kinds = add_ectopy(rng, r_s, rhythm.ectopic_kind, rhythm.n_ectopic, duration_s)
    return make_beats(rng, heart, r_s, kinds, breathing, episode_s)


@cache
def _low_pass(down: int) -> Floats32:
    """Return the response of a linear-phase FIR filter, up to the new Nyquist frequency.

    It passes up to 0.4 of the new rate and attenuates by 60 dB what would alias. Its impulse
    response is as long as both margins.
    """
    taps = firwin(2 * round(MARGIN_S * RATE_HZ) - 1, 0.9 / down, window=("kaiser", 5.65))
    centred = np.roll(np.pad(taps, (0, N_SAMPLES - len(taps))), -(len(taps) // 2))
    response: Floats = np.fft.rfft(centred).real[: N_SAMPLES // down // 2 + 1] / down
    return response.astype(np.float32)


def _resample(part: Floats32, rate_hz: int) -> Floats32:
    """Return the stored ten seconds at ``rate_hz``, which divides 500; shape ``(8, sample)``.

    The filter works in the frequency domain; what it wraps around lies in the margins.
    """
    down = RATE_HZ // rate_hz
    if down > 1:
        response = _low_pass(down)
        spectrum = scipy.fft.rfft(part, axis=-1)[:, : len(response)] * response
        part = scipy.fft.irfft(spectrum, part.shape[-1] // down, axis=-1)
    first, n_samples = round(MARGIN_S * rate_hz), round(DURATION_S * rate_hz)
    return part[:, first : first + n_samples]


def _to_adu(eight_mv: Floats32) -> Adu:
    rounded = eight_mv * np.float32(GAIN)
    np.rint(rounded, out=rounded)
    np.clip(rounded, -32000, 32000, out=rounded)
    adu = np.empty((len(LEADS), rounded.shape[1]), dtype=np.int16)
    adu[: len(LIMB)] = np.rint(twelve_from_eight(rounded[:2]))
    adu[len(LIMB) :] = rounded[2:]
    return adu

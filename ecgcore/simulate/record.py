"""One record: what is healthy, what is ill, what distracts, what disturbs; kept apart and summed.

``signal = healthy + evidence - counterfactual + distractor + shortcut + noise`` in every lead and
sample. Records are drawn at 500 Hz with a margin on both sides, so that the anti-alias filter of
lower rates never sees an edge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.signal import firwin

from ecgcore.leads import LEADS, LIMB, twelve_from_eight
from ecgcore.simulate.anatomy import Heart
from ecgcore.simulate.dipole import ATRIAL, VENTRICULAR, Beats, FloatArray, Wave, render
from ecgcore.simulate.ectopy import atrial_p, ventricular_beat
from ecgcore.simulate.fibrillation import LEAD_GAINS, f_waves
from ecgcore.simulate.finding import Finding
from ecgcore.simulate.noise import NoiseLevels, draw_noise
from ecgcore.simulate.rhythm import (
    add_ectopy,
    breathing,
    fibrillation_r_s,
    joined_r_s,
    make_beats,
    sinus_r_s,
)
from ecgcore.simulate.shortcut import Shortcut, plant

RATE_HZ = 500
DURATION_S = 10.0
MARGIN_S = 0.2
ADU_PER_MV = 1000
LAYERS = ("evidence", "timing", "counterfactual", "distractor", "shortcut")
"""Signed contributions kept with a record. ``timing`` holds the QRS complexes of a record in
atrial fibrillation: their *places* are evidence, though nothing is added to them."""


@dataclass(frozen=True)
class Rhythm:
    """How a record beats.

    ``rr_cv`` is the coefficient of variation of RR. In ``episode_s`` (start and end, seconds from
    the first stored sample) the atria fibrillate; None is sinus rhythm throughout.
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
    :data:`ecgcore.leads.INDEPENDENT`. :meth:`at` gives what is stored.
    """

    parts: dict[str, FloatArray]
    beats: Beats
    noise_rms_mv: dict[str, float]

    def at(self, rate_hz: int) -> dict[str, NDArray[np.int16]]:
        """``signal`` and the layers that exist, in adu (1000 a mV), shape ``(12, sample)``.

        I, II and V1-V6 are rounded; the other leads follow from the rounded ones, so III = II - I
        holds exactly and the augmented leads to half an adu.
        """
        stored = [name for name in ("signal", *LAYERS) if name in self.parts]
        return {name: _to_adu(_resampled(self.parts[name], rate_hz)) for name in stored}


def simulate_record(
    rng: np.random.Generator,
    heart: Heart,
    rhythm: Rhythm,
    findings: Sequence[Finding],
    *,
    noise: NoiseLevels,
    shortcut: Shortcut | None = None,
) -> SimulatedRecord:
    """Draw one record.

    Parameters
    ----------
    heart, rhythm, findings
        The healthy beat, when it comes, and what ails it.
    shortcut
        An artefact to plant in this record, or None.
    """
    n_samples = round((DURATION_S + 2 * MARGIN_S) * RATE_HZ)
    beats = _draw_beats(rng, heart, rhythm)
    matrix = heart.lead_matrix

    def drawn(waves: list[Wave], only: int | None = None) -> FloatArray:
        return render(waves, beats, matrix, rate_hz=RATE_HZ, n_samples=n_samples, only=only)

    evidence = [wave for finding in findings for wave in finding.evidence]
    missing = [wave for finding in findings for wave in finding.counterfactual]
    parts = {"healthy": drawn([*heart.p, *heart.qrs, *heart.t])}
    if evidence:
        parts["evidence"] = drawn(evidence)
    if missing:
        parts["counterfactual"] = drawn(missing)
    if rhythm.episode_s is not None:
        _fibrillate(rng, parts, heart, rhythm, beats, n_samples)
    disturbance = draw_noise(rng, noise, rate_hz=RATE_HZ, n_samples=n_samples)
    parts["noise"] = disturbance.background_mv
    distractors = [part for part in [disturbance.passing_mv] if part is not None]
    if (beats.kind == VENTRICULAR).any():
        distractors.append(drawn(ventricular_beat(rng), VENTRICULAR))
    if (beats.kind == ATRIAL).any():
        distractors.append(drawn(atrial_p(rng, heart), ATRIAL))
    if distractors:
        parts["distractor"] = sum(distractors[1:], start=distractors[0])
    if shortcut is not None:
        parts["shortcut"] = plant(rng, shortcut, RATE_HZ, n_samples)
    total = np.zeros_like(parts["healthy"])
    for name, part in parts.items():
        if SIGNS[name]:
            total += part if SIGNS[name] > 0 else -part
    parts["signal"] = total
    return SimulatedRecord(parts, beats, disturbance.rms_mv)


SIGNS = {
    "healthy": 1,
    "evidence": 1,
    "timing": 0,
    "counterfactual": -1,
    "distractor": 1,
    "shortcut": 1,
    "noise": 1,
}
"""How each part enters the signal."""


def _fibrillate(
    rng: np.random.Generator,
    parts: dict[str, FloatArray],
    heart: Heart,
    rhythm: Rhythm,
    beats: Beats,
    n_samples: int,
) -> None:
    """Add f waves and take P away while the atria fibrillate."""
    assert rhythm.episode_s is not None
    start_s, end_s = rhythm.episode_s
    time_s = np.arange(n_samples) / RATE_HZ - MARGIN_S
    # The atria start and stop within about 0.1 s.
    window = 1 / (
        1 + np.exp(-np.clip(np.minimum(time_s - start_s, end_s - time_s) / 0.02, -50, 50))
    )
    f = f_waves(rng, rhythm.coarseness, rhythm.atrial_hz, RATE_HZ, n_samples) * window
    concerned = beats.where(beats.fibrillating)

    def drawn(waves: Sequence[Wave]) -> FloatArray:
        return render(waves, concerned, heart.lead_matrix, rate_hz=RATE_HZ, n_samples=n_samples)

    atria = LEAD_GAINS[:, None] * (heart.lead_matrix @ f)
    parts["evidence"] = parts.get("evidence", 0.0) + atria
    parts["counterfactual"] = parts.get("counterfactual", 0.0) + drawn(heart.p)
    parts["timing"] = drawn(heart.qrs)


def _draw_beats(rng: np.random.Generator, heart: Heart, rhythm: Rhythm) -> Beats:
    breath, duration_s = breathing(rng), DURATION_S + 2 * MARGIN_S
    episode_s = None
    if rhythm.episode_s is None:
        r_s = sinus_r_s(rng, rhythm.mean_rr_s, rhythm.rr_cv, breath, duration_s)
    else:
        episode_s = (rhythm.episode_s[0] + MARGIN_S, rhythm.episode_s[1] + MARGIN_S)
        sinus_s = sinus_r_s(rng, rhythm.sinus_rr_s, 0.03, breath, duration_s)
        af_s = fibrillation_r_s(rng, rhythm.mean_rr_s, rhythm.rr_cv, duration_s)
        r_s = joined_r_s(sinus_s, af_s, episode_s)
    r_s, kinds = add_ectopy(rng, r_s, rhythm.ectopic_kind, rhythm.n_ectopic, duration_s)
    return make_beats(
        rng,
        r_s,
        kinds,
        breath,
        pr_s=heart.pr_s,
        qrs_onset_s=heart.qrs_onset_s,
        qtc_factor=heart.qtc_factor,
        episode_s=episode_s,
    )


@cache
def _low_pass(down: int) -> FloatArray:
    """Response of a linear-phase FIR filter that passes 0.4 of the new rate and stops, 60 dB down,
    what would alias; one value for each frequency that stays. It reaches as far as the margin."""
    n_samples = round((DURATION_S + 2 * MARGIN_S) * RATE_HZ)
    taps = firwin(2 * round(MARGIN_S * RATE_HZ) - 1, 0.9 / down, window=("kaiser", 5.65))
    centred = np.roll(np.pad(taps, (0, n_samples - len(taps))), -(len(taps) // 2))
    return np.fft.rfft(centred).real[: n_samples // down // 2 + 1] / down


def _resampled(part: FloatArray, rate_hz: int) -> FloatArray:
    """Ten seconds at ``rate_hz``, which divides 500; shape ``(8, sample)``.

    The filter works in the frequency domain; what it wraps around lies in the margins.
    """
    down = RATE_HZ // rate_hz
    if down > 1:
        kept = _low_pass(down)
        spectrum = scipy.fft.rfft(part, axis=-1)[:, : len(kept)] * kept
        part = scipy.fft.irfft(spectrum, part.shape[-1] // down, axis=-1)
    first, n_samples = round(MARGIN_S * rate_hz), round(DURATION_S * rate_hz)
    return part[:, first : first + n_samples]


def _to_adu(eight_mv: FloatArray) -> NDArray[np.int16]:
    rounded = eight_mv * ADU_PER_MV
    np.rint(rounded, out=rounded)
    np.clip(rounded, -32000, 32000, out=rounded)
    adu = np.empty((len(LEADS), rounded.shape[1]), dtype=np.int16)
    adu[: len(LIMB)] = np.rint(twelve_from_eight(rounded[:2]))
    adu[len(LIMB) :] = rounded[2:]
    return adu

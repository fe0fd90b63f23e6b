"""One record: what is healthy, what is ill, what distracts, what disturbs; kept apart and summed.

``signal = healthy + evidence - counterfactual + distractor + shortcut + noise`` in every lead and
sample. Records are drawn at 500 Hz with a margin on both sides, so that the anti-alias filter of
lower rates never sees an edge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, upfirdn

from ecgcore.leads import twelve_from_eight
from ecgcore.simulate.anatomy import Heart
from ecgcore.simulate.dipole import ATRIAL, VENTRICULAR, Beats, FloatArray, Wave, render
from ecgcore.simulate.ectopy import atrial_p, ventricular_beat
from ecgcore.simulate.fibrillation import f_waves
from ecgcore.simulate.finding import Finding
from ecgcore.simulate.noise import NoiseLevels, draw_noise
from ecgcore.simulate.rhythm import (
    add_ectopy,
    breathing,
    fibrillation_r_s,
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
    """How a record beats. ``rr_cv`` is the coefficient of variation of RR."""

    mean_rr_s: float
    rr_cv: float
    is_fibrillating: bool = False
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
        stored = ("signal", *LAYERS)
        return {
            name: _to_adu(_resampled(self.parts[name], rate_hz))
            for name in stored
            if name in self.parts
        }


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
    if rhythm.is_fibrillating:
        evidence = [wave for wave in evidence if wave.anchor != "P"]
        missing = [*heart.p, *(wave for wave in missing if wave.anchor != "P")]
    parts = {"healthy": drawn([*heart.p, *heart.qrs, *heart.t])}
    if evidence:
        parts["evidence"] = drawn(evidence)
    if rhythm.is_fibrillating:
        atria = matrix @ f_waves(rng, rhythm.coarseness, rhythm.atrial_hz, RATE_HZ, n_samples)
        parts["evidence"] = parts.get("evidence", 0.0) + atria
        parts["timing"] = drawn(heart.qrs)
    if missing:
        parts["counterfactual"] = drawn(missing)
    disturbance = draw_noise(rng, noise, rate_hz=RATE_HZ, n_samples=n_samples)
    parts["noise"] = disturbance.background_mv
    distractors = [part for part in [disturbance.passing_mv] if part is not None]
    if (beats.kind == VENTRICULAR).any():
        distractors.append(drawn(ventricular_beat(rng), VENTRICULAR))
    if (beats.kind == ATRIAL).any():
        distractors.append(drawn(atrial_p(rng, heart), ATRIAL))
    if distractors:
        parts["distractor"] = np.sum(distractors, axis=0)
    if shortcut is not None:
        parts["shortcut"] = plant(rng, shortcut, RATE_HZ, n_samples)
    parts["signal"] = np.sum([SIGNS[name] * part for name, part in parts.items()], axis=0)
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


def _draw_beats(rng: np.random.Generator, heart: Heart, rhythm: Rhythm) -> Beats:
    breath = breathing(rng)
    duration_s = DURATION_S + 2 * MARGIN_S
    if rhythm.is_fibrillating:
        r_s = fibrillation_r_s(
            rng, mean_rr_s=rhythm.mean_rr_s, irregularity=rhythm.rr_cv, duration_s=duration_s
        )
    else:
        r_s = sinus_r_s(
            rng,
            mean_rr_s=rhythm.mean_rr_s,
            rr_cv=rhythm.rr_cv,
            breath=breath,
            duration_s=duration_s,
        )
    r_s, kinds = add_ectopy(rng, r_s, rhythm.ectopic_kind, rhythm.n_ectopic, duration_s)
    return make_beats(
        rng,
        r_s,
        kinds,
        breath,
        pr_s=heart.pr_s,
        qrs_onset_s=heart.qrs_onset_s,
        qtc_factor=heart.qtc_factor,
    )


@cache
def _anti_alias(down: int) -> FloatArray:
    """Linear-phase low-pass to 0.4 of the new rate, 60 dB; cut-off as scipy's ``firwin``."""
    return firwin(2 * 10 * down + 1, 0.8 / down, window=("kaiser", 6.0))


def _resampled(part: FloatArray, rate_hz: int) -> FloatArray:
    """Ten seconds at ``rate_hz``, which divides 500; shape ``(8, sample)``."""
    down = RATE_HZ // rate_hz
    first, last = round(MARGIN_S * RATE_HZ), round((MARGIN_S + DURATION_S) * RATE_HZ)
    if down == 1:
        return part[:, first:last]
    taps = _anti_alias(down)
    half = len(taps) // 2
    return upfirdn(taps, part[:, first - half : last + half - down + 1], 1, down)[
        :, 2 * half // down : 2 * half // down + round(DURATION_S * rate_hz)
    ]


def _to_adu(eight_mv: FloatArray) -> NDArray[np.int16]:
    rounded = np.clip(np.rint(eight_mv * ADU_PER_MV), -32000, 32000)
    return np.rint(twelve_from_eight(rounded)).astype(np.int16)

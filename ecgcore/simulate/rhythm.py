"""When the heart beats: sinus rhythm, the AV node in atrial fibrillation, ectopy, respiration.

References
----------
- McSharry et al. 2003 (see :mod:`ecgcore.simulate.dipole`): RR intervals modulated by
  respiration near 0.25 Hz and by Mayer waves near 0.1 Hz.
- Corino et al., *An atrioventricular node model for analysis of the ventricular response during
  atrial fibrillation*, IEEE Trans. Biomed. Eng. 58, 3386-3395, 2011; Lian et al., *Computer
  modeling of ventricular rhythm during atrial fibrillation*, IEEE TBME 54, 2007: Poisson arrivals
  at a node with two pathways of different refractory periods.
- Fridericia 1920: QT grows with the cube root of RR.
"""

from dataclasses import dataclass

import numpy as np

from ecgcore.simulate.dipole import ATRIAL, NORMAL, VENTRICULAR, Beats, FloatArray

MAYER_HZ = 0.1
LEAD_IN_S = 2.0
"""Beats start this long before the strip, so that its first samples have waves too."""


@dataclass(frozen=True)
class Breathing:
    """Respiration of one record: rate, phase, and what it does to RR and amplitude."""

    rate_hz: float
    phase: float
    amplitude_depth: float

    def at(self, time_s: FloatArray) -> FloatArray:
        """The respiratory wave, between -1 and 1."""
        wave: FloatArray = np.sin(2 * np.pi * self.rate_hz * time_s + self.phase)
        return wave


def breathing(rng: np.random.Generator) -> Breathing:
    """12 to 20 breaths a minute, R amplitude modulated by up to 12 %."""
    return Breathing(rng.uniform(0.2, 0.34), rng.uniform(0, 2 * np.pi), rng.uniform(0.01, 0.12))


def sinus_r_s(
    rng: np.random.Generator, mean_rr_s: float, rr_cv: float, breath: Breathing, duration_s: float
) -> FloatArray:
    """R peaks of sinus rhythm.

    ``rr_cv`` is the coefficient of variation of RR: about 0.02 to 0.06 at rest, above 0.08 in
    sinus arrhythmia. Two thirds of it come from respiration in the young; the mix is drawn.
    """
    n_beats = int((duration_s + 2 * LEAD_IN_S) / mean_rr_s * 1.6) + 4
    time_s: FloatArray = mean_rr_s * np.arange(n_beats, dtype=np.float64)
    share = rng.dirichlet([4.0, 2.0, 1.5])
    mayer = np.sin(2 * np.pi * MAYER_HZ * time_s + rng.uniform(0, 2 * np.pi))
    waves = np.sqrt(2 * share[0]) * breath.at(time_s) + np.sqrt(2 * share[1]) * mayer
    noise = np.sqrt(share[2]) * rng.standard_normal(n_beats)
    rr_s = mean_rr_s * np.clip(1 + rr_cv * (waves + noise), 0.6, 1.6)
    return _within(np.cumsum(rr_s) - LEAD_IN_S - rng.uniform(0, mean_rr_s), duration_s)


def fibrillation_r_s(
    rng: np.random.Generator, mean_rr_s: float, irregularity: float, duration_s: float
) -> FloatArray:
    """R peaks in atrial fibrillation: a refractory period, then the next Poisson arrival.

    ``irregularity`` is close to the coefficient of variation of RR: 0.15 to 0.3 is usual, 0.06 to
    0.1 a well-controlled rate. The slow pathway (40 % of the beats, Corino 2011) has a refractory
    period longer by up to 0.2 s.
    """
    n_beats = int((duration_s + 2 * LEAD_IN_S) / mean_rr_s * 1.6) + 6
    slow_extra_s = min(0.2, 0.9 * irregularity * mean_rr_s)
    wait_s = 0.85 * irregularity * mean_rr_s
    refractory_s = mean_rr_s - wait_s - 0.4 * slow_extra_s
    rr_s = (
        refractory_s + slow_extra_s * (rng.random(n_beats) < 0.4) + rng.exponential(wait_s, n_beats)
    )
    return _within(np.cumsum(np.clip(rr_s, 0.3, 2.5)) - LEAD_IN_S, duration_s)


def joined_r_s(sinus_s: FloatArray, af_s: FloatArray, episode_s: tuple[float, float]) -> FloatArray:
    """R peaks of a record that is in sinus rhythm outside ``episode_s``; the first beat after each
    change waits for at least 0.5 s."""
    start_s, end_s = episode_s
    joined = [*sinus_s[sinus_s <= start_s]]
    for beats_s in (af_s[(af_s > start_s) & (af_s < end_s)], sinus_s[sinus_s >= end_s]):
        free_s = joined[-1] + 0.5 if joined else -np.inf
        joined += [*beats_s[beats_s >= free_s]]
    return np.array(joined)


def _within(r_s: FloatArray, duration_s: float) -> FloatArray:
    return r_s[r_s < duration_s + 1.0]


def add_ectopy(
    rng: np.random.Generator, r_s: FloatArray, kind: int, n_ectopic: int, duration_s: float
) -> tuple[FloatArray, np.ndarray]:
    """Make some beats premature.

    A ventricular beat leaves the sinus node alone, so the pause after it is compensatory; an
    atrial one resets it, so all later beats move forward.
    """
    r_s, kinds = r_s.copy(), np.full(len(r_s), NORMAL, dtype=np.int8)
    inside = np.flatnonzero((r_s > 0.6) & (r_s < duration_s - 0.3))
    inside = inside[inside > 0]
    if n_ectopic == 0 or len(inside) == 0:
        return r_s, kinds
    chosen = rng.permutation(inside)
    taken: list[int] = []
    for beat in chosen:
        if len(taken) < n_ectopic and all(abs(int(beat) - other) > 1 for other in taken):
            taken.append(int(beat))
    for beat in sorted(taken):
        coupling = rng.uniform(0.55, 0.78)
        gain_s = (1 - coupling) * (r_s[beat] - r_s[beat - 1])
        if kind == ATRIAL:
            r_s[beat:] -= 0.8 * gain_s
        else:
            r_s[beat] -= gain_s
        kinds[beat] = kind
    return r_s, kinds


def make_beats(
    rng: np.random.Generator,
    r_s: FloatArray,
    kinds: np.ndarray,
    breath: Breathing,
    *,
    pr_s: float,
    qrs_onset_s: float,
    qtc_factor: float,
    episode_s: tuple[float, float] | None,
) -> Beats:
    """Everything that a beat needs besides its R peak.

    The PR interval moves a little with each beat and shortens with RR; repolarisation follows
    the mean of the last two RR intervals by Fridericia's cube root.
    """
    rr_s = np.diff(r_s, prepend=2 * r_s[0] - r_s[1] if len(r_s) > 1 else r_s[0] - 0.8)
    smooth_s = (rr_s + np.concatenate([rr_s[:1], rr_s[:-1]])) / 2
    qt_factor = qtc_factor * np.cbrt(np.clip(smooth_s, 0.35, 1.6))
    pr_beat_s = (
        pr_s + 0.02 * (np.clip(rr_s, 0.4, 1.4) - 0.85) + 0.003 * rng.standard_normal(len(r_s))
    )
    gain = 1 + breath.amplitude_depth * breath.at(r_s) + 0.015 * rng.standard_normal(len(r_s))
    p_onset_s = r_s - qrs_onset_s - pr_beat_s
    fibrillating = np.zeros(len(r_s), dtype=bool)
    if episode_s is not None:
        fibrillating = (r_s > episode_s[0]) & (p_onset_s < episode_s[1])
    return Beats(r_s, p_onset_s, qt_factor, gain, kinds.astype(np.int8), fibrillating)


__all__ = [
    "ATRIAL",
    "NORMAL",
    "VENTRICULAR",
    "Breathing",
    "add_ectopy",
    "breathing",
    "fibrillation_r_s",
    "joined_r_s",
    "make_beats",
    "sinus_r_s",
]

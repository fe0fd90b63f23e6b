"""When the heart beats: sinus rhythm, the AV node in atrial fibrillation, ectopy, respiration.

References
----------
- McSharry et al. 2003 (see :mod:`ecgsim.dipole`): RR intervals modulated by
  respiration near 0.25 Hz and by Mayer waves near 0.1 Hz.
- Corino et al., *An atrioventricular node model for analysis of the ventricular response during
  atrial fibrillation*, IEEE Trans. Biomed. Eng. 58, 3386-3395, 2011; Lian et al., *Computer
  modeling of ventricular rhythm during atrial fibrillation*, IEEE TBME 54, 2007: Poisson arrivals
  at a node with two pathways of different refractory periods.
- Surawicz and Knilans, *Chou's Electrocardiography*, ch. 17 and 19: ventricular premature beats
  have no P, a QRS of 120 ms and more, a discordant T and a full compensatory pause; atrial ones
  have a different, early P, then a normal QRS. They are distractors, independent of the label.
- Fridericia 1920: QT grows with the cube root of RR.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgcore.arrays import Floats
from ecgsim.anatomy import Heart
from ecgsim.dipole import ATRIAL, NORMAL, Beats, Wave

MAYER_HZ = 0.1
LEAD_IN_S = 2.0
"""Beats start this long before the strip, so that its first samples contain waves too."""


@dataclass(frozen=True)
class Breathing:
    """Respiration of one record: rate, phase, and its effect on amplitude."""

    rate_hz: float
    phase: float
    amplitude_depth: float

    def at(self, time_s: Floats) -> Floats:
        """Return the respiratory wave, between -1 and 1."""
        wave: Floats = np.sin(2 * np.pi * self.rate_hz * time_s + self.phase)
        return wave


def draw_breathing(rng: np.random.Generator) -> Breathing:
    """Draw 12 to 20 breaths per minute that modulate the R amplitude by up to 12 %."""
    return Breathing(rng.uniform(0.2, 0.34), rng.uniform(0, 2 * np.pi), rng.uniform(0.01, 0.12))


def sinus_r_s(
    rng: np.random.Generator,
    mean_rr_s: float,
    rr_cv: float,
    breathing: Breathing,
    duration_s: float,
) -> Floats:
    """Return the R peaks of sinus rhythm, in seconds.

    ``rr_cv`` is the coefficient of variation of RR: about 0.02 to 0.06 at rest, above 0.08 in sinus
    arrhythmia. About half of it comes from respiration; the mix is drawn at random.
    """
    n_beats = int((duration_s + 2 * LEAD_IN_S) / mean_rr_s * 1.6) + 4
    time_s: Floats = mean_rr_s * np.arange(n_beats, dtype=np.float64)
    share = rng.dirichlet([4.0, 2.0, 1.5])
    mayer = np.sin(2 * np.pi * MAYER_HZ * time_s + rng.uniform(0, 2 * np.pi))
    waves = np.sqrt(2 * share[0]) * breathing.at(time_s) + np.sqrt(2 * share[1]) * mayer
    noise = np.sqrt(share[2]) * rng.standard_normal(n_beats)
    rr_s = mean_rr_s * np.clip(1 + rr_cv * (waves + noise), 0.6, 1.6)
    r_s: Floats = np.cumsum(rr_s) - LEAD_IN_S - rng.uniform(0, mean_rr_s)
    return r_s[r_s < duration_s + 1.0]


def fibrillation_r_s(
    rng: np.random.Generator, mean_rr_s: float, irregularity: float, duration_s: float
) -> Floats:
    """Return the R peaks in atrial fibrillation: a refractory period, then a Poisson arrival.

    ``irregularity`` is close to the coefficient of variation of RR: 0.15 to 0.3 is usual, 0.06 to
    0.1 a well-controlled rate. The slow pathway (40 % of the beats, Corino 2011) has a refractory
    period longer by up to 0.2 s.
    """
    n_beats = int((duration_s + 2 * LEAD_IN_S) / mean_rr_s * 1.6) + 6
    slow_extra_s = min(0.2, 0.9 * irregularity * mean_rr_s)
    wait_s = 0.85 * irregularity * mean_rr_s
    refractory_s = mean_rr_s - wait_s - 0.4 * slow_extra_s
    rr_s = refractory_s + slow_extra_s * (rng.random(n_beats) < 0.4)
    rr_s += rng.exponential(wait_s, n_beats)
    r_s: Floats = np.cumsum(np.clip(rr_s, 0.3, 2.5)) - LEAD_IN_S
    return r_s[r_s < duration_s + 1.0]


def join_r_s(sinus_s: Floats, af_s: Floats, episode_s: tuple[float, float]) -> Floats:
    """Return the R peaks of a record that is in sinus rhythm outside ``episode_s``; the first beat
    after each change comes at least 0.5 s after the one before."""
    start_s, end_s = episode_s
    joined = [*sinus_s[sinus_s <= start_s]]
    for beats_s in (af_s[(af_s > start_s) & (af_s < end_s)], sinus_s[sinus_s >= end_s]):
        free_s = joined[-1] + 0.5 if joined else -np.inf
        joined += [*beats_s[beats_s >= free_s]]
    return np.array(joined)


def add_ectopy(
    rng: np.random.Generator, r_s: Floats, kind: int, n_ectopic: int, duration_s: float
) -> tuple[Floats, NDArray[np.int8]]:
    """Make some beats premature; returns the R peaks and the kind of each beat.

    A ventricular beat does not reach the sinus node, so the pause after it is compensatory; an
    atrial one resets the node, so all later beats move forward.
    """
    r_s, kinds = r_s.copy(), np.full(len(r_s), NORMAL, dtype=np.int8)
    inside = np.flatnonzero((r_s > 0.6) & (r_s < duration_s - 0.3))
    inside = inside[inside > 0]
    if n_ectopic == 0 or len(inside) == 0:
        return r_s, kinds
    premature: list[int] = []
    for beat in rng.permutation(inside):
        if len(premature) < n_ectopic and all(abs(int(beat) - other) > 1 for other in premature):
            premature.append(int(beat))
    for beat in sorted(premature):
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
    heart: Heart,
    r_s: Floats,
    kinds: NDArray[np.int8],
    breathing: Breathing,
    episode_s: tuple[float, float] | None,
) -> Beats:
    """Return the beats with all that each needs besides its R peak.

    The PR interval moves a little with each beat and shortens with RR; repolarisation follows the
    mean of the last two RR intervals by Fridericia's cube root.
    """
    rr_s = np.diff(r_s, prepend=2 * r_s[0] - r_s[1] if len(r_s) > 1 else r_s[0] - 0.8)
    smooth_s = (rr_s + np.concatenate([rr_s[:1], rr_s[:-1]])) / 2
    qt_factor = heart.qtc_factor * np.cbrt(np.clip(smooth_s, 0.35, 1.6))
    pr_beat_s = heart.pr_s + 0.02 * (np.clip(rr_s, 0.4, 1.4) - 0.85)
    pr_beat_s += 0.003 * rng.standard_normal(len(r_s))
    gain = 1 + breathing.amplitude_depth * breathing.at(r_s)
    gain += 0.015 * rng.standard_normal(len(r_s))
    p_onset_s = r_s - heart.qrs_onset_s - pr_beat_s
    fibrillating = np.zeros(len(r_s), dtype=bool)
    if episode_s is not None:
        fibrillating = (r_s > episode_s[0]) & (p_onset_s < episode_s[1])
    return Beats(r_s, p_onset_s, qt_factor, gain, kinds.astype(np.int8), fibrillating)


def ventricular_beat(rng: np.random.Generator) -> list[Wave]:
    """Draw the waves of a PVC from a random focus."""
    direction = rng.normal(0, 1, 3)
    direction /= np.linalg.norm(direction)
    size_mv = rng.uniform(0.9, 2.0)
    later = direction + rng.normal(0, 0.25, 3)
    return [
        Wave("QRS", 0.000, 0.020, 0.022, size_mv * direction),
        Wave("QRS", 0.045, 0.022, 0.026, 0.6 * size_mv * later),
        Wave("T", 0.300, 0.065, 0.050, -0.40 * size_mv * direction),
        Wave("T", 0.160, 0.080, 0.080, -0.10 * size_mv * direction, flat=True),
    ]


def atrial_p(rng: np.random.Generator, heart: Heart) -> list[Wave]:
    """Draw the P of another site in the atria, often closer to QRS."""
    turn = np.array([rng.uniform(-1.0, 1.0), rng.uniform(-1.2, 0.8), rng.uniform(-1.0, 1.0)])
    later_s = rng.uniform(0.0, 0.03)
    return [
        wave._replace(vector_mv=wave.vector_mv * turn, centre_s=wave.centre_s + later_s)
        for wave in heart.p
    ]

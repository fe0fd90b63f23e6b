"""Hypertrophy: left ventricle (with and without strain), right ventricle, left atrium.

Left ventricle: SV1 + RV5 or RV6 of at least 3.5 mV (Sokolow and Lyon 1949), RaVL over 1.1 mV, RaVL
+ SV3 over 2.8 mV in men and 2.0 in women (Cornell); strain: ST depression and T inversion,
asymmetric, in the lateral leads (Hancock et al., AHA/ACCF/HRS recommendations part V, Circulation
119:e251, 2009). Left atrium: P of at least 120 ms, a deep terminal part in V1 (Morris 1964).
"""

import numpy as np

from ecgcore.arrays import Floats
from ecgsim.anatomy import Heart
from ecgsim.dipole import Wave
from ecgsim.finding import Finding, likelihood, unit

LEFT = unit(0.78, 0.12, 0.55)
RIGHT = unit(-0.75, 0.15, -0.65)


def left_ventricle(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw a left ventricular hypertrophy, sometimes with strain and a large left atrium."""
    gain_mv = 0.95 * severity * np.exp(rng.normal(0, 0.2)) + 0.15
    direction = LEFT + rng.normal(0, 0.1, 3)
    # More muscle: all QRS forces grow, most of all those to the left and the back.
    evidence = [wave.times(0.25 * gain_mv) for wave in heart.qrs]
    evidence += [
        Wave("QRS", 0.004, 0.009, 0.010, 0.8 * gain_mv * direction),
        Wave("QRS", 0.022, 0.009, 0.009, 0.6 * gain_mv * (direction * [0.35, 0.5, 1.2])),
    ]
    codes, report = {"LVH": likelihood(rng, severity)}, "left ventricular hypertrophy"
    if gain_mv > 0.5:
        codes["VCLVH"] = 0.0
    if rng.random() < 0.25 + 0.45 * min(severity, 1.0):
        evidence += _strain(rng, heart, severity, direction)
        report += " with strain"
    if rng.random() < 0.35:
        evidence.append(_atrial_wave(heart, severity))
    return Finding(codes, report, severity, evidence, measures={"gain_mv": float(gain_mv)})


def _strain(
    rng: np.random.Generator, heart: Heart, severity: float, direction: Floats
) -> list[Wave]:
    """Draw an ST that falls slowly into an inverted T, which returns quickly."""
    size_mv = 0.36 * severity * np.exp(rng.normal(0, 0.25))
    t = heart.t[0]
    return [
        Wave("T", 0.160, 0.080, 0.075, -0.28 * size_mv * direction, flat=True),
        Wave("T", t.centre_s, 0.070, 0.028, -size_mv * direction),
        t.times(-0.4 * min(severity, 1.0)),
    ]


def _atrial_wave(heart: Heart, severity: float) -> Wave:
    """Return later and more force to the left and back: notched P in II, deep end in V1."""
    late = heart.p[1]
    vector_mv = (0.05 + 0.09 * severity) * unit(0.5, 0.3, 0.8)
    return Wave("P", late.centre_s + 0.022, late.left_s, late.right_s, vector_mv)


def left_atrium(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw an enlarged left atrium without ventricular hypertrophy."""
    codes = {"LAO/LAE": likelihood(rng, severity)}
    return Finding(
        codes, "left atrial enlargement", severity, [_atrial_wave(heart, 0.3 + severity)]
    )


def right_ventricle(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw a right ventricular hypertrophy."""
    gain_mv = 0.40 + 0.85 * severity
    direction = RIGHT + rng.normal(0, 0.1, 3)
    evidence = [
        Wave("QRS", 0.006, 0.009, 0.010, gain_mv * direction),
        Wave("QRS", 0.026, 0.009, 0.009, 0.5 * gain_mv * direction),
        Wave("T", heart.t[0].centre_s, 0.060, 0.035, -0.22 * gain_mv * unit(-0.3, 0.1, -0.9)),
    ]
    codes = {"RVH": likelihood(rng, severity)}
    return Finding(codes, "right ventricular hypertrophy", severity, evidence)


KINDS = ((0.80, left_ventricle), (0.14, left_atrium), (0.06, right_ventricle))

"""Conduction disturbances: bundle branch blocks, left anterior hemiblock, slow AV conduction.

Criteria: Surawicz et al., AHA/ACCF/HRS recommendations part III, Circulation 119:e235, 2009. RBBB:
QRS at least 120 ms, r' in V1-V2, broad S in I and V6. LBBB: QRS at least 120 ms, broad notched R in
I, aVL, V5, V6 without q, ST-T discordant. LAFB: axis -45 to -90 degrees, qR in aVL, rS in inferior
leads. First-degree AV block: PR over 200 ms. Shares follow the counts of PTB-XL.
"""

import numpy as np

from ecgsim.anatomy import Heart
from ecgsim.dipole import Wave
from ecgsim.finding import Finding, likelihood, unit

RIGHT_FORWARD = unit(-0.68, 0.05, -0.72)
LEFT_BACK = unit(0.84, 0.18, 0.52)
BACKWARDS = np.array([0.0, 0.0, 0.15])


def left_bundle_branch_block(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw LBBB: a slow leftward spread replaces the normal QRS, and T is discordant."""
    extent = 0.75 + 0.25 * min(severity, 1.0)
    size_mv = np.exp(rng.normal(0.05, 0.2))
    leftwards = LEFT_BACK + rng.normal(0, 0.12, 3)
    evidence = [wave.times(-0.9 * extent) for wave in heart.qrs]
    evidence += [
        Wave("QRS", -0.004, 0.017, 0.020, 0.95 * size_mv * extent * leftwards),
        Wave("QRS", 0.048, 0.022, 0.019, 1.00 * size_mv * extent * (leftwards + BACKWARDS)),
        Wave("QRS", -0.030, 0.010, 0.012, 0.20 * extent * np.array([0.5, 0.1, -0.8])),
        Wave("T", 0.165, 0.090, 0.080, -0.10 * size_mv * extent * leftwards, flat=True),
        Wave("T", 0.310, 0.055, 0.042, -0.34 * size_mv * extent * leftwards),
        heart.t[0].times(-0.9 * extent),
    ]
    codes = {"CLBBB": likelihood(rng, 0.5 + severity)}
    return Finding(codes, "complete left bundle branch block", severity, evidence)


def right_bundle_branch_block(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw RBBB: the right ventricle comes late, as a slow vector to the right and the front."""
    size_mv = (0.45 + 0.3 * min(severity, 1.0)) * np.exp(rng.normal(0, 0.2))
    direction = RIGHT_FORWARD + rng.normal(0, 0.1, 3)
    evidence = [
        Wave("QRS", 0.052, 0.013, 0.018, size_mv * direction),
        Wave("QRS", 0.076, 0.014, 0.013, 0.35 * size_mv * direction),
        Wave("T", 0.290, 0.055, 0.045, -0.30 * size_mv * unit(-0.4, 0.0, -0.9)),
    ]
    codes = {"CRBBB": likelihood(rng, 0.5 + severity)}
    return Finding(codes, "complete right bundle branch block", severity, evidence)


def incomplete_right_block(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw r' in V1 without a broad QRS; it overlaps with the rsr' of healthy people."""
    size_mv = (0.14 + 0.30 * severity) * np.exp(rng.normal(0, 0.15))
    direction = RIGHT_FORWARD + rng.normal(0, 0.1, 3)
    evidence = [Wave("QRS", 0.044, 0.009, 0.011, size_mv * direction)]
    codes = {"IRBBB": likelihood(rng, severity)}
    return Finding(codes, "incomplete right bundle branch block", severity, evidence)


def left_anterior_hemiblock(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw LAFB: early force down and right, late force up and left, axis beyond -45 degrees."""
    down_mv = sum(wave.vector_mv[1] for wave in heart.qrs[2:4])
    across_mv = sum(wave.vector_mv[0] for wave in heart.qrs[2:4])
    upwards_mv = max(down_mv, 0.0) + (0.30 + 0.35 * severity) * max(abs(across_mv), 0.5)
    early = Wave("QRS", -0.020, 0.007, 0.008, np.array([-0.10, 0.22, -0.05]) * (0.4 + severity))
    late = np.array([0.10, -0.62 * upwards_mv, 0.05])
    evidence = [
        early,
        Wave("QRS", 0.003, 0.011, 0.012, late),
        Wave("QRS", 0.024, 0.012, 0.012, 0.65 * late),
    ]
    codes = {"LAFB": likelihood(rng, severity)}
    return Finding(codes, "left anterior fascicular block", severity, evidence)


def intraventricular_delay(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw a notch and a late force in no typical direction."""
    direction = rng.normal(0, 1, 3)
    direction /= np.linalg.norm(direction)
    size_mv = 0.20 + 0.35 * severity
    evidence = [
        Wave("QRS", 0.050, 0.013, 0.015, size_mv * direction),
        Wave("QRS", 0.018, 0.009, 0.009, -0.5 * size_mv * direction),
    ]
    codes = {"IVCD": likelihood(rng, severity)}
    return Finding(codes, "intraventricular conduction delay", severity, evidence)


def first_degree_av_block(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw a P that comes 40 to 140 ms earlier than usual; the usual P is the counterfactual."""
    pr_s = max(heart.pr_s + 0.03, 0.195 + 0.085 * severity * np.exp(rng.normal(0, 0.2)))
    moved = [wave._replace(centre_s=wave.centre_s - (pr_s - heart.pr_s)) for wave in heart.p]
    codes = {"1AVB": likelihood(rng, severity)}
    report = "first degree AV block"
    measures = {"pr_s": float(pr_s)}
    return Finding(codes, report, severity, moved, counterfactual=list(heart.p), measures=measures)


KINDS = (
    (0.11, left_bundle_branch_block),
    (0.12, right_bundle_branch_block),
    (0.20, incomplete_right_block),
    (0.31, left_anterior_hemiblock),
    (0.13, intraventricular_delay),
    (0.13, first_degree_av_block),
)

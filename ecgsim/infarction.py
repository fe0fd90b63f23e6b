"""Myocardial infarction by territory: Q, loss of R, ST elevation, T inversion.

Dead muscle produces no force, so early in QRS a vector points away from it; injured muscle pulls ST
towards itself; the healed border inverts T. All three are dipoles, so the reciprocal changes in
opposite leads follow from the projection.

Amplitudes: ST elevation at the J point of at least 0.1 mV in two contiguous leads (0.15-0.25 mV in
V2-V3), Q of at least 30 ms and 0.1 mV, T inversion over 0.1 mV (Thygesen et al., *Fourth universal
definition of myocardial infarction*, Circulation 138:e618, 2018). Severities below about 0.4 stay
under these limits: such records carry the label, as in PTB-XL, and are hard to recognise.
"""

from dataclasses import replace

import numpy as np

from ecgcore.arrays import Floats
from ecgsim.anatomy import Heart
from ecgsim.dipole import Wave
from ecgsim.finding import Finding, choose, likelihood, unit

TERRITORIES: dict[str, tuple[float, str, Floats]] = {
    "IMI": (0.40, "inferior", unit(-0.15, 1.0, 0.15)),
    "ASMI": (0.34, "anteroseptal", unit(-0.05, 0.0, -1.0)),
    "AMI": (0.08, "anterior", unit(0.45, 0.05, -0.90)),
    "ALMI": (0.06, "anterolateral", unit(0.90, -0.25, -0.45)),
    "ILMI": (0.08, "inferolateral", unit(0.65, 0.75, 0.15)),
    "LMI": (0.04, "lateral", unit(1.0, -0.45, 0.20)),
}
"""Code: share (close to PTB-XL's counts), words, direction from the heart to the territory."""


def infarction(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw an infarction in one territory: old (three in four), recent or acute."""
    codes, shares = list(TERRITORIES), np.array([share for share, _, _ in TERRITORIES.values()])
    code = codes[int(rng.choice(len(codes), p=shares / shares.sum()))]
    _, words, towards = TERRITORIES[code]
    towards = towards + rng.normal(0, 0.12, 3)
    finding = choose(rng, STAGES)(rng, heart, severity)
    return replace(
        finding,
        codes={code: likelihood(rng, severity)},
        report=f"{words} myocardial infarction, {finding.report}",
        evidence=towards_territory(finding.evidence, towards),
    )


def towards_territory(waves: list[Wave], towards: Floats) -> list[Wave]:
    """Turn the waves of a stage, which are written along x, towards a territory."""
    return [wave._replace(vector_mv=towards * wave.vector_mv[0]) for wave in waves]


def _along_x(size_mv: float) -> Floats:
    return np.array([size_mv, 0.0, 0.0])


def _q(rng: np.random.Generator, heart: Heart, severity: float) -> list[Wave]:
    """Return a Q of up to 0.6 mV and 30-45 ms, and the loss of R behind it."""
    depth_mv = 0.52 * severity * np.exp(rng.normal(0, 0.25))
    loss_mv = depth_mv * rng.uniform(0.3, 0.9)
    return [
        Wave("QRS", -0.65 * heart.qrs_onset_s, 0.009, 0.011, _along_x(-depth_mv), sign="q"),
        Wave("QRS", 0.0, 0.010, 0.010, _along_x(-loss_mv), sign="q"),
    ]


def _t_inversion(rng: np.random.Generator, heart: Heart, severity: float) -> Wave:
    t = heart.t[0]
    size_mv = 0.34 * severity * np.exp(rng.normal(0, 0.3))
    return Wave("T", t.centre_s, t.left_s, t.left_s, _along_x(-size_mv), sign="t")


def old_infarction(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw a scar: Q, often with a flat or inverted T; sometimes only one of them remains."""
    evidence: list[Wave] = []
    has_q = rng.random() < 0.85
    if has_q:
        evidence += _q(rng, heart, severity)
    if not has_q or rng.random() < 0.5:
        evidence.append(_t_inversion(rng, heart, severity * rng.uniform(0.4, 1.0)))
    stadium = "Stadium III" if rng.random() < 0.5 else "unknown"
    return Finding({}, "old", severity, evidence, stadium=stadium)


def recent_infarction(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw an infarction some weeks old: Q, a little ST elevation, T inverted."""
    st = Wave("T", 0.145, 0.080, 0.080, _along_x(0.10 * severity), flat=True, sign="st")
    evidence = [*_q(rng, heart, 0.8 * severity), st, _t_inversion(rng, heart, severity)]
    return Finding({}, "recent", severity, evidence, stadium="Stadium II")


def acute_infarction(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw an infarction some hours old: ST elevated towards the territory, T tall, Q starting.

    The tall T belongs to no sign: it is neither inverted nor part of ST.
    """
    st_mv = 0.30 * severity * np.exp(rng.normal(0, 0.3))
    evidence = [
        Wave("T", 0.145, 0.085, 0.085, _along_x(st_mv), flat=True, sign="st"),
        Wave("T", 0.260, 0.060, 0.050, _along_x(0.8 * st_mv)),
    ]
    if rng.random() < 0.5:
        evidence += _q(rng, heart, 0.5 * severity)
    return Finding({}, "acute", severity, evidence, stadium="Stadium I", measures={"st_mv": st_mv})


STAGES = ((0.72, old_infarction), (0.13, recent_infarction), (0.15, acute_infarction))
KINDS = ((1.0, infarction),)

"""ST-T changes: flat or inverted T, ST depression, long QT, digitalis.

ST depression of at least 0.05 mV, flat or falling; T inversion of at least 0.1 mV, symmetric when
ischaemic (Thygesen et al. 2018; Rautaharju et al., AHA/ACCF/HRS recommendations part IV,
Circulation 119:e241, 2009). Shares follow the counts of PTB-XL's STTC statements.
"""

import numpy as np

from ecgcore.arrays import Floats
from ecgsim.anatomy import Heart
from ecgsim.dipole import Wave
from ecgsim.finding import Finding, likelihood, unit

ISCHAEMIA = {
    "ISC_": ("lateral", unit(0.9, 0.3, -0.4)),
    "ISCAL": ("anterolateral", unit(0.85, 0.1, -0.55)),
    "ISCAS": ("anteroseptal", unit(0.1, 0.1, -1.0)),
    "ISCIN": ("inferior", unit(0.0, 1.0, 0.1)),
    "ISCIL": ("inferolateral", unit(0.6, 0.8, 0.1)),
}


def _less_t(heart: Heart, share: float) -> Wave:
    """Return a wave that removes a share of T: 0.5 halves it, 1.5 inverts half of it."""
    return heart.t[0].times(-share)._replace(sign="t")


def _st(size_mv: float, towards: Floats) -> Wave:
    return Wave("T", 0.150, 0.080, 0.080, size_mv * towards, flat=True, sign="st")


def flat_t(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw a flat T wave."""
    form = "LOWT" if rng.random() < 0.7 else "NT_"
    evidence = [_less_t(heart, float(np.clip(0.35 + 0.75 * severity, 0.3, 1.2)))]
    codes = {"NDT": likelihood(rng, severity), form: 0.0}
    return Finding(codes, "non-diagnostic T changes", severity, evidence)


def inverted_t(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw an ischaemic T inversion, sometimes with ST depression."""
    code = str(rng.choice(list(ISCHAEMIA), p=[0.5, 0.2, 0.1, 0.1, 0.1]))
    words, towards = ISCHAEMIA[code]
    size_mv = 0.42 * severity * np.exp(rng.normal(0, 0.25))
    t = heart.t[0]
    evidence = [Wave("T", t.centre_s, t.left_s, t.left_s, -size_mv * towards, sign="t")]
    if rng.random() < 0.4:
        evidence.append(_st(-0.12 * severity, towards))
    codes = {code: likelihood(rng, severity), "INVT": 0.0}
    return Finding(codes, f"{words} T inversion, ischaemia", severity, evidence)


def st_depression(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw a horizontal ST depression with a lower T."""
    size_mv = 0.17 * severity * np.exp(rng.normal(0, 0.25))
    evidence = [_st(-size_mv, unit(0.85, 0.45, -0.25)), _less_t(heart, 0.4 * severity)]
    code = "NST_" if rng.random() < 0.6 else "ISC_"
    codes = {code: likelihood(rng, severity), "STD_": 0.0}
    return Finding(codes, "ST depression", severity, evidence, measures={"st_mv": -size_mv})


def long_qt(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw a T that comes 40 to 110 ms later and is broader; the usual T is the counterfactual.

    The late T belongs to no sign, since it is neither flat nor inverted.
    """
    t, later_s = heart.t[0], 0.04 + 0.06 * severity
    late = t._replace(centre_s=t.centre_s + later_s, left_s=t.left_s * 1.2, right_s=t.right_s * 1.2)
    codes = {"LNGQT": likelihood(rng, severity)}
    return Finding(codes, "long QT interval", severity, [late], counterfactual=[t])


def digitalis(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Draw the scooped ST depression and the low T of digitalis."""
    scoop_mv = -0.16 * severity * unit(0.85, 0.5, -0.2)
    scoop = Wave("T", 0.170, 0.070, 0.055, scoop_mv, sign="st")
    codes = {"DIG": likelihood(rng, severity), "STD_": 0.0}
    return Finding(codes, "digitalis effect", severity, [scoop, _less_t(heart, 0.5 * severity)])


KINDS = (
    (0.34, flat_t),
    (0.34, inverted_t),
    (0.22, st_depression),
    (0.05, long_qt),
    (0.05, digitalis),
)

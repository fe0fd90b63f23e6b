"""ST-T changes: flat or inverted T, ST depression, long QT, digitalis.

ST depression of at least 0.05 mV, flat or falling; T inversion of at least 0.1 mV, symmetric when
ischaemic (Thygesen et al. 2018; Rautaharju et al., AHA/ACCF/HRS recommendations part IV,
Circulation 119:e241, 2009). Shares follow the counts of PTB-XL's STTC statements.
"""

import numpy as np

from ecgcore.simulate.anatomy import Heart
from ecgcore.simulate.dipole import Wave
from ecgcore.simulate.finding import Choice, Finding, choose, likelihood, unit

ISCHAEMIA = {
    "ISC_": ("lateral", unit(0.9, 0.3, -0.4)),
    "ISCAL": ("anterolateral", unit(0.85, 0.1, -0.55)),
    "ISCAS": ("anteroseptal", unit(0.1, 0.1, -1.0)),
    "ISCIN": ("inferior", unit(0.0, 1.0, 0.1)),
    "ISCIL": ("inferolateral", unit(0.6, 0.8, 0.1)),
}


def st_t_change(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """One of the ST-T changes."""
    return choose(rng, KINDS).make(rng, heart, severity)


def _t_change(heart: Heart, share: float) -> list[Wave]:
    """Take away a share of T: 0.5 halves it, 1.5 turns half of it upside down."""
    return [heart.t[0].times(-share)]


def _flat_t(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    code, form = ("NDT", "LOWT") if rng.random() < 0.7 else ("NDT", "NT_")
    evidence = _t_change(heart, float(np.clip(0.35 + 0.75 * severity, 0.3, 1.2)))
    codes = {code: likelihood(rng, severity), form: 0.0}
    return Finding(codes, "non-diagnostic T changes", severity, evidence)


def _inverted_t(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    code = str(rng.choice(list(ISCHAEMIA), p=[0.5, 0.2, 0.1, 0.1, 0.1]))
    words, towards = ISCHAEMIA[code]
    size_mv = 0.42 * severity * np.exp(rng.normal(0, 0.25))
    t = heart.t[0]
    evidence = [Wave("T", t.centre_s, t.left_s, t.left_s, -size_mv * towards)]
    if rng.random() < 0.4:
        evidence.append(_st(-0.12 * severity, towards))
    codes = {code: likelihood(rng, severity), "INVT": 0.0}
    return Finding(codes, f"{words} T inversion, ischaemia", severity, evidence)


def _st_depression(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    size_mv = 0.17 * severity * np.exp(rng.normal(0, 0.25))
    evidence = [_st(-size_mv, unit(0.85, 0.45, -0.25)), *_t_change(heart, 0.4 * severity)]
    code = "NST_" if rng.random() < 0.6 else "ISC_"
    codes = {code: likelihood(rng, severity), "STD_": 0.0}
    return Finding(codes, "ST depression", severity, evidence, measures={"st_mv": -size_mv})


def _st(size_mv: float, towards: np.ndarray) -> Wave:
    return Wave("T", 0.150, 0.080, 0.080, size_mv * towards, flat=True)


def _long_qt(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """The same T 40 to 110 ms later, and broader; the T that was there is taken away."""
    t, later_s = heart.t[0], 0.04 + 0.06 * severity
    late = t._replace(centre_s=t.centre_s + later_s, left_s=t.left_s * 1.2, right_s=t.right_s * 1.2)
    codes = {"LNGQT": likelihood(rng, severity)}
    return Finding(codes, "long QT interval", severity, [late], counterfactual=[t])


def _digitalis(rng: np.random.Generator, heart: Heart, severity: float) -> Finding:
    """Scooped ST and a shrunken T."""
    t = heart.t[0]
    scoop = Wave("T", 0.170, 0.070, 0.055, -0.16 * severity * unit(0.85, 0.5, -0.2))
    codes = {"DIG": likelihood(rng, severity), "STD_": 0.0}
    return Finding(codes, "digitalis effect", severity, [scoop, t.times(-0.5 * severity)])


KINDS = (
    Choice(0.34, _flat_t),
    Choice(0.34, _inverted_t),
    Choice(0.22, _st_depression),
    Choice(0.05, _long_qt),
    Choice(0.05, _digitalis),
)

"""Which leads and which waves a diagnosis is read from.

An explanation of a real record has no known truth, but it has an expectation: an inferior infarct
is read from II, III and aVF, a right bundle branch block from V1, V2, I and V6, a first-degree
block from the PR interval.  Leads after the fourth universal definition of myocardial infarction
(Thygesen et al., Circulation 138:e618, 2018) and the AHA/ACCF/HRS recommendations parts III and V
(Circulation 119:e235 and e251, 2009).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecgcore.leads import LEADS

_INFERIOR, _SEPTAL, _ANTERIOR = ("II", "III", "aVF"), ("V1", "V2", "V3"), ("V2", "V3", "V4")
_LATERAL = ("I", "aVL", "V5", "V6")
_BRANCHES = ("V1", "I", "aVL", "V6")

EXPECTED_LEADS: dict[str, tuple[str, ...]] = {
    "IMI": _INFERIOR,
    "INJIN": _INFERIOR,
    "ISCIN": _INFERIOR,
    "ILMI": (*_INFERIOR, *_LATERAL),
    "INJIL": (*_INFERIOR, *_LATERAL),
    "ISCIL": (*_INFERIOR, *_LATERAL),
    "IPLMI": (*_INFERIOR, *_LATERAL, "V1", "V2"),
    "IPMI": (*_INFERIOR, "V1", "V2"),
    "PMI": ("V1", "V2", "V3"),
    "ASMI": (*_SEPTAL, "V4"),
    "INJAS": (*_SEPTAL, "V4"),
    "ISCAS": (*_SEPTAL, "V4"),
    "AMI": ("V1", *_ANTERIOR),
    "ISCAN": ("V1", *_ANTERIOR),
    "ALMI": (*_LATERAL, "V3", "V4"),
    "INJAL": (*_LATERAL, "V3", "V4"),
    "ISCAL": (*_LATERAL, "V3", "V4"),
    "LMI": _LATERAL,
    "INJLA": _LATERAL,
    "ISCLA": _LATERAL,
    "CLBBB": (*_BRANCHES, "V5"),
    "ILBBB": (*_BRANCHES, "V5"),
    "CRBBB": ("V1", "V2", "I", "V6"),
    "IRBBB": ("V1", "V2"),
    "LAFB": ("I", "aVL", "II", "III", "aVF"),
    "LPFB": ("I", "aVL", "II", "III", "aVF"),
    "LVH": ("V1", "V2", "V5", "V6", "I", "aVL"),
    "RVH": ("V1", "V2", "V5", "V6"),
    "LAO/LAE": ("II", "V1"),
}
"""Statement of PTB-XL to the leads in which its criteria are looked for."""

EXPECTED_WAVES: dict[str, tuple[str, ...]] = {
    "1AVB": ("P", "PR"),
    "LAO/LAE": ("P", "PR"),
    "CLBBB": ("QRS",),
    "ILBBB": ("QRS",),
    "CRBBB": ("QRS",),
    "IRBBB": ("QRS",),
    "LAFB": ("QRS",),
    "IVCD": ("QRS",),
    "AFIB": ("P", "PR"),
}
"""Statement to the waves (see :data:`ecgcore.beats.WAVES`) that it is read from."""


def expected_leads(codes: Mapping[str, float]) -> NDArray[np.bool_]:
    """Leads in which the statements of a record are looked for, shape ``(12,)``.

    All false for a record none of whose statements has leads of its own.
    """
    names = {lead for code in codes for lead in EXPECTED_LEADS.get(code, ())}
    return np.array([lead in names for lead in LEADS])


def pathology(codes: Mapping[str, float], among: set[str]) -> str:
    """The one statement by which a record is filed: the likeliest of those in ``among``.

    Empty where it has none; of equally likely ones the first by name, so that it is the same in
    every run.
    """
    own = sorted(((-likelihood, code) for code, likelihood in codes.items() if code in among))
    return own[0][1] if own else ""

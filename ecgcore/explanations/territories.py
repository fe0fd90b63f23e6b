"""In which leads a diagnosis is looked for.

An explanation of a real record has no known truth, but it has an expectation: an inferior infarct
is read from II, III and aVF, a right bundle branch block from V1, V2, I and V6.  Leads after the
fourth universal definition of myocardial infarction (Thygesen et al., Circulation 138:e618, 2018)
and the AHA/ACCF/HRS recommendations parts III and V (Circulation 119:e235 and e251, 2009).
"""

from collections.abc import Mapping

import numpy as np

from ecgcore.arrays import Bools
from ecgcore.leads import LEADS

EXPECTED_LEADS = {
    "IMI INJIN ISCIN": "II III aVF",
    "ILMI INJIL ISCIL": "II III aVF I aVL V5 V6",
    "IPLMI": "II III aVF I aVL V5 V6 V1 V2",
    "IPMI": "II III aVF V1 V2",
    "PMI": "V1 V2 V3",
    "ASMI INJAS ISCAS AMI ISCAN": "V1 V2 V3 V4",
    "ALMI INJAL ISCAL": "I aVL V5 V6 V3 V4",
    "LMI INJLA ISCLA": "I aVL V5 V6",
    "CLBBB ILBBB": "V1 I aVL V6 V5",
    "CRBBB": "V1 V2 I V6",
    "IRBBB": "V1 V2",
    "LAFB LPFB": "I aVL II III aVF",
    "LVH": "V1 V2 V5 V6 I aVL",
    "RVH": "V1 V2 V5 V6",
    "LAO/LAE": "II V1",
}
"""Statements of PTB-XL to the leads in which their criteria are looked for."""


def expected_leads(codes: Mapping[str, float]) -> Bools:
    """Leads in which any of a record's statements is looked for, shape ``(12,)``."""
    names = " ".join(v for k, v in EXPECTED_LEADS.items() if not codes.keys().isdisjoint(k.split()))
    return np.isin(LEADS, names.split())


def pathology(codes: Mapping[str, float], among: set[str]) -> str:
    """The likeliest statement of a record among ``among``, the first by name; empty for none."""
    return max(sorted(among & codes.keys()), key=lambda code: codes[code], default="")

"""Where an attribution lies: on known evidence, in which windows and leads, and where expected.

A real record has no known evidence, but an expectation: an inferior infarct is read from II, III
and aVF. The leads follow the fourth universal definition of myocardial infarction (Thygesen et al.,
Circulation 138:e618, 2018) and the AHA/ACCF/HRS recommendations parts III and V (Circulation
119:e235 and e251, 2009).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ecgcore.arrays import Bools, Floats, Signals, ratio
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS


def mass_accuracy(attribution: Signals, mask: Bools) -> Floats:
    """Return the share of the relevance that lies inside the mask, shape ``(record,)``.

    ``attribution`` and ``mask`` (true where the evidence lies) have the shape ``(record, lead,
    sample)``; another shape raises ``EcgcoreError``. Only positive attribution counts, because
    masks show the evidence for the positive class. The share is NaN without a mask or positive
    attribution; by chance, it is the mask's share of the record (Arras et al. 2022, Inf Fusion
    81:14).
    """
    if attribution.shape != mask.shape or attribution.ndim != 3:
        why = f"expected the attribution's shape {attribution.shape}, got {mask.shape}"
        raise EcgcoreError(f"mask: {why}.")
    relevance = np.clip(np.asarray(attribution, np.float64), 0, None)
    inside, whole = (part.sum(axis=(1, 2)) for part in (relevance * mask, relevance))
    return ratio(inside, np.where(mask.any(axis=(1, 2)), whole, 0))


def window_sums(
    values: Signals,
    rate_hz: float,
    *,
    window_s: float = 0.5,
    stride_s: float | None = None,
) -> tuple[Floats, Floats]:
    """Return sums of ``values (..., sample)`` over windows, ``(..., window)``, and the starts [s].

    Windows start every ``stride_s`` (default: half a window, as in paper A), and the last one ends
    with the record.
    """
    stride_s = window_s / 2 if stride_s is None else stride_s
    n_samples = values.shape[-1]
    size = min(n_samples, max(1, round(window_s * rate_hz)))
    step = max(1, round(stride_s * rate_hz))
    starts = np.unique(np.minimum(np.arange(0, n_samples - size + step, step), n_samples - size))
    windows = np.lib.stride_tricks.sliding_window_view(values, size, axis=-1)[..., starts, :]
    return np.asarray(windows.sum(axis=-1, dtype=np.float64)), starts / rate_hz


def top_segments(
    attribution: Signals,
    rate_hz: float,
    *,
    k: int = 5,
    window_s: float = 0.5,
    stride_s: float | None = None,
) -> pd.DataFrame:
    """Return the ``k`` windows that speak most for the class, and the ``k`` most against it.

    ``attribution (lead, sample)`` is signed. Columns: ``sign`` (+1 or -1), ``rank`` (from 1),
    ``lead``, ``start_s``, ``end_s``, ``value``; only windows of that sign, strongest first.
    """
    sums, start_s = window_sums(attribution, rate_hz, window_s=window_s, stride_s=stride_s)
    rows = []
    for sign in (1, -1):
        order = np.argsort(-sign * sums, axis=None, kind="stable")[:k]
        for rank, flat in enumerate(order, start=1):
            lead, window = np.unravel_index(flat, sums.shape)
            value, start = float(sums[lead, window]), float(start_s[window])
            if sign * value > 0:
                rows.append((sign, rank, LEADS[lead], start, start + window_s, value))
    return pd.DataFrame(rows, columns=["sign", "rank", "lead", "start_s", "end_s", "value"])


def lead_shares(attribution: Signals) -> Floats:
    """Return each lead's share of the absolute attribution, ``(..., lead)``; nan if that is 0."""
    by_lead = np.abs(attribution).sum(axis=-1, dtype=np.float64)
    return ratio(by_lead, by_lead.sum(axis=-1, keepdims=True))


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
"""The leads in which the criteria of PTB-XL's statements are looked for, by statement."""


def expected_leads(codes: Mapping[str, float]) -> Bools:
    """Return whether any of a record's statements is looked for in each lead, ``(12,)``."""
    names = " ".join(v for k, v in EXPECTED_LEADS.items() if not codes.keys().isdisjoint(k.split()))
    return np.isin(LEADS, names.split())

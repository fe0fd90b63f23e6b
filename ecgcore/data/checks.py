"""Checks of one record's signals: the same for a user's own ECG and for every record of an archive.

A finding is an error (the record cannot be trusted and is refused, or left out of a store), a
warning (the record is read all the same) or a note.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgcore.arrays import Bools
from ecgcore.data.read_wfdb import TwelveLeads
from ecgcore.leads import LEADS, twelve_from_eight

FLAT_S = 1.0
"""A lead that keeps one value this long is reported as flat; no lead of 500 real records is."""
IDENTITY_MV = 0.05
"""Largest deviation from Einthoven's and Goldberger's identities; rounding causes 0.002 mV."""
OFFSET_MV, OUTLIER_MV, DAMAGED_JUMPS = 2.0, 10.0, 20
"""Limits of a lead's median and of a sample's distance from it, and the number of larger jumps that
proves damage even if the checksum agrees; no lead of 5,505 real records has as many."""
USUAL_SIZE_MV, SIZES_MV, POSSIBLE_SIZES_MV = 1.35, (0.1, 5.5), (0.005, 100.0)
"""Peak-to-peak amplitude of the median lead in 500 records of PTB-XL: its median, its range (0.6 to
4.8) with a margin, and limits that no ECG exceeds."""


class Finding(NamedTuple):
    """What a check noticed in one record; ``lead`` may name several leads."""

    lead: str
    kind: str
    severity: str
    detail: str


def check(record: TwelveLeads, rate_hz: float) -> list[Finding]:
    """Return all findings of one record, errors first."""
    mv, notes = record.mv, [Finding("", "read", "note", note) for note in record.notes]
    absent = np.isnan(mv)
    if absent.any():
        worst = int(absent.sum(axis=1).argmax())
        positions = np.flatnonzero(absent[worst])
        span = f"from {positions[0] / rate_hz:g} to {(positions[-1] + 1) / rate_hz:g} s"
        detail = f"has missing samples (NaN): {len(positions):,} in {LEADS[worst]}, {span}"
        return [_of_leads("nan", "error", np.asarray(absent.any(axis=1)), detail), *notes]
    flat = longest_run(mv[:, 1:] == mv[:, :-1]) >= max(2, round(FLAT_S * rate_hz))
    if flat.all():
        return [_of_leads("flat", "error", np.ones(12, dtype=np.bool_), "has no signal"), *notes]
    low, high = mv.min(axis=1), mv.max(axis=1)
    median = np.median(mv[:, ::8], axis=1)  # every eighth sample: fast
    is_tall = (np.abs([high, low] - median) > OUTLIER_MV).any(axis=0)
    size = _size(float(np.median(high - low)))
    n_jumps = (np.abs(np.diff(mv[is_tall])) > OUTLIER_MV).sum(axis=1).max(initial=0)
    if n_jumps >= DAMAGED_JUMPS and not size:
        detail = f"jumps by more than {OUTLIER_MV:g} mV {n_jumps} times; the data look damaged"
        return [_of_leads("damage", "error", is_tall, detail), *notes]
    warnings = [
        ("flat", flat, f"keeps one value for {FLAT_S:g} s or longer"),
        ("offset", np.abs(median) > OFFSET_MV, f"has a median beyond {OFFSET_MV:g} mV"),
        ("amplitude", is_tall, f"has an amplitude beyond {OUTLIER_MV:g} mV"),
    ]
    findings = [
        _of_leads(k, "warning", leads, detail) for k, leads, detail in warnings if leads.any()
    ]
    findings += size + _identities(record)
    return sorted(findings, key=lambda finding: finding.severity) + notes


def _of_leads(kind: str, severity: str, leads: Bools, detail: str) -> Finding:
    names = np.array(LEADS)[leads]
    return Finding(" ".join(names), kind, severity, f"lead {', '.join(names)} {detail}")


def longest_run(true: Bools) -> NDArray[np.intp]:
    """Return the length of the longest run of True along the last axis."""
    position = np.arange(1, true.shape[-1] + 1)
    last_false = np.maximum.accumulate(np.where(true, 0, position), axis=-1)
    return np.asarray((position - last_false).max(axis=-1))


def _size(size_mv: float) -> list[Finding]:
    """Return a finding if the peak-to-peak amplitude suggests that the unit is wrong."""
    if SIZES_MV[0] <= size_mv <= SIZES_MV[1]:
        return []
    is_possible = POSSIBLE_SIZES_MV[0] <= size_mv <= POSSIBLE_SIZES_MV[1]
    detail = f"its leads measure {size_mv:.3g} mV from peak to peak (usually {USUAL_SIZE_MV:g} mV)"
    detail += ": check the unit and the gain"
    return [Finding("", "size", "warning" if is_possible else "error", detail)]


def _identities(record: TwelveLeads) -> list[Finding]:
    """Return a finding if III = II - I and so on fail; a constant offset is not a violation."""
    limb, gains = record.mv[:6], np.abs(np.array(record.gains[:6], dtype=np.float32))
    tolerance = max(IDENTITY_MV, float(2 / gains.min()))  # coarse gains round coarsely
    residual = limb[2:] - twelve_from_eight(limb[:2])[2:]
    if max(float(residual.max()), -float(residual.min())) <= tolerance:  # fast, and most records
        return []
    deviation = np.abs(residual - np.median(residual, axis=1, keepdims=True))
    off = deviation.max(axis=0) > tolerance
    if not off.any():
        return []
    adu, size = limb * gains[:, None], f"by up to {deviation.max():.3g} mV"
    in_adu = float(np.quantile(np.abs(adu[2:] - twelve_from_eight(adu[:2])[2:]), 0.99))
    if np.ptp(gains) > 1e-6 * gains.max() and in_adu <= max(2.0, 0.01 * float(np.ptp(adu))):
        detail = "gains normalised: the limb leads obey Einthoven's identities as integers, not in "
        detail += "mV, so every lead has its own scale and voltages are meaningless"
        return [Finding("", "gains", "warning", detail)]
    if off.mean() < 0.1:
        detail = f"{off.sum()} samples violate the identities of the limb leads {size}"
        return [Finding("", "identities", "warning", detail)]
    detail = f"identities such as III = II - I and aVR = -(I + II) / 2 fail {size}"
    detail += ": limb leads may be swapped or inverted"
    return [Finding("", "identities", "error", detail)]

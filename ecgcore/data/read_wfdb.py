"""WFDB records in mV: PTB-XL's kind of header is read here, every other kind by ``wfdb``.

Format: *WFDB Applications Guide*, header(5) and signal(5). A plain header describes one file of
16-bit integers and gives every field of each signal. Our own reader is several times faster,
compares checksums, and reads non-ASCII names and units, which ``wfdb`` drops.
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecgcore.arrays import Floats, Floats32
from ecgcore.errors import EcgcoreError
from ecgcore.files import file_errors
from ecgcore.leads import LEADS, canonical_lead, twelve_from_eight

INVALID = -32768
"""Format 16's marker of a missing sample (signal(5)); NaN in mV."""

_WHOLE = r"-?\d{1,9}"
_RECORD = r"\s+(?P<signals>\d{1,4})\s+(?P<rate>\d{1,9}(?:\.\d{1,9})?)\s+(?P<n_samples>\d{1,9})"
_SIGNAL = rf"""\s+16\s+(?P<gain>-?\d{{1,9}}(?:\.\d{{0,9}})?(?:e[-+]?\d{{1,2}})?)
    (?:\((?P<baseline>{_WHOLE})\))?(?:/(?P<unit>\S+))?\s+\d{{1,9}}\s+(?P<zero>{_WHOLE})
    \s+{_WHOLE}\s+(?P<checksum>{_WHOLE})\s+\d{{1,9}}\s+(?P<name>\S.*)"""


class Lead(NamedTuple):
    """One lead of a record: its name, samples in mV (NaN where missing), adu per mV."""

    name: str
    mv: Floats
    gain: float


class TwelveLeads(NamedTuple):
    """The 12 leads in PTB-XL's order, ``mV (lead, sample)``, with gains (adu per mV) and notes."""

    mv: Floats32
    gains: tuple[float, ...]
    notes: tuple[str, ...]


def to_millivolt(unit: str) -> float | None:
    """Return the millivolts in a ``unit``: mV, µV, V or nV in any case; None if not a voltage.

    Any non-ASCII prefix counts as a micro sign, whichever encoding garbled it.
    """
    bare = re.sub(r"[^\x00-\x7f]+", "u", unit.strip().casefold())
    return {"v": 1e3, "mv": 1.0, "uv": 1e-3, "nv": 1e-6}.get(bare)


def read_wfdb(stem: Path) -> tuple[float, list[Lead]]:
    """Return the rate in Hz and the leads of a WFDB record, as its files name and order them.

    Missing samples, gaps between segments, and leads that a segment lacks are NaN. Physical values
    equal those of ``wfdb.rdrecord`` in float64. Raises ``EcgcoreError`` for a record that is
    damaged or cannot be read.
    """
    header = Path(f"{stem}.hea")
    with file_errors(header):
        content = header.read_bytes()
    stripped = map(str.strip, content.decode("utf-8-sig", errors="replace").splitlines())
    first, *lines = [line for line in stripped if line and not line.startswith("#")] or [""]
    name = rf"({re.escape(stem.name)}(?:\.\w+)?|[^\s/\\:]+)"  # only the record's may hold spaces
    record = re.fullmatch(name + _RECORD, first, re.ASCII)
    options = re.ASCII | re.IGNORECASE | re.VERBOSE
    signals = [m for line in lines if (m := re.fullmatch(name + _SIGNAL, line, options))]
    if record and lines and len(signals) == len(lines) and len({m[1] for m in signals}) == 1:
        return _read_plain(stem, record, signals)
    if not "".join([first, *lines]).isascii():
        why = "contains non-ASCII characters and is not a plain header of format 16"
        raise EcgcoreError(f"{stem}.hea: {why}; replace them, for example µV by uV.")
    return _read_through_wfdb(stem)


def _read_plain(
    stem: Path, record: re.Match[str], signals: list[re.Match[str]]
) -> tuple[float, list[Lead]]:
    """Return a record of one file of little-endian 16-bit integers; its checksums must agree."""
    n_leads, n_samples = int(record["signals"]), int(record["n_samples"])
    if n_leads != len(signals):
        why = f"announces {n_leads} signals but describes {len(signals)}; is it truncated?"
        raise EcgcoreError(f"{stem}.hea: {why}")
    path = stem.with_name(signals[0][1])
    with file_errors(path):
        content = path.read_bytes()
    if len(content) % (2 * n_leads):
        why = "ends in the middle of a frame, so it is cut off; fetch or copy it again"
        raise EcgcoreError(f"{path}: {why}.")
    adu = np.ascontiguousarray(np.frombuffer(content, dtype="<i2").reshape(-1, n_leads).T)
    if adu.shape[1] != n_samples:
        why = f"has {adu.shape[1]} samples per lead, but its header says {n_samples}"
        raise EcgcoreError(f"{stem}: {why}; fetch or copy both files again.")
    sums = adu.sum(axis=1, dtype=np.int64) & 0xFFFF
    pairs = zip(signals, sums.tolist(), strict=True)
    if wrong := [s["name"] for s, total in pairs if int(s["checksum"]) & 0xFFFF != total]:
        why = f"checksum of lead {', '.join(wrong)} does not match its header; the data are damaged"
        raise EcgcoreError(f"{stem}: {why}: fetch or copy the record again.")
    values = adu.astype(np.float64)
    values[adu == INVALID] = np.nan
    leads = []
    for signal, samples in zip(signals, values, strict=True):
        gain = float(signal["gain"]) or 200.0  # a gain of 0 stands for the default
        physical = (samples - int(signal["baseline"] or signal["zero"])) / gain
        leads.append(_lead(stem, signal["name"], physical, gain, signal["unit"] or "mV"))
    return float(record["rate"]), [lead for lead in leads if lead]


def _read_through_wfdb(stem: Path) -> tuple[float, list[Lead]]:
    """Return any other record as ``wfdb`` reads it; its checksums are not compared."""
    import wfdb  # slow to import, and only needed here

    try:
        header = wfdb.rdheader(str(stem))
        if (header.sig_len or 0) * header.n_sig > 10**9:  # a damaged header
            raise ValueError(f"it announces {header.sig_len} samples per lead")
        if getattr(header, "layout", "") == "fixed" and "~" in header.seg_name:
            raise ValueError("wfdb joins segments with a gap only where a layout header is there")
        record = wfdb.rdrecord(str(stem))
        fields = zip(record.p_signal.T, record.adc_gain, record.units, strict=True)
        signals = zip(record.sig_name, fields, strict=True)
        leads = [_lead(stem, name or "", *field) for name, field in signals if field[1]]
    except EcgcoreError:
        raise
    except Exception as error:  # wfdb raises whatever its parsers meet
        why = f"is not a readable WFDB record ({type(error).__name__}: {error})"
        raise EcgcoreError(f"{stem}: {why}.") from None
    return float(record.fs), [lead for lead in leads if lead]


def _lead(stem: Path, name: str, physical: Floats, gain: float, unit: str) -> Lead | None:
    """Return the signal in mV; None if it is neither a lead nor a voltage."""
    name, scale = canonical_lead(name), to_millivolt(unit)
    if scale is not None and 1e-9 < abs(gain / scale) < 1e12:
        return Lead(name, physical * scale, gain / scale)
    if name not in LEADS:
        return None
    why = f"lead {name} has the unit '{unit}' and the gain {gain:g}"
    raise EcgcoreError(f"{stem}.hea: {why}; expected mV, uV, V or nV and a valid gain.")


def twelve_leads(leads: list[Lead], stem: Path | str) -> TwelveLeads:
    """Choose and order the 12 leads by name; III, aVR, aVL and aVF may be derived from I and II.

    Raises ``EcgcoreError`` naming a lead that is missing or appears twice.
    """
    names = [lead.name for lead in leads]
    if twice := [name for name in LEADS if names.count(name) > 1]:
        raise EcgcoreError(f"{stem}: lead {twice[0]} is present twice; remove all but one.")
    chosen = {lead.name: lead for lead in leads if lead.name in LEADS}
    missing, notes = [name for name in LEADS if name not in chosen], tuple[str, ...]()
    if absent := set(missing) - set(LEADS[2:6] if {"I", "II"} <= set(chosen) else ()):
        why = f"lead {', '.join(sorted(absent, key=LEADS.index))} missing (it has "
        why += f"{', '.join(filter(None, names)) or 'no names'}); the 12 standard leads are needed,"
        raise EcgcoreError(f"{stem}: {why} of which III, aVR, aVL and aVF follow from I and II.")
    if missing:
        notes = (f"lead {', '.join(missing)} derived from I and II",)
        limb = twelve_from_eight(np.stack([chosen["I"].mv, chosen["II"].mv]))
        chosen |= {n: Lead(n, limb[LEADS.index(n)], chosen["I"].gain) for n in missing}
    mv = np.array([chosen[name].mv for name in LEADS], dtype=np.float32)
    return TwelveLeads(mv, tuple(chosen[name].gain for name in LEADS), notes)

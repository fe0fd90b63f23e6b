"""WFDB records in mV: plain format 16 decoded here, every other format by ``wfdb``.

Format: *WFDB Applications Guide*, header(5) and signal(5). We parse a header's bytes ourselves:
the ``wfdb`` package drops every character that is not ASCII, so that ``µV`` becomes ``V``, and
opens whatever file a header names, in other folders and on the network too. It only decodes copies
of the data files, with a header that we write.
"""

import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecgcore.arrays import Floats, Floats32
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS, canonical_lead, twelve_from_eight

DEFAULT_RATE_HZ, DEFAULT_GAIN = 250.0, 200.0
"""What a missing rate and a missing or zero gain stand for (adu per unit)."""

INVALID = -32768
"""Format 16's mark of a missing sample (signal(5)), NaN in mV."""

_DATA = "data file; copy it again"
_FORMATS = "8|16|24|32|61|80|160|212|310|311|508|516|524"
_NUMBER, _WHOLE = r"-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d{1,3})?", r"-?\d{1,18}"
_FLAGS = re.ASCII | re.IGNORECASE | re.VERBOSE
_NAME = re.compile(r"(?:[^\s/]|/(?!\d+\s))*")
_RECORD = re.compile(
    rf"""(?:/(?P<segments>\d{{1,6}}))? \s+ (?P<signals>\d{{1,5}})
    (?:\s+ (?P<rate>{_NUMBER}) (?:[/(]\S*)? (?:\s+ (?P<n_samples>\d{{1,12}}) (?:\s.*)? )? )?""",
    _FLAGS,
)
_SIGNAL = re.compile(
    rf"""\s+ (?P<layout>(?:{_FORMATS}) (?:x[1-9]\d{{0,4}})? (?::\d{{1,9}})? (?:\+\d{{1,12}})?)
    (?:\s+ (?P<gain>{_NUMBER}) (?:\((?P<baseline>{_WHOLE})\))? (?:/(?P<unit>\S+))?
    (?:\s+ \d{{1,18}} (?:\s+ (?P<zero>{_WHOLE}) (?:\s+ (?P<initial>{_WHOLE})
    (?:\s+ (?P<checksum>{_WHOLE}) (?:\s+ \d{{1,18}} (?:\s+ (?P<name>.*) )?)?)?)?)?)?)?""",
    _FLAGS,
)
_SEGMENT = re.compile(r"(\S.*?)\s+(\d{1,12})", re.ASCII)


class RecordError(EcgcoreError):
    """A record that cannot be read; ``kind`` is the word that a quality report counts."""

    def __init__(self, place: Path | str, why: str, kind: str = "header") -> None:
        super().__init__(f"{place}: {why}.")
        self.kind = kind


class Signal(NamedTuple):
    """One line of a header: where a signal lies, and how its integers become physical values."""

    file: str
    layout: str  # format, and perhaps samples per frame, skew and offset: 16x2:0+24
    gain: float  # adu per unit; 0 where the header states none
    baseline: int
    unit: str
    initial: int
    checksum: int | None  # sum of the samples modulo 65536
    name: str


class Header(NamedTuple):
    """What a header says; None where it does not say it. Segments: name (~ for a gap), samples."""

    stem: Path
    rate_hz: float | None
    n_samples: int | None
    signals: list[Signal]
    segments: list[tuple[str, int]]


class Lead(NamedTuple):
    """One lead of a record: its name, samples in mV (NaN where missing), adu per mV."""

    name: str
    mv: Floats
    gain: float


class Recording(NamedTuple):
    """The leads of a record as its files name and order them."""

    rate_hz: float
    leads: list[Lead]
    notes: list[str]


class TwelveLeads(NamedTuple):
    """The 12 leads in PTB-XL's order, ``mV (lead, sample)``, with gains (adu per mV) and notes."""

    mv: Floats32
    gains: tuple[float, ...]
    notes: tuple[str, ...]


def to_millivolt(unit: str) -> float | None:
    """Millivolt per ``unit``, in any spelling of mV, µV, V or nV; None if it is no voltage.

    Any prefix outside of ASCII is a micro sign, whichever encoding garbled it.
    """
    bare = re.sub(r"[^\x00-\x7f]+|micro", "u", unit.strip().casefold())
    match = re.fullmatch(r"(m|u|n|)v(?:olts?)?", re.sub("milli|nano", lambda m: m[0][0], bare))
    return {"": 1e3, "m": 1.0, "u": 1e-3, "n": 1e-6}[match[1]] if match else None


def read_header(stem: Path) -> Header:
    """Read ``STEM.hea``; raises :class:`RecordError` that names the file and the line."""
    place = f"{stem}.hea"
    content = _read_bytes(Path(place), "header file; expected a WFDB record")
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    text = text.rstrip("\x1a\x00")
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text.replace("\r", "\n")):
        raise RecordError(place, "is not text; fetch or copy it again")
    stripped = map(str.strip, re.split(r"\r\n|\n|\r", text))
    first, *lines = [line for line in stripped if line and not line.startswith("#")] or [""]
    own_name = re.match(re.escape(stem.name) + r"(?=[\s/])", first)  # only this may hold spaces
    name_match = own_name or _NAME.match(first)
    match = _RECORD.fullmatch(first, name_match.end()) if name_match and name_match[0] else None
    rate_hz = float(match["rate"]) if match and match["rate"] else None
    if not match or (rate_hz is not None and not 0 < rate_hz < 1e9):
        raise RecordError(place, "its first line is not 'NAME N_SIGNALS RATE N_SAMPLES'")
    kind = "segments" if match["segments"] else "signals"
    if len(lines) != int(match[kind]):
        why = f"announces {match[kind]} {kind} but describes {len(lines)}; is it truncated?"
        raise RecordError(place, why)
    n_samples = int(match["n_samples"]) if match["n_samples"] else None
    if n_samples == 0 and kind == "signals" and not all(x.startswith("~ ") for x in lines):
        raise RecordError(place, "says that it holds 0 samples")
    header = Header(stem, rate_hz, n_samples, [], [])
    for line in lines:
        start = len(stem.name) if line.startswith(stem.name) else 0  # it may hold spaces
        file = line[:start] + re.split(r"\s", line[start:], maxsplit=1)[0]
        entry = _SIGNAL.fullmatch(line, len(file))
        if kind == "segments" and (entry := _SEGMENT.fullmatch(line)):
            file = entry[1]
        if re.search(r"[/\\:]", file) or file in (".", ".."):
            raise RecordError(place, f"names '{file}', which lies elsewhere; expected it here")
        if not entry:
            raise RecordError(place, f"cannot read line '{line[:80]}'")
        if kind == "segments":
            header.segments.append((file, int(entry[2])))
            continue
        layout, gain, baseline, unit, zero, initial, total, name = entry.groups()
        zero, checksum = baseline or zero or 0, int(total) & 0xFFFF if total else None
        numbers = float(gain or 0), int(zero), unit or "mV", int(initial or 0), checksum
        header.signals.append(Signal(file, layout, *numbers, (name or "").strip()))
    return header


def _read_bytes(path: Path, kind: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise RecordError(path, f"there is no such {kind}", "missing") from None
    except OSError as error:
        raise RecordError(path, f"cannot be read ({error})", "unreadable") from None


def read_wfdb(stem: Path, *, is_segment: bool = False) -> Recording:
    """Read a WFDB record of one segment or several; raises :class:`RecordError`.

    Missing samples, gaps between segments, and leads that a segment lacks are NaN. Physical values
    equal those of ``wfdb.rdrecord`` in float64.
    """
    header = read_header(stem)
    if header.segments and not is_segment:
        return _join(header)
    if not header.signals:
        raise RecordError(f"{stem}.hea", "describes no signals")
    is_plain = {(s.file, s.layout) for s in header.signals} == {(header.signals[0].file, "16")}
    values, sums = _format_16(header) if is_plain else _through_wfdb(header)
    if len(values[0]) != (header.n_samples or len(values[0])):
        why = f"holds {len(values[0])} samples per lead but its header says {header.n_samples}"
        raise RecordError(stem, f"{why}; fetch or copy both files again", "length")
    pairs = zip(header.signals, sums, strict=True)
    differs = [s for s, total in pairs if s.checksum not in (None, total & 0xFFFF)]
    if wrong := [s.name or "without a name" for s in differs if ":" not in s.layout]:
        why = f"checksum of lead {', '.join(wrong)} does not match its header; the data are damaged"
        raise RecordError(stem, f"{why}: fetch or copy the record again", "checksum")
    leads = [_lead(s, x, stem) for s, x in zip(header.signals, values, strict=True)]
    rate_hz, notes = header.rate_hz or DEFAULT_RATE_HZ, []
    if header.rate_hz is None:
        notes.append(f"the header names no sampling rate; WFDB's default of {rate_hz:g} Hz is used")
    if any(signal.gain == 0 for signal in header.signals):
        notes.append(f"the header names no gain; WFDB's default of {DEFAULT_GAIN:g} per mV is used")
    if inverted := [s.name or "without a name" for s in header.signals if s.gain < 0]:
        notes.append(f"a negative gain inverts lead {', '.join(inverted)}")
    return Recording(rate_hz, [lead for lead in leads if lead], notes)


def _format_16(header: Header) -> tuple[list[Floats], list[int]]:
    """Signals in adu, and their sums: 16-bit integers, little endian, all leads in one file."""
    path, n_leads = header.stem.with_name(header.signals[0].file), len(header.signals)
    content = _read_bytes(path, _DATA)
    if len(content) % (2 * n_leads):
        why = "ends in the middle of a frame; it is cut off: fetch or copy it again"
        raise RecordError(path, why, "truncated")
    adu = np.ascontiguousarray(np.frombuffer(content, dtype="<i2").reshape(-1, n_leads).T)
    values = adu.astype(np.float64)
    values[adu == INVALID] = np.nan
    return list(values), adu.sum(axis=1, dtype=np.int64).tolist()


def _through_wfdb(header: Header) -> tuple[list[Floats], list[int]]:
    """Signals in adu as ``wfdb`` decodes them, frames averaged, and the sums of all samples."""
    import wfdb  # slow to import, and only needed here

    copies = {signal.file: f"{k}.dat" for k, signal in enumerate(header.signals)}
    has_frames = any("x" in signal.layout for signal in header.signals)
    is_packed = header.signals[0].layout[0] == "5"  # whose length wfdb cannot infer
    lines = [f"r {len(header.signals)} 250 {header.n_samples if is_packed else ''}"]
    for k, s in enumerate(header.signals):
        lines.append(f"{copies[s.file]} {s.layout} 1(0)/mV 0 0 {s.initial} 0 0 {k}")
    with tempfile.TemporaryDirectory() as folder:
        for name, copy in copies.items():
            Path(folder, copy).write_bytes(_read_bytes(header.stem.with_name(name), _DATA))
        Path(folder, "r.hea").write_text("\n".join(lines) + "\n", encoding="ascii")
        try:
            record = wfdb.rdrecord(f"{folder}/r", physical=False, smooth_frames=not has_frames)
            signals = record.e_d_signal if has_frames else record.d_signal.T
            if has_frames:
                record.d_signal = record.smooth_frames("digital")
            return list(record.dac().T), [int(x.sum(dtype=np.int64)) for x in signals]
        except Exception as error:  # wfdb raises whatever its parsers meet
            why = f"is not a readable WFDB record ({type(error).__name__}: {error})"
            raise RecordError(header.stem, why, "unreadable") from None


def _lead(signal: Signal, adu: Floats, stem: Path) -> Lead | None:
    """The signal in mV; None if it is neither a lead nor a voltage."""
    name, scale = canonical_lead(signal.name), to_millivolt(signal.unit)
    gain = signal.gain or DEFAULT_GAIN
    if scale is not None and 1e-9 < abs(gain / scale) < 1e12 and abs(signal.baseline) <= 2**31:
        return Lead(name, (adu - signal.baseline) / gain * scale, gain / scale)
    if name not in LEADS:
        return None
    why = f"lead {name} is in '{signal.unit}' at a gain of {gain:g} from {signal.baseline}"
    raise RecordError(f"{stem}.hea", f"{why}; expected mV, uV, V or nV and a possible gain")


def _join(header: Header) -> Recording:
    """A multi-segment record; what a segment lacks is NaN."""
    n_samples, start = sum(length for _, length in header.segments), 0
    if n_samples != (header.n_samples or n_samples) or n_samples > 1e9:
        why = f"its segments hold {n_samples} samples; it announces {header.n_samples}"
        raise RecordError(header.stem, why, "length")
    rate_hz, joined = header.rate_hz or DEFAULT_RATE_HZ, dict[tuple[str, int], Lead]()
    for name, length in header.segments:
        if name != "~" and length:  # a segment without samples only describes the layout
            part = read_wfdb(header.stem.with_name(name), is_segment=True)
            if part.rate_hz != rate_hz or any(len(lead.mv) != length for lead in part.leads):
                why = f"segment {name} is not {length} samples at {rate_hz:g} Hz, as announced"
                raise RecordError(header.stem, why, "length")
            for k, lead in enumerate(part.leads):
                key = (lead.name, [other.name for other in part.leads[:k]].count(lead.name))
                absent = Lead(lead.name, np.full(n_samples, np.nan), lead.gain)
                joined.setdefault(key, absent).mv[start : start + length] = lead.mv
        start += length
    return Recording(rate_hz, list(joined.values()), [])


def twelve_leads(recording: Recording, stem: Path | str) -> TwelveLeads:
    """Choose and order the 12 leads by name; III, aVR, aVL and aVF may be derived from I and II.

    Raises :class:`RecordError` naming a lead that is missing, or there twice and different.
    """
    notes, chosen = list(recording.notes), dict[str, Lead]()
    for name in LEADS:
        same = [lead for lead in recording.leads if lead.name == name]
        if not all(np.array_equal(lead.mv, same[0].mv, equal_nan=True) for lead in same):
            n, same = len(same), [lead for lead in same if not np.isnan(lead.mv).any()]
            if len(same) != 1:
                why = f"lead {name} is present {n} times with different samples; remove all but one"
                raise RecordError(stem, why)
            notes.append(f"lead {name} is present {n} times; the only complete one is used")
        chosen |= {name: same[0]} if same else {}
    missing = [name for name in LEADS if name not in chosen]
    derived = set(LEADS[2:6]) if {"I", "II"} <= set(chosen) else set()
    if set(missing) - derived:
        names = dict.fromkeys(lead.name or "a lead without a name" for lead in recording.leads)
        absent = ", ".join(name for name in missing if name not in derived)
        why = f"lead {absent} missing (it has {', '.join(names) or 'none'}); the 12 standard leads "
        why += "are needed, of which III, aVR, aVL and aVF follow from I and II"
        raise RecordError(stem, why)
    if missing:
        verb = "lead {} was" if len(missing) == 1 else "leads {} were"
        notes.append(verb.format(", ".join(missing)) + " derived from I and II")
        limb = twelve_from_eight(np.stack([chosen["I"].mv, chosen["II"].mv]))
        chosen |= {n: Lead(n, limb[LEADS.index(n)], chosen["I"].gain) for n in missing}
    leads = [chosen[name] for name in LEADS]
    mv = np.array([lead.mv for lead in leads], dtype=np.float32)
    return TwelveLeads(mv, tuple(lead.gain for lead in leads), tuple(notes))

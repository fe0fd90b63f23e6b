"""WFDB headers: what a ``.hea`` file says, and the refusal of what we do not decode.

Format: *WFDB Applications Guide*, header(5) and signal(5).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS

_CANONICAL = {name.upper(): name for name in LEADS}
_GAIN = re.compile(r"^(?P<gain>[-+.\deE]+?)(\((?P<baseline>-?\d+)\))?(/(?P<units>\S+))?$")
_COUNT = re.compile(r"\d{1,18}", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)(e[-+]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_FORMAT = re.compile(r"^(?P<format>\d+)(?P<rest>\D.*)?$")
_DEFAULT_GAIN = 200.0
"""header(5): the gain that a missing or zero field stands for, in adu per mV."""

UNSTATED = -1
"""A checksum that a header leaves out."""


@dataclass(frozen=True)
class Header:
    """What the header of one single-segment record says, one entry a signal.

    ``lead_names`` are spelled as in :data:`ecgcore.leads.LEADS` where they name one of those;
    ``gains`` are in adu per unit, ``baselines`` in adu; ``n_samples`` is per lead.
    """

    record_name: str
    rate_hz: float
    n_samples: int
    lead_names: tuple[str, ...]
    file_names: tuple[str, ...]
    formats: tuple[str, ...]
    byte_offsets: tuple[int, ...]
    gains: tuple[float, ...]
    baselines: tuple[int, ...]
    units: tuple[str, ...]
    initial_values: tuple[int, ...]
    checksums: tuple[int, ...]
    """Sum of a lead's samples, modulo 65536; :data:`UNSTATED` where the header has none."""


def hea_path(stem: Path | str) -> Path:
    """``STEM.hea``, also when the record's name holds a dot."""
    return Path(f"{stem}.hea")


def canonical_lead(name: str) -> str:
    """Spelling of a lead as in :data:`ecgcore.leads.LEADS`; an unknown name stays as it is."""
    return _CANONICAL.get(name.strip().upper(), name.strip())


def read_header(path: Path | str) -> Header:
    """Read the header of one record.

    Parameters
    ----------
    path
        The record without suffix, as in PTB-XL's ``filename_lr``, or its ``.hea`` file.

    Raises
    ------
    EcgcoreError
        Missing or unreadable file, or a header that is not a single-segment WFDB header.
    """
    stem = Path(str(path).removesuffix(".hea"))
    try:
        text = hea_path(stem).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise EcgcoreError(f"{hea_path(stem)}: there is no such header file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise EcgcoreError(f"{hea_path(stem)}: cannot be read ({error}).") from None
    return parse_header(text, str(hea_path(stem)))


def parse_header(text: str, name: str) -> Header:
    """Parse the text of a header; ``name`` is what errors call it."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines or len(lines[0].split()) < 2:
        raise EcgcoreError(f"{name}: not a WFDB header (expected 'NAME N_SIGNALS RATE N_SAMPLES').")
    first = lines[0].split()
    if "/" in first[0]:
        raise EcgcoreError(f"{name}: a multi-segment record; expected a single segment.")
    try:
        n_signals = _whole(first[1])
        rate_hz = _number(re.split(r"[/(]", first[2])[0]) if len(first) > 2 else 250.0
        n_samples = _whole(first[3]) if len(first) > 3 else 0
        stated_as_none = len(first) > 3 and n_samples == 0  # unspecified, or empty: wfdb refuses it
        if (
            rate_hz <= 0
            or n_samples < 0
            or stated_as_none
            or not re.fullmatch(r"[-\w]+", first[0], re.ASCII)
        ):
            raise ValueError
    except ValueError:
        raise EcgcoreError(
            f"{name}: first line '{lines[0]}' is not 'NAME N_SIGNALS RATE N_SAMPLES'."
        ) from None
    if len(lines) - 1 != n_signals:
        raise EcgcoreError(
            f"{name}: announces {n_signals} signals but describes {len(lines) - 1}; truncated?"
        )
    signals = [_parse_signal(line, name) for line in lines[1:]]
    columns: list[Any] = list(zip(*signals, strict=True)) if signals else [()] * 9
    return Header(first[0], rate_hz, n_samples, *columns)


def _parse_signal(line: str, name: str) -> tuple[str | int | float, ...]:
    """Fields of one signal, in the order of :class:`Header` from ``lead_names`` on."""
    fields = line.split(maxsplit=8)
    if len(fields) < 2:
        raise EcgcoreError(f"{name}: signal line '{line}' has no format field.")
    fields += ["", "0", "0", "0", "", "0", ""][len(fields) - 2 :]
    file_name, format_text, gain_text, bits, zero, initial, checksum, block, description = fields
    form, gain = _FORMAT.match(format_text), _GAIN.match(gain_text or "0")
    try:
        if form is None or gain is None or not all(map(_COUNT.fullmatch, (bits, block))):
            raise ValueError
        rest = form["rest"] or ""
        offset = _whole(rest[1:]) if re.fullmatch(r"\+\d+", rest) else 0
        shown_format = form["format"] + ("" if offset else rest)
        adc_zero = _whole(zero)
        baseline = _whole(gain["baseline"]) if gain["baseline"] else adc_zero
        per_unit = _number(gain["gain"]) or _DEFAULT_GAIN
        numbers = (_whole(initial), _whole(checksum) & 0xFFFF if checksum else UNSTATED)
    except ValueError:
        raise EcgcoreError(f"{name}: cannot read signal line '{line}'.") from None
    units = gain["units"] or "mV"
    lead = canonical_lead(description)
    return (lead, file_name, shown_format, offset, per_unit, baseline, units, *numbers)


def _whole(text: str) -> int:
    """A whole number as header(5) writes it; Python's own ``int`` takes ``1_000`` and more."""
    if not _WHOLE.fullmatch(text):
        raise ValueError
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError
    return float(text)

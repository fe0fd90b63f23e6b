"""Writing WFDB format-16 records with headers in PTB-XL's style."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS

GAIN = 1000
"""PTB-XL's gain, in adu per mV."""

INVALID = -32768
"""Format 16's mark of a sample that is missing (signal(5)); NaN in mV."""


def to_adu(signals_mv: NDArray[np.floating], gain: int = GAIN) -> NDArray[np.int16]:
    """Round mV to int16; NaN becomes :data:`INVALID`.

    Raises
    ------
    EcgcoreError
        An amplitude does not fit in 16 bits.
    """
    scaled = np.rint(np.asarray(signals_mv, dtype=np.float64) * gain)
    if np.nanmax(np.abs(scaled), initial=0) > 32767:
        raise EcgcoreError(
            f"signals_mv: {np.nanmax(np.abs(signals_mv)):.6g} mV does not fit in 16 bits at "
            f"{gain} adu per mV (at most {32767 / gain:g} mV); lower the gain."
        )
    return np.where(np.isnan(scaled), INVALID, scaled).astype(np.int16)


def write_record(
    stem: Path | str,
    signals_mv: NDArray[np.floating],
    rate_hz: int,
    *,
    gain: int = GAIN,
    lead_names: Sequence[str] = LEADS,
) -> None:
    """Write one record as ``STEM.dat`` (format 16) and ``STEM.hea`` (PTB-XL's style).

    Parameters
    ----------
    stem
        Path without suffix; its folder exists.
    signals_mv
        Shape (lead, sample), mV; NaN is written as format 16's invalid sample.
    rate_hz
        Sampling rate.
    gain
        adu per mV.
    lead_names
        One name a row, written in upper case as PTB-XL does.

    Raises
    ------
    EcgcoreError
        An amplitude does not fit in 16 bits.
    """
    _write(Path(stem), to_adu(signals_mv, gain), rate_hz, gain, lead_names)


def write_records(
    stems: Sequence[Path | str], adu: NDArray[np.int16], rate_hz: int, *, gain: int = GAIN
) -> None:
    """Write many 12-lead records; ``adu`` has shape (record, lead, sample)."""
    for stem, record in zip(stems, adu, strict=True):
        _write(Path(stem), record, rate_hz, gain, LEADS)


def encode_record(
    name: str,
    adu: NDArray[np.int16],
    rate_hz: int,
    *,
    gain: int = GAIN,
    lead_names: Sequence[str] = LEADS,
) -> dict[str, bytes]:
    """Content of a record's two files by suffix, ``.dat`` and ``.hea``, for who writes them.

    Parameters
    ----------
    name
        Of the record, as its files are called.
    adu
        Shape (lead, sample).
    """
    sums = adu.sum(axis=1, dtype=np.int16).view(np.uint16)
    lines = [f"{name} {len(adu)} {rate_hz} {adu.shape[1]}"]
    for lead, first, checksum in zip(lead_names, adu[:, 0], sums, strict=True):
        fields = f"16 {float(gain)}(0)/mV 16 0 {first} {checksum} 0 {lead.upper()}"
        lines.append(f"{name}.dat {fields}")
    frames = np.ascontiguousarray(adu.T, dtype="<i2")
    return {".dat": frames.tobytes(), ".hea": ("\n".join(lines) + "\n").encode()}


def _write(
    stem: Path, adu: NDArray[np.int16], rate_hz: int, gain: int, lead_names: Sequence[str]
) -> None:
    # Both files replace in turn, data first: a header never describes data that is not there.
    encoded = encode_record(stem.name, adu, rate_hz, gain=gain, lead_names=lead_names)
    for suffix, content in encoded.items():
        path, partial = Path(f"{stem}{suffix}"), Path(f"{stem}{suffix}.partial")
        partial.write_bytes(content)
        os.replace(partial, path)

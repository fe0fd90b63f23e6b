"""Writing WFDB records of format 16 with headers in PTB-XL's style."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import EcgcoreError
from ecgcore.files import write_whole
from ecgcore.leads import LEADS

Adu = NDArray[np.int16]

GAIN = 1000
"""PTB-XL's gain, in adu per mV."""
INVALID = -32768
"""Format 16's mark of a missing sample (signal(5)); NaN in mV."""


def to_adu(signals_mv: NDArray[np.floating], gain: int = GAIN) -> Adu:
    """Round mV to int16, NaN to :data:`INVALID`; ``EcgcoreError`` for more than 16 bits."""
    scaled = np.asarray(signals_mv) * np.float32(gain)
    np.rint(scaled, out=scaled)
    largest = np.nanmax(np.abs(scaled), initial=0)
    if largest > 32767:
        raise EcgcoreError(
            f"signals_mv: {largest / gain:.6g} mV does not fit in 16 bits at {gain} adu per mV (at "
            f"most {32767 / gain:g} mV); lower the gain."
        )
    np.nan_to_num(scaled, copy=False, nan=INVALID)
    return scaled.astype(np.int16)


def write_record(
    stem: Path | str, signals_mv: NDArray[np.floating], rate_hz: int, gain: int = GAIN, **names: Any
) -> None:
    """Write one record, shape (lead, sample), mV; ``lead_names`` as in :func:`encode_record`."""
    write_records([stem], to_adu(signals_mv, gain)[None], rate_hz, gain=gain, **names)


def write_records(stems: Sequence[Path | str], adu: Adu, rate_hz: int, **style: Any) -> None:
    """Write many records, shape (record, lead, sample); style as in :func:`encode_record`."""
    for stem, record in zip(stems, adu, strict=True):
        for suffix, content in encode_record(Path(stem).name, record, rate_hz, **style).items():
            write_whole(Path(f"{stem}{suffix}"), content)  # data first: no header without its data


def encode_record(
    name: str, adu: Adu, rate_hz: int, *, gain: int = GAIN, lead_names: Sequence[str] = LEADS
) -> dict[str, bytes]:
    """Content of ``.dat`` (format 16) and ``.hea`` (PTB-XL's style); ``adu`` (lead, sample)."""
    sums = adu.sum(axis=1, dtype=np.int16).view(np.uint16)
    lines = [f"{name} {len(adu)} {rate_hz} {adu.shape[1]}"]
    for lead, first, checksum in zip(lead_names, adu[:, 0], sums, strict=True):
        fields = f"16 {float(gain)}(0)/mV 16 0 {first} {checksum} 0 {lead.upper()}"
        lines.append(f"{name}.dat {fields}")
    frames = np.ascontiguousarray(adu.T, dtype="<i2")
    return {".dat": frames.tobytes(), ".hea": ("\n".join(lines) + "\n").encode()}

"""WFDB records of format 16 with headers in PTB-XL's style, as bytes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS

Adu = NDArray[np.int16]

GAIN, INVALID = 1000, -32768
"""PTB-XL's gain in adu per mV, and format 16's mark of a missing sample (signal(5)), NaN in mV."""


def to_adu(signals_mv: NDArray[np.floating], gain: int = GAIN) -> Adu:
    """Round mV to int16, NaN to :data:`INVALID`; ``EcgcoreError`` for more than 16 bits."""
    scaled = np.rint(np.asarray(signals_mv) * np.float32(gain))
    largest = np.nanmax(np.abs(scaled), initial=0)
    if largest > 32767:
        why = f"{largest / gain:.6g} mV does not fit in 16 bits at {gain} adu per mV"
        raise EcgcoreError(f"signals_mv: {why} (at most {32767 / gain:g} mV); lower the gain.")
    return np.nan_to_num(scaled, nan=INVALID).astype(np.int16)


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

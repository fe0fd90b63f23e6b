"""What a header asks of its decoder, and the refusal of what cannot be decoded exactly."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.wfdb16.header import Header
from ecgcore.wfdb16.write import GAIN, INVALID

N_LEADS = len(LEADS)
_FARTHEST_BASELINE = 2**31
"""adu; header(5) has it fit in 32 bits, and no sum of samples and it can then overflow."""

_PER_MV = {"mV": 1.0, "uV": 1000.0, "µV": 1000.0, "V": 0.001}


class Refused(EcgcoreError):
    """A record that is not decoded; carries the kind of problem."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


@dataclass(frozen=True)
class Layout:
    """How to turn the frames of a file into (lead, sample) at 1000 adu per mV."""

    byte_offset: int
    order: NDArray[np.intp]
    baselines: NDArray[np.int64]
    factors: NDArray[np.int64]

    @property
    def is_plain(self) -> bool:
        """PTB-XL's own layout: nothing to reorder, shift or scale."""
        return (
            self.byte_offset == 0
            and not self.baselines.any()
            and bool((self.factors == 1).all())
            and bool((self.order == np.arange(N_LEADS)).all())
        )


def layout_of(header: Header, stem: str, rate_hz: int, n_samples: int) -> Layout:
    """Check that a header is one we decode exactly, and plan how.

    Anything unusual is refused by name rather than misread.
    """

    _check_leads(header, stem)
    if header.rate_hz != rate_hz:
        raise _refuse(stem, f"says {header.rate_hz:g} Hz; expected {rate_hz} Hz in this folder.")
    if header.n_samples not in (0, n_samples):
        raise Refused(
            "length",
            f"{stem}.hea: says {header.n_samples} samples a lead; expected {n_samples} "
            f"({n_samples / rate_hz:g} s at {rate_hz} Hz).",
        )
    for form in set(header.formats):
        if form != "16":
            raise _refuse(
                stem, f"signal format {form}; expected 16 (ptbxl.load_record reads others)."
            )
    files = set(header.file_names)
    if len(files) != 1 or len(set(header.byte_offsets)) != 1:
        raise _refuse(stem, "its leads lie in several files; expected one .dat file.")
    if "/" in header.file_names[0] or "\\" in header.file_names[0]:
        raise _refuse(
            stem, f"data file '{header.file_names[0]}' lies elsewhere; expected it beside."
        )
    if any(abs(baseline) > _FARTHEST_BASELINE for baseline in header.baselines):
        raise _refuse(stem, f"has a baseline beyond {_FARTHEST_BASELINE} adu.")
    return Layout(
        byte_offset=header.byte_offsets[0],
        order=np.array([header.lead_names.index(lead) for lead in LEADS]),
        baselines=np.array(header.baselines),
        factors=_factors(header, stem),
    )


def _refuse(stem: str, what: str) -> Refused:
    return Refused("header", f"{stem}.hea: {what}")


def _check_leads(header: Header, stem: str) -> None:
    names = header.lead_names
    missing = [lead for lead in LEADS if lead not in names]
    extra = [name for name in names if name not in LEADS]
    if missing or extra or len(names) != N_LEADS:
        said = f"has {len(names)} leads"
        said += f", lacks {', '.join(missing)}" if missing else ""
        said += f", has unknown {', '.join(extra)}" if extra else ""
        twice = sorted({name for name in names if names.count(name) > 1})
        said += f", has {', '.join(twice)} more than once" if twice else ""
        raise _refuse(stem, f"{said}; expected the 12 leads {', '.join(LEADS)}.")


def _factors(header: Header, stem: str) -> NDArray[np.int64]:
    """Whole numbers that bring each lead's gain to 1000 adu per mV without rounding."""
    factors = []
    for lead, gain, unit in zip(header.lead_names, header.gains, header.units, strict=True):
        per_mv = gain * _PER_MV.get(unit, np.nan)
        factor = GAIN / per_mv
        if not (1 <= factor <= 32767 and abs(factor - round(factor)) < 1e-9):
            raise _refuse(
                stem,
                f"lead {lead} has {gain:g} adu per {unit}, which is no whole fraction of "
                f"{GAIN} adu per mV (ptbxl.load_record reads it).",
            )
        factors.append(round(factor))
    return np.array(factors)


def apply(layout: Layout, frames: NDArray[np.int16], out: NDArray[np.int16], stem: str) -> None:
    """Order, shift and scale frames into ``out``, exactly."""
    if layout.is_plain:
        np.copyto(out, frames.T)
        return
    scaled = (frames.astype(np.int64) - layout.baselines) * layout.factors
    invalid = frames == INVALID
    scaled[invalid] = 0
    if np.abs(scaled).max() > 32767:
        raise Refused(
            "header",
            f"{stem}: an amplitude beyond 32.767 mV after applying its gain and baseline; "
            "check the header's gain (ptbxl.load_record reads it as it is).",
        )
    scaled[invalid] = INVALID
    np.copyto(out, scaled.T[layout.order], casting="same_kind")

"""A user's own ECG: any WFDB record with the 12 leads, in any order, format and rate."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.wfdb16.header import canonical_lead

_TO_MV = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "v": 1e3}


@dataclass(frozen=True)
class Record:
    """One ECG: ``signals_mv`` of shape (lead, sample), leads in PTB-XL's order, and its rate."""

    name: str
    signals_mv: NDArray[np.float32]
    rate_hz: int


def load_record(path: Path | str) -> Record:
    """Read one record through the ``wfdb`` package.

    Parameters
    ----------
    path
        The record without suffix, or its ``.hea`` or ``.dat`` file. Leads are found by name,
        whatever their order, case, or further leads beside them.

    Raises
    ------
    EcgcoreError
        No such record, a lead missing (named), a unit that is no voltage, or a file that wfdb
        cannot read.
    """
    import wfdb  # slow to import, and only needed here

    stem = Path(str(path).removesuffix(".hea").removesuffix(".dat"))
    if not Path(f"{stem}.hea").is_file():
        raise EcgcoreError(f"{stem}.hea: there is no such header file; expected a WFDB record.")
    try:
        _refuse_paths(stem)
        record = wfdb.rdrecord(str(stem), smooth_frames=True)
    except EcgcoreError:
        raise
    except Exception as error:  # wfdb raises whatever its parsers meet
        raise EcgcoreError(
            f"{stem}: is not a readable WFDB record ({type(error).__name__}: {error})."
        ) from None
    names = [canonical_lead(name.removeprefix("lead ")) for name in record.sig_name]
    missing = [lead for lead in LEADS if lead not in names]
    if missing:
        raise EcgcoreError(
            f"{stem}: lead {', '.join(missing)} missing (it has {', '.join(record.sig_name)}); "
            "the 12 standard leads are needed."
        )
    if record.fs != int(record.fs):
        raise EcgcoreError(f"{stem}: {record.fs} Hz; expected a whole number of samples a second.")
    columns = [names.index(lead) for lead in LEADS]
    scale = [_scale(record.units[column], names[column], stem) for column in columns]
    signals_mv = (record.p_signal[:, columns] * scale).T.astype(np.float32)
    return Record(stem.name, np.ascontiguousarray(signals_mv), int(record.fs))


def _refuse_paths(stem: Path) -> None:
    """Refuse a header that names files elsewhere: wfdb would read them, on disk or in a network."""
    text = Path(f"{stem}.hea").read_text(encoding="utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for name in (line.split()[0] for line in lines[1:]):
        if "/" in name or "\\" in name or ":" in name:
            raise EcgcoreError(
                f"{stem}.hea: names '{name}', which lies elsewhere; expected its files beside it."
            )
        segment = stem.with_name(name)
        if "/" in lines[0].split()[0] and segment != stem and Path(f"{segment}.hea").is_file():
            _refuse_paths(segment)


def _scale(unit: str, lead: str, stem: Path) -> float:
    try:
        return _TO_MV[unit.strip().lower()]
    except KeyError:
        raise EcgcoreError(f"{stem}: lead {lead} is in '{unit}'; expected mV, uV or V.") from None

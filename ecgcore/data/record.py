"""Read every supported kind of record (WFDB, CSV, NumPy) as a checked 12-lead ECG in mV."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore import files
from ecgcore.arrays import Floats, Floats32
from ecgcore.data.checks import check
from ecgcore.data.read_wfdb import Lead, read_wfdb, to_millivolt, twelve_leads
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS, canonical_lead


@dataclass(frozen=True)
class Record:
    """One ECG: ``signals_mv``, shape (lead, sample), leads in PTB-XL's order, no sample missing.

    ``notes`` are sentences about what was done or noticed when the record was read.
    """

    name: str
    signals_mv: Floats32
    rate_hz: int
    notes: tuple[str, ...] = ()


def load_record(
    path: Path | str,
    *,
    rate_hz: float | None = None,
    unit: str | None = None,
    start_s: float = 0.0,
    duration_s: float = math.inf,
) -> Record:
    """Read and check one 12-lead ECG.

    ``path`` is a WFDB record (its name without suffix, or its ``.hea`` or data file) of one or more
    segments, in any format, gain, voltage unit and order of leads; or a CSV file (one column per
    lead, named in the first line) or NumPy file (one row or column per lead, in PTB-XL's order),
    whose ``rate_hz`` and ``unit`` (mV, uV, V or nV) must be given. Only the ``duration_s`` seconds
    from ``start_s`` on are returned and checked.

    Raises ``EcgcoreError`` for a missing file, a missing or repeated lead, missing samples, wrong
    checksums, limb leads that violate their identities, a flat record, an impossible amplitude, a
    unit that is not a voltage, and an unsupported format.
    """
    path = files.expand(path)
    with files.file_errors(path):  # too long a name, a folder without access
        is_table = path.suffix.lower() in (".csv", ".npy") and not Path(f"{path}.hea").is_file()
        stem = path.with_suffix("") if is_table else _stem_of(path)
    if not is_table and (rate_hz is not None or unit is not None):
        why = "a WFDB header states rate and unit itself; do not give rate or unit"
        raise EcgcoreError(f"{stem}: {why}.")
    rate, recorded = _from_table(path, rate_hz, unit) if is_table else read_wfdb(stem)
    if not math.isfinite(rate) or round(rate) < 1 or abs(rate / round(rate) - 1) > 1e-6:
        why = f"has {rate:g} samples per second; expected a whole number of Hz: resample it first"
        raise EcgcoreError(f"{path}: {why}.")
    leads = twelve_leads(recorded, path)
    length_s = leads.mv.shape[1] / rate
    if not (0 <= start_s < length_s - 1.5 / rate and duration_s > 1.5 / rate):  # false for NaN
        why = f"start {start_s:g} s and duration {duration_s:g} s are not within the record's"
        raise EcgcoreError(f"{path}: {why} {length_s:g} s.")
    first, last = round(start_s * rate), round((start_s + min(duration_s, length_s)) * rate)
    leads = leads._replace(mv=np.ascontiguousarray(leads.mv[:, first:last]))
    findings = check(leads, rate)
    if findings and findings[0].severity == "error":
        raise EcgcoreError(f"{path}: {findings[0].detail}.")
    notes = tuple(dict.fromkeys(finding.detail for finding in findings))
    return Record(stem.name, leads.mv, round(rate), notes)


def _stem_of(path: Path) -> Path:
    """Return the WFDB record's path without suffix."""
    for suffix in ("", ".hea", ".dat", ".mat"):
        stem = Path(str(path).removesuffix(suffix))
        if str(path).endswith(suffix) and Path(f"{stem}.hea").is_file():
            return stem
    if path.is_dir():
        raise EcgcoreError(f"{path}: is a folder; name one record in it.")
    why = f"has no header {path.with_suffix('.hea').name} beside it; convert other formats first"
    if not path.exists():
        path, why = Path(f"{path}.hea"), "there is no such header file"
    raise EcgcoreError(f"{path}: {why}; expected a WFDB record, a .csv or a .npy file.")


def _from_table(path: Path, rate_hz: float | None, unit: str | None) -> tuple[float, list[Lead]]:
    """Return the rate and leads of a CSV file or NumPy array with one column (or row) per lead."""
    scale = to_millivolt(unit or "")
    if rate_hz is None or scale is None:
        why = "does not state its sampling rate and unit; give both, such as rate 500 and unit"
        raise EcgcoreError(f"{path}: {why} mV, uV, V or nV (given: {rate_hz}, {unit}).")
    try:
        names, values = _read_csv(path) if path.suffix.lower() == ".csv" else _read_array(path)
    except FileNotFoundError:
        raise EcgcoreError(f"{path}: there is no such file.") from None
    except (OSError, ValueError, TypeError, AttributeError, EOFError, MemoryError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EcgcoreError(f"{path}: cannot be read as a table of numbers ({why}).") from None
    values[np.abs(values) > 1e30] = np.nan  # infinity, or what float32 makes of it
    return rate_hz, [Lead(n, x, 1000.0) for n, x in zip(names, values * scale, strict=True)]


def _read_csv(path: Path) -> tuple[list[str], Floats]:
    table = pd.read_csv(path)
    table = table.rename(columns=lambda name: canonical_lead(str(name))).filter(items=LEADS)
    return list(map(str, table)), table.to_numpy(dtype=np.float64).T


def _read_array(path: Path) -> tuple[list[str], Floats]:
    with open(path, "rb") as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    if array.dtype.kind not in "iuf" or array.ndim != 2 or 12 not in array.shape:
        why = f"it holds {array.dtype} in the shape {array.shape}; expected numbers of 12 leads"
        raise ValueError(f"{why}, one column or row each")
    return list(LEADS), (array if len(array) == 12 else array.T).astype(np.float64)

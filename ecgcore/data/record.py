"""Reading of every supported kind of record (WFDB, CSV, NumPy) as a checked 12-lead ECG in mV."""

import io
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore import files
from ecgcore.arrays import Floats, Floats32
from ecgcore.data.checks import check
from ecgcore.data.read_wfdb import INVALID, Lead, Recording, read_wfdb, to_millivolt, twelve_leads
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS, canonical_lead

_ARRAYS = (".npy", ".npz")
_TABLES = (".csv", ".tsv", ".txt", *_ARRAYS)
_CONVERTERS = {
    "EDF or BDF": ("pyedflib", (".edf", ".bdf"), (b"0       ", b"\xffBIOSEMI")),
    "DICOM": ("pydicom", (".dcm", ".dicom"), (b"DICM",)),
    "SCP-ECG": ("biosig", (".scp",), ()),
    "HL7 aECG": ("aecg", (), (b"AnnotatedECG",)),
    "GE MUSE XML": ("muse2wfdb", (), (b"RestingECG",)),
    "Philips XML": ("sierraecg", (), (b"restingecgdata",)),
    "ISHNE Holter": ("ishneholterlib", (".ecg",), (b"ISHNE1.0", b"ANN  1.0")),
    "HDF5": ("h5py", (".h5", ".hdf5"), (b"\x89HDF",)),
}
"""Formats that we do not read: the Python package that does, file suffixes, tell-tale bytes."""


@dataclass(frozen=True)
class Record:
    """One ECG: ``signals_mv``, shape (lead, sample), leads in PTB-XL's order, no sample missing.

    ``notes`` are sentences about what was done or noticed on reading.
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

    ``path`` is a WFDB record (without suffix, or its ``.hea`` or data file) of one or several
    segments, in any format, gain, voltage unit and order of leads; or a CSV or NumPy file with one
    column or row per lead, whose ``rate_hz`` and ``unit`` (mV, uV, V or nV) must be given. Only
    the part from ``start_s`` on, of ``duration_s`` (to the end), is kept and checked.

    Raises ``EcgcoreError``: no such record; a lead missing or there twice; missing samples;
    checksums or the identities of the limb leads violated; no signal; a unit that is no voltage; a
    size that no ECG has; a format that another package converts (named).
    """
    path = files.expand(path)
    with files.file_errors(path):  # a name that is too long, a folder that may not be entered
        is_table = path.suffix.lower() in _TABLES and not Path(f"{path}.hea").is_file()
        stem = path.with_suffix("") if is_table else _stem_of(path)
    if not is_table and (rate_hz is not None or unit is not None):
        why = "a WFDB header states rate and unit itself; leave rate and unit out"
        raise EcgcoreError(f"{stem}: {why}.")
    recording = _from_table(path, rate_hz, unit) if is_table else read_wfdb(stem)
    rate = recording.rate_hz
    if not math.isfinite(rate) or round(rate) < 1 or abs(rate / round(rate) - 1) > 1e-6:
        why = f"has {rate:g} samples per second; expected a whole number of Hz: resample it first"
        raise EcgcoreError(f"{path}: {why}.")
    length_s = len(recording.leads[0].mv) / rate if recording.leads else 1.0
    if not (0 <= start_s < length_s - 1.5 / rate and duration_s > 1.5 / rate):  # false for NaN
        why = f"start {start_s:g} s and duration {duration_s:g} s are not within the record's"
        raise EcgcoreError(f"{path}: {why} {length_s:g} s.")
    first, last = round(start_s * rate), round((start_s + min(duration_s, length_s)) * rate)
    leads = twelve_leads(recording, path)
    leads = leads._replace(mv=np.ascontiguousarray(leads.mv[:, first:last]))
    findings = check(leads, rate)
    if findings and findings[0].severity == "error":
        raise EcgcoreError(f"{path}: {findings[0].detail}.")
    notes = tuple(dict.fromkeys(finding.detail for finding in findings))
    return Record(stem.name, leads.mv, round(rate), notes)


def _stem_of(path: Path) -> Path:
    """The WFDB record's path without suffix; names the converter of a file of another format."""
    for suffix in ("", ".hea", ".dat", ".mat"):
        stem = Path(str(path).removesuffix(suffix))
        if str(path).endswith(suffix) and Path(f"{stem}.hea").is_file():
            return stem
    if path.is_dir():
        raise EcgcoreError(f"{path}: is a folder; name one record in it.")
    expected = "expected a WFDB record, a CSV or a NumPy file"
    try:
        with open(path, "rb") as file:
            start = file.read(4096).replace(b"\0", b"")  # XML is UTF-16 at times
    except (OSError, ValueError):
        raise EcgcoreError(f"{path}.hea: there is no such header file; {expected}.") from None
    for kind, (package, suffixes, marks) in _CONVERTERS.items():
        if path.suffix.lower() in suffixes or any(mark in start for mark in marks):
            why = f"is {kind}, which is not read here; convert it to WFDB or CSV with the Python"
            raise EcgcoreError(f"{path}: {why} package {package}.")
    header = path.with_suffix(".hea").name
    raise EcgcoreError(f"{path}: has no header {header} beside it; {expected}.")


def _from_table(path: Path, rate_hz: float | None, unit: str | None) -> Recording:
    """A CSV or NumPy file: one column (or row) per lead."""
    scale = to_millivolt(unit or "")
    if rate_hz is None or scale is None:
        why = "says neither its sampling rate nor its unit; give both, such as rate 500 and unit"
        raise EcgcoreError(f"{path}: {why} mV, uV, V or nV (given: {rate_hz}, {unit}).")
    try:
        data = path.read_bytes()
        names, values = _array(data) if path.suffix.lower() in _ARRAYS else _csv(data, rate_hz)
        values[(values == INVALID) | (np.abs(values) > 1e30)] = np.nan  # WFDB's sign, infinity
    except FileNotFoundError:
        raise EcgcoreError(f"{path}: there is no such file.") from None
    except (OSError, ValueError, TypeError, EOFError, ImportError, MemoryError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EcgcoreError(f"{path}: cannot be read as a table of numbers ({why}).") from None
    notes = []
    if not names:
        if values.ndim != 2 or values.shape.count(12) != 1:
            why = f"has the shape {values.shape}; expected 12 leads, one column or row each"
            raise EcgcoreError(f"{path}: {why}.")
        names, values = list(LEADS), values if len(values) == 12 else values.T
        notes.append(f"the leads have no names; taken to be {', '.join(LEADS)}")
    leads = [Lead(canonical_lead(n), x, 1000.0) for n, x in zip(names, values * scale, strict=True)]
    return Recording(rate_hz, leads, notes)


def _array(content: bytes) -> tuple[list[str], Floats]:
    array: Any = np.load(io.BytesIO(content))
    if isinstance(array, np.lib.npyio.NpzFile):
        if len(array.files) != 1:
            raise ValueError(f"it holds {len(array.files)} arrays; expected one")
        array = array[array.files[0]]
    if array.dtype.kind not in "iuf":
        raise ValueError(f"it holds {array.dtype}; expected real numbers")
    return [], array.astype(np.float64)


def _csv(content: bytes, rate_hz: float) -> tuple[list[str], Floats]:
    """Names (none where the first line is numbers) and values, shape (lead, sample)."""
    text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    text = re.sub(r"^\s*#[ \t]*", "", text)  # numpy.savetxt begins its header so
    first, _, rest = text.lstrip().partition("\n")
    mark = next((mark for mark in "\t;," if mark in first), r"\s+")
    comma = "," if mark != "," and "." not in rest else "."
    try:
        numbers = [float(field.replace(",", ".")) for field in re.split(mark, first.strip())]
    except ValueError:
        numbers = []
    header = None if any(np.diff(numbers) != 1) else 0  # pandas names columns 0, 1, 2
    table = pd.read_csv(io.StringIO(text), sep=mark, decimal=comma, header=header)
    if numbers:
        return [], table.to_numpy(dtype=np.float64)
    names = [str(column).split(".")[0] for column in table]  # pandas calls a second column II.1
    is_lead = [canonical_lead(name) in LEADS for name in names]
    if table.empty or not any(is_lead):
        raise ValueError(f"no rows, or none of its columns is a lead: {', '.join(names[:12])}")
    for name in filter(re.compile(r"(?i)(time(stamp)?|t)([^a-z]|$)").match, map(str, table)):
        time = pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64)
        step = rate_hz * (time[-1] - time[0]) / max(1, len(time) - 1)  # of s, ms, or NaN: text
        if not np.isclose(step, [1, 1e3, 1e6, 1e9, rate_hz, np.nan], 0.01, equal_nan=True).any():
            raise ValueError(f"column {name} does not fit {rate_hz:g} samples per second")
    values = table.loc[:, is_lead].to_numpy(dtype=np.float64).T
    return [name for name, keep in zip(names, is_lead, strict=True) if keep], values

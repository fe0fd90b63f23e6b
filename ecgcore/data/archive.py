"""Archives on disk in PTB-XL's layout: tables, checksums, and records read and encoded.

Wagner et al., *PTB-XL, a large publicly available electrocardiography dataset*, Scientific Data
7:154 (2020); layout as in version 1.0.3.
"""

import ast
import functools
import hashlib
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ecgcore import files
from ecgcore.arrays import Adu, Floats32, Ids, Signals
from ecgcore.data.read_wfdb import INVALID, TwelveLeads, read_wfdb, twelve_leads
from ecgcore.errors import EcgcoreError, check_choice
from ecgcore.leads import LEADS

DATABASE, STATEMENTS, SIMULATION = "ptbxl_database.csv", "scp_statements.csv", "simulation.json"
CHECKSUMS = "SHA256SUMS.txt"
FILENAME = {100: "filename_lr", 500: "filename_hr"}
"""Column of the database that names a record's file, by sampling rate in Hz."""

DURATION_S = 10
"""Every record of PTB-XL lasts ten seconds."""

GAIN = 1000
"""PTB-XL's gain in adu per mV."""

LAYERS = (
    "evidence", "evidence_st", "evidence_t", "evidence_q", "counterfactual", "distractor",
)  # fmt: skip
"""Parts of the signal that are known in a simulated archive; see :mod:`ecgsim`."""

Read = Callable[[int], Floats32 | Adu | float]
"""Maps ``ecg_id`` to a record, shape (lead, sample), or to 0 if a layer lacks the record."""


class Records(ABC):
    """What an archive and a prepared store have in common.

    ``table`` has one row per record, the index ``ecg_id`` and all columns of PTB-XL; ``scp_codes``
    are dicts (statement -> likelihood in percent). ``statements`` is ``scp_statements.csv``,
    indexed by code. ``simulation`` says how the archive was simulated, and is empty for a real one.
    """

    path: Path
    name: str
    rates_hz: tuple[int, ...]
    simulation: dict[str, Any]
    table: pd.DataFrame
    units_per_mv: ClassVar[int] = 1  # of what _reader returns

    @property
    def is_simulated(self) -> bool:
        """Whether the records come from :mod:`ecgsim`."""
        return bool(self.simulation)

    def signals(self, rate_hz: int, ecg_ids: Ids | None = None) -> Floats32:
        """Return records in mV, shape (record, lead, sample), in the order of ``ecg_ids``.

        By default, all records are returned. The signals of an archive equal those of
        ``wfdb.rdsamp``, with NaN for missing samples; those of a store are rounded to 0.001 mV.
        Raises ``EcgcoreError`` for an unknown rate or record, and for a damaged record.
        """
        return self._collect(rate_hz, ecg_ids, None)

    def evidence(
        self, rate_hz: int, ecg_ids: Ids | None = None, layer: str = "evidence"
    ) -> Floats32:
        """Return a layer (:data:`LAYERS`) of a simulated archive: signed contributions in mV.

        The layer has the shape (record, lead, sample) and is zero in records that lack it. Raises
        ``EcgcoreError`` for a real archive and for an unknown layer, rate or record.
        """
        if not self.is_simulated:
            why = "is a real archive; only a simulated archive has evidence masks"
            raise EcgcoreError(f"{self.name}: {why}.")
        check_choice("layer", layer, LAYERS)
        return self._collect(rate_hz, ecg_ids, layer)

    def check_rate(self, rate_hz: int) -> None:
        """Raise ``EcgcoreError`` unless records are available at this rate."""
        if rate_hz not in self.rates_hz:
            known = ", ".join(map(str, self.rates_hz)) or "none"
            why = f"{self.name} has no records at {rate_hz} Hz (available: {known})"
            raise EcgcoreError(f"rate_hz: {why}; resample with preprocessing.preprocess.")

    def _collect(self, rate_hz: int, ecg_ids: Ids | None, layer: str | None) -> Floats32:
        self.check_rate(rate_hz)
        ids = np.asarray(self.table.index if ecg_ids is None else ecg_ids).tolist()
        if unknown := [ecg_id for ecg_id in ids if ecg_id not in self.table.index]:
            why = f"{len(unknown)} records (first: {unknown[0]}) are not in {self.name}"
            raise EcgcoreError(f"ecg_ids: {why}; a store omits damaged records (see its quality).")
        mv = np.empty((len(ids), len(LEADS), rate_hz * DURATION_S), dtype=np.float32)
        read = self._reader(rate_hz, layer)
        for part, ecg_id in zip(mv, ids, strict=True):
            part[...] = read(ecg_id)
            if self.units_per_mv != 1:  # in place: faster than dividing integers
                part /= np.float32(self.units_per_mv)
        return mv

    @abstractmethod
    def _reader(self, rate_hz: int, layer: str | None) -> Read: ...


class Archive(Records):
    """A folder in PTB-XL's layout: real or simulated, whole or in part.

    Raises ``EcgcoreError`` if there is no archive, or if a table is missing, truncated or
    malformed.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = files.expand(path)
        if not (self.path / DATABASE).is_file():
            why = f"is not an archive; expected a folder with {DATABASE} (or fetch one first)"
            raise EcgcoreError(f"{self.path}: {why}.")
        self.name = self.path.resolve().name
        self.table = read_table(self.path / DATABASE)
        statements = _read_csv(self.path / STATEMENTS, ["diagnostic", "rhythm", "diagnostic_class"])
        self.statements = statements.set_index(statements.columns[0]).rename_axis("code")
        self.rates_hz = tuple(r for r in FILENAME if (self.path / f"records{r}").is_dir())
        file = self.path / SIMULATION
        self.simulation = json.loads(file.read_bytes()) if file.exists() else {}

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the tables and the list of files: cheap; changes with the archive."""
        digest = hashlib.sha256()
        for name in (DATABASE, STATEMENTS, CHECKSUMS, "RECORDS", SIMULATION):
            file = self.path / name
            if file.exists():
                digest.update(name.encode() + hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()

    def stems(self, rate_hz: int, layer: str | None = None) -> dict[int, Path]:
        """Return paths without suffix by ``ecg_id``: of all records, or of those in a layer."""
        self.check_rate(rate_hz)
        folder = self.path / "layers" / layer if layer else self.path
        pairs = zip(self.table.index.tolist(), self.table[FILENAME[rate_hz]], strict=True)
        stems = {ecg_id: folder / name for ecg_id, name in pairs}
        return {i: s for i, s in stems.items() if not layer or Path(f"{s}.dat").exists()}

    def _reader(self, rate_hz: int, layer: str | None) -> Read:
        stems = self.stems(rate_hz, layer)
        return lambda i: read_ten_seconds(stems[i], rate_hz).mv if i in stems else 0.0

    def verify(self) -> pd.DataFrame:
        """Check the files of all rates in the archive against ``SHA256SUMS.txt``.

        The result has the columns ``file`` and ``problem`` (missing or differs), and one row for
        each file with a problem.
        """
        problems = []
        absent = tuple(f"records{rate_hz}/" for rate_hz in FILENAME if rate_hz not in self.rates_hz)
        for name, expected in read_checksums(self.path / CHECKSUMS).items():
            if not (path := self.path / name).is_file():
                problems += [] if name.startswith(absent) else [(name, "missing")]
            elif files.sha256(path) != expected:
                problems.append((name, "differs"))
        return pd.DataFrame(problems, columns=["file", "problem"])


def read_ten_seconds(stem: Path, rate_hz: int) -> TwelveLeads:
    """Return a record of an archive: 12 leads of exactly :data:`DURATION_S` at ``rate_hz``."""
    stated_hz, leads = read_wfdb(stem)
    if abs(stated_hz / rate_hz - 1) > 1e-6:
        raise EcgcoreError(f"{stem}: its header states {stated_hz:g} Hz; expected {rate_hz} Hz.")
    record = twelve_leads(leads, stem)
    if (n_samples := record.mv.shape[1]) != rate_hz * DURATION_S:
        why = f"holds {n_samples} samples per lead; expected {rate_hz * DURATION_S}"
        raise EcgcoreError(f"{stem}: {why} ({DURATION_S} s).")
    return record


def to_adu(signals_mv: Signals, gain: int = GAIN) -> Adu:
    """Return mV as int16, NaN as :data:`INVALID`; more than 16 bits raise ``EcgcoreError``."""
    scaled = np.rint(np.asarray(signals_mv) * np.float32(gain))
    largest = np.nanmax(np.abs(scaled), initial=0)
    if largest > 32767:
        why = f"{largest / gain:.6g} mV does not fit in 16 bits at {gain} adu per mV"
        raise EcgcoreError(f"signals_mv: {why} (at most {32767 / gain:g} mV); lower the gain.")
    return np.asarray(np.nan_to_num(scaled, nan=INVALID), "<i2")


def encode_record(
    name: str, adu: Adu, rate_hz: int, *, gain: int = GAIN, lead_names: Sequence[str] = LEADS
) -> dict[str, bytes]:
    """Return ``.dat`` (format 16) and ``.hea`` (PTB-XL's style) of ``adu`` (lead, sample)."""
    sums = adu.sum(axis=1, dtype=np.int16).view(np.uint16)
    lines = [f"{name} {len(adu)} {rate_hz} {adu.shape[1]}"]
    for lead, first, checksum in zip(lead_names, adu[:, 0], sums, strict=True):
        fields = f"16 {float(gain)}(0)/mV 16 0 {first} {checksum} 0 {lead.upper()}"
        lines.append(f"{name}.dat {fields}")
    frames = np.ascontiguousarray(adu.T, dtype="<i2")
    return {".dat": frames.tobytes(), ".hea": ("\n".join(lines) + "\n").encode()}


def _whole(cell: str) -> int:
    if not re.fullmatch(r"-?\d{1,15}(\.0*)?", cell, re.ASCII):
        raise ValueError
    return int(float(cell))


def _inside(cell: str) -> str:
    if cell == "nan" or re.search(r"^[/\\]|\.\.|:|\x00", cell):
        raise ValueError
    return cell


def _codes(cell: str) -> dict[str, float]:
    codes = {str(code): float(share) for code, share in ast.literal_eval(cell).items()}
    if not all(map(math.isfinite, codes.values())):
        raise ValueError
    return codes


_CELLS: dict[str, tuple[Callable[[str], Any], str]] = {
    **dict.fromkeys(("ecg_id", "patient_id", "strat_fold"), (_whole, "a whole number")),
    **dict.fromkeys(("filename_lr", "filename_hr"), (_inside, "a file of the archive")),
    "scp_codes": (_codes, "a dict such as {'NORM': 100.0}"),
}
"""Parsers for the required columns of the database, whose cells are read as text."""


def read_table(path: Path) -> pd.DataFrame:
    """Return ``ptbxl_database.csv`` as the ``table`` of :class:`Records`.

    Raises ``EcgcoreError``, naming file, line and column, if the file is missing or truncated, is
    not separated by commas, lacks a column, or has a cell that cannot be read.
    """
    table = _read_csv(path, list(_CELLS))
    for name, (parse, expected) in _CELLS.items():
        values = []
        for line, cell in enumerate(table[name].map(str), start=2):
            try:
                values.append(parse(cell))
            except Exception:  # literal_eval raises seven kinds of errors
                why = f"line {line} has {name} {cell[:60]!r}; expected {expected}"
                raise EcgcoreError(f"{path}: {why}; fetch the damaged file again.") from None
        table[name] = pd.Series(values, dtype=np.int64 if parse is _whole else object)
    for ecg_id in table.loc[table["ecg_id"].duplicated(), "ecg_id"]:
        raise EcgcoreError(f"{path}: ecg_id {ecg_id} occurs twice; expected one row per record.")
    return table.set_index("ecg_id")


def _read_csv(path: Path, required: list[str]) -> pd.DataFrame:
    try:
        as_text = dict.fromkeys(_CELLS, str)  # pandas would convert TRUE or 00001
        table = pd.read_csv(path, low_memory=False, dtype=as_text)
        if not isinstance(table.index, pd.RangeIndex):
            raise ValueError("more cells than columns")
    except (ValueError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error).strip().splitlines()[0]
        raise EcgcoreError(f"{path}: cannot be read as CSV ({why}); fetch it again.") from None
    if missing := [column for column in required if column not in table.columns]:
        why = f"column {', '.join(missing)} is missing; expected PTB-XL's columns, comma-separated"
        raise EcgcoreError(f"{path}: {why}.")
    return table


def read_checksums(path: Path) -> dict[str, str]:
    """Return SHA-256 by file name; a bad format or a path outside raises ``EcgcoreError``."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
        listed = {name.lstrip("*"): digest.lower() for digest, name in pairs}
        if not all(len(digest) == 64 and digest.isalnum() for digest in listed.values()):
            raise ValueError("a digest has 64 characters")
    except (ValueError, OSError) as error:
        why = getattr(error, "strerror", None) or error
        raise EcgcoreError(f"{path}: cannot be read as checksums ({why}).") from None
    for name in listed:
        if re.search(r"^/|\\|:|(^|/)\.\.(/|$)", name):
            raise EcgcoreError(f"{path}: {name!r} points outside the archive's folder.")
    return listed

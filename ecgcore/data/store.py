"""Prepared stores (one int16 file per rate, the archive's tables, a quality report); data by name.

:func:`prepare` reads an archive once and writes its store; :class:`Store` maps it into memory.
"""

import functools
import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import platformdirs

from ecgcore import files
from ecgcore.arrays import Adu
from ecgcore.data.archive import (
    DURATION_S,
    GAIN,
    LAYERS,
    Archive,
    Read,
    Records,
    read_ten_seconds,
    to_adu,
)
from ecgcore.data.checks import Finding, check
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS

INFO = "store.json"
LAYOUT_VERSION = 3
"""Increased when files of an older layout can no longer be read."""

SIMULATED = "simulated"
DEFAULT_ARCHIVE: dict[str, Any] = {
    "n_records": 1200,
    "seed": 1,
    "prevalence": {"NORM": 0.34, "AF": 0.24, "MI": 0.19, "STTC": 0.02, "CD": 0.19, "HYP": 0.02},
}
"""The archive that ``"simulated"`` means. AF, MI and CD are more common than in PTB-XL, so
that an archive small enough for two cores has enough cases for the lecture tier."""

Row = tuple[int, int, str, str, str, str]
"""A finding with its ``ecg_id`` and rate in Hz."""

_NOISE = ["baseline_drift", "static_noise", "burst_noise", "electrodes_problems"]
_CHUNK = 64  # records in memory at a time


class Store(Records):
    """A prepared archive. Opening it reads one small file; all else is read when needed."""

    units_per_mv = GAIN

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path, self.info = path, info
        self.name = info["name"]
        self.fingerprint: str = info["fingerprint"]
        self.rates_hz = tuple(info["rates_hz"])
        self.simulation = info["simulation"]

    @functools.cached_property
    def table(self) -> pd.DataFrame:  # type: ignore[override]
        """The table of :class:`Records`, in the order of the arrays, with one more column:
        ``duplicate_of``, the ``ecg_id`` of an earlier record with the same signals."""
        return _read_table(self.path / "table.parquet")

    @functools.cached_property
    def left_out(self) -> pd.DataFrame:
        """Rows of the damaged records, which are not in :attr:`table`."""
        return _read_table(self.path / "left_out.parquet")

    @functools.cached_property
    def statements(self) -> pd.DataFrame:
        """``scp_statements.csv``, indexed by the statement's code."""
        return pd.read_csv(self.path / "statements.csv", index_col=0)

    @functools.cached_property
    def quality(self) -> pd.DataFrame:
        """Everything that was noticed in the archive, one row per finding.

        Columns: ``ecg_id``, ``rate_hz`` (0 if irrelevant), ``lead``, ``kind``, ``severity``
        (error: left out; warning; note) and ``detail``, a sentence.
        """
        return pd.read_csv(self.path / "quality.csv", keep_default_na=False)

    def adu(self, rate_hz: int) -> Adu:
        """Return all records, memory-mapped and read-only, (record, lead, sample), 1000 per mV."""
        self.check_rate(rate_hz)
        return self._array(f"adu_{rate_hz}.bin", rate_hz)

    @functools.cache  # noqa: B019 (a process opens few stores)
    def _reader(self, rate_hz: int, layer: str | None) -> Read:
        ids = np.load(self.path / f"{layer}_{rate_hz}_ids.npy") if layer else self.table.index
        rows = {ecg_id: row for row, ecg_id in enumerate(ids.tolist())}
        adu = np.asarray(self._array(f"{layer or 'adu'}_{rate_hz}.bin", rate_hz))  # maps are slow
        return lambda i: adu[rows[i]] if i in rows else 0.0

    def _array(self, name: str, rate_hz: int) -> Adu:
        """Return the records of one file, shape (record, lead, sample), memory-mapped."""
        path, shape = self.path / name, (-1, len(LEADS), rate_hz * DURATION_S)
        try:
            if path.stat().st_size == 0 and not name.startswith("adu"):  # a layer of no record
                return np.empty((0, *shape[1:]), dtype=np.int16)
            return np.memmap(path, dtype="<i2", mode="r").reshape(shape)
        except (OSError, ValueError) as error:
            why = f"cannot be read ({error}); prepare the store again"
            raise EcgcoreError(f"{path}: {why}.") from None


def open_store(path: Path | str) -> Store:
    """Open a prepared store, in milliseconds.

    Raises ``EcgcoreError`` if it is incomplete or was prepared by an incompatible version.
    """
    path = files.expand(path)
    try:
        info = json.loads((path / INFO).read_bytes())
    except FileNotFoundError:
        why = f"is not a prepared store (no {INFO}); prepare it first"
        raise EcgcoreError(f"{path}: {why}.") from None
    except (OSError, ValueError) as error:
        raise EcgcoreError(f"{path / INFO}: cannot be read ({error}); prepare it again.") from None
    if info.get("layout") != LAYOUT_VERSION:
        raise EcgcoreError(f"{path}: was prepared by another version; delete it and prepare again.")
    return Store(path, info)


def _read_table(path: Path) -> pd.DataFrame:
    table = files.read_parquet(path)
    for name in table.select_dtypes("object").columns:
        table[name] = table[name].where(table[name].notna(), np.nan)  # parquet's null is None
    table["scp_codes"] = table["scp_codes"].map(json.loads)
    return table


def prepare(archive: Archive, to: Path | str, *, strict: bool = False) -> Store:
    """Read an archive once, check every record, and write a store of int16 files.

    Amplitudes are rounded to 0.001 mV, PTB-XL's own step. A record that is damaged at one rate is
    left out at all of them, or stops a ``strict`` call; the store's ``quality`` lists every
    finding. The folder appears only when it is complete; an existing one is opened. Raises
    ``EcgcoreError`` for an archive without a readable record, a full or unwritable disk, and a
    folder with other content.
    """
    to = files.expand(to)
    with files.file_errors(to):
        to.parent.mkdir(parents=True, exist_ok=True)
        with files.locked(to):  # a second process waits for the first
            store = _existing(archive, to)
            if store is None or (strict and store.info["n_left_out"]):
                partial = to.with_name(to.name + ".partial")
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                _build(archive, partial, strict)
                files.replace_folder(partial, to)
    return open_store(to)


def _existing(archive: Archive, to: Path) -> Store | None:
    """Return the store that is already there, if it can be reused."""
    files.restore(to)
    if not to.exists() or not any(to.iterdir()):
        return None
    if not (to / INFO).exists():
        raise EcgcoreError(f"{to}: contains files that do not belong to a store; use a new folder.")
    try:
        store = open_store(to)
    except EcgcoreError:
        return None  # prepared by an older version
    if store.fingerprint != archive.fingerprint:
        why = f"is the store of another archive ({store.name}); delete it or choose another folder"
        raise EcgcoreError(f"{to}: {why}.")
    return store if set(archive.rates_hz) <= set(store.rates_hz) else None


def _build(archive: Archive, partial: Path, strict: bool) -> None:
    """Write all files of a store."""
    table, ids, report, repeats = archive.table, *_write_signals(archive, partial, strict)
    if not ids:
        first = [*report.loc[report["severity"] == "error", "detail"], "it has none"][0]
        why = f"none of its {len(table)} records can be read; the first: {first}"
        raise EcgcoreError(f"{archive.name}: {why}")
    report.to_csv(partial / "quality.csv", index=False)
    table = table.assign(
        scp_codes=table["scp_codes"].map(json.dumps),
        duplicate_of=pd.Series(repeats, index=table.index, dtype="Int64"),
    )
    table.loc[ids].to_parquet(partial / "table.parquet")
    table.drop(ids).to_parquet(partial / "left_out.parquet")
    archive.statements.to_csv(partial / "statements.csv")
    for rate_hz in archive.rates_hz if archive.is_simulated else ():
        for layer in LAYERS:
            stems = archive.stems(rate_hz, layer)
            present = [ecg_id for ecg_id in ids if ecg_id in stems]
            np.save(partial / f"{layer}_{rate_hz}_ids.npy", np.array(present, dtype=np.int64))
            with open(partial / f"{layer}_{rate_hz}.bin", "wb") as file:
                for ecg_id in present:
                    file.write(to_adu(read_ten_seconds(stems[ecg_id], rate_hz).mv).tobytes())
    info = {"layout": LAYOUT_VERSION, "name": archive.name, "fingerprint": archive.fingerprint}
    info |= {"rates_hz": archive.rates_hz, "simulation": archive.simulation}
    info |= {"n_left_out": len(table) - len(ids)}
    files.write_json(partial / INFO, info)


def _write_signals(
    archive: Archive, partial: Path, strict: bool
) -> tuple[list[int], pd.DataFrame, dict[int, int]]:
    """Write the file of each rate; return the records in it, the quality report and, by ``ecg_id``,
    an earlier record with the same signals at the highest rate."""
    table, ids, rows, repeats = archive.table, list[int](), list[Row](), dict[int, int]()
    first: dict[bytes, int] = {}
    stems = {rate_hz: archive.stems(rate_hz) for rate_hz in archive.rates_hz}
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(table), _CHUNK):
            chunk = table.index[start : start + _CHUNK].tolist()
            contents = pool.map(functools.partial(_read, stems), chunk)
            for ecg_id, (content, findings) in zip(chunk, contents, strict=True):
                rows += findings
                if strict and len(content) < len(stems):
                    row = next(row for row in findings if row[4] == "error")
                    raise EcgcoreError(f"strict: record {ecg_id} at {row[1]} Hz: {row[5]}")
                if not content or len(content) < len(stems):
                    continue
                ids.append(ecg_id)
                for rate_hz, samples in content.items():
                    with open(partial / f"adu_{rate_hz}.bin", "ab") as file:
                        file.write(samples)
                digest = hashlib.blake2b(content[max(content)]).digest()
                if (earlier := first.setdefault(digest, ecg_id)) != ecg_id:
                    repeats[ecg_id] = earlier
                    rows.append((ecg_id, 0, *_duplicate(table.loc[ecg_id], table.loc[earlier])))
    for column in table.columns.intersection(_NOISE):
        remarks = table[column].dropna().astype(str).str.strip(" ,")
        notes = zip(remarks.index.tolist(), f"{column}: " + remarks, strict=True)
        rows += [(ecg_id, 0, "", column, "note", note) for ecg_id, note in notes]
    report = pd.DataFrame(rows, columns=["ecg_id", "rate_hz", *Finding._fields])
    order = ["ecg_id", "rate_hz", "kind"]
    return ids, report.sort_values(order, kind="stable", ignore_index=True), repeats


def _duplicate(record: Any, earlier: Any) -> Finding:
    patient = f"ANOTHER patient (fold {earlier.strat_fold}; this one: fold {record.strat_fold})"
    patient = "the same patient" if record.patient_id == earlier.patient_id else patient
    detail = f"has the same signals as record {earlier.name} of {patient}"
    return Finding("", "duplicate", "warning", detail)


def _read(stems: dict[int, dict[int, Path]], ecg_id: int) -> tuple[dict[int, bytes], list[Row]]:
    """Return a record's int16 samples at the rates at which it is intact, and its findings."""
    content, rows = dict[int, bytes](), list[Row]()
    for rate_hz, stem_of in stems.items():
        try:
            record = read_ten_seconds(stem_of[ecg_id], rate_hz)
            findings = check(record, rate_hz)
            if not findings or findings[0].severity != "error":
                content[rate_hz] = to_adu(record.mv).tobytes()
        except EcgcoreError as error:
            findings = [Finding("", "unreadable", "error", str(error))]
        rows += [(ecg_id, rate_hz, *finding) for finding in findings]
    return content, rows


def open_data(name: Path | str, *, cache: Path | None = None) -> Store:
    """Open an archive, a store, or ``"simulated"`` (written on first use) for fast reading.

    Simulated archives and stores are kept in ``cache``, by default this user's cache folder. Raises
    ``EcgcoreError`` if there is no such folder or it is not an archive.
    """
    cache = cache or platformdirs.user_cache_path("ecgcore")
    if path := find_archive(name):
        if (path / INFO).exists():
            return open_store(path)
        archive = Archive(path)
        return prepare(archive, cache / "stores" / archive.fingerprint[:16])
    simulated = cache / "archives" / f"simulated-{_simulator_key()}"
    with files.file_errors(cache):
        simulated.parent.mkdir(parents=True, exist_ok=True)
        with files.locked(simulated):
            if not simulated.exists():
                from ecgsim import simulate_archive

                simulate_archive(simulated, **DEFAULT_ARCHIVE)
    return prepare(Archive(simulated), cache / "stores" / simulated.name)


def find_archive(name: Path | str) -> Path | None:
    """Return the folder that a name stands for, None for ``"simulated"``; fast, for early checks.

    Raises ``EcgcoreError`` if there is no such folder.
    """
    if str(name) == SIMULATED:
        return None
    path = files.expand(name)
    if not path.is_dir():
        why = f"expected an archive in PTB-XL layout, a prepared store, or '{SIMULATED}'"
        raise EcgcoreError(f"Parameter 'archive': there is no folder {path}; {why}.")
    return path


def _simulator_key() -> str:
    """Return a hash of the code that writes simulated archives, so that no old one is reused."""
    import ecgsim

    folders = [Path(__file__).parent, Path(str(ecgsim.__file__)).parent]
    paths = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    digest = hashlib.sha256(repr(sorted(DEFAULT_ARCHIVE.items())).encode())
    for path in [*paths, folders[0].parent / "leads.py"]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]

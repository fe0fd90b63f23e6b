"""An archive on disk in PTB-XL's layout: tables, record paths, signals, checksums.

Wagner et al., *PTB-XL, a large publicly available electrocardiography dataset*, Scientific Data
7:154 (2020); layout as in version 1.0.3.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgcore import wfdb16
from ecgcore.archive_tables import read_statements, read_table
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.own import Record, load_record
from ecgcore.wfdb16 import DURATION_S

__all__ = ["Archive", "Record", "load_record", "read_checksums", "read_table"]

DATABASE = "ptbxl_database.csv"
STATEMENTS = "scp_statements.csv"
CHECKSUMS = "SHA256SUMS.txt"
SIMULATION = "simulation.json"
RATES_HZ = (100, 500)
FILENAME = {100: "filename_lr", 500: "filename_hr"}
"""Column of the database that names a record's file, by sampling rate."""


class Archive:
    """A folder in PTB-XL's layout: real or simulated, whole or in part.

    Parameters
    ----------
    path
        The folder that holds ``ptbxl_database.csv``.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a record, index ``ecg_id``, all columns of PTB-XL; ``scp_codes`` as dicts
        (statement -> likelihood in percent).
    statements : pandas.DataFrame
        ``scp_statements.csv``, index the statement's code.

    Raises
    ------
    EcgcoreError
        There is no archive there (the nearest folder that is one is named), or a table is
        missing, truncated or malformed.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = _find(Path(path))
        self.table = read_table(self.path / DATABASE)
        self.statements = read_statements(self.path / STATEMENTS)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def rates_hz(self) -> tuple[int, ...]:
        """Sampling rates whose folder of records exists."""
        return tuple(r for r in RATES_HZ if (self.path / f"records{r}").is_dir())

    @functools.cached_property
    def simulation(self) -> dict[str, Any]:
        """How the archive was simulated; empty for a real one."""
        file = self.path / SIMULATION
        try:
            return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise EcgcoreError(f"{file}: cannot be read ({error}); copy it again.") from None

    @property
    def is_simulated(self) -> bool:
        """Whether the records come from :mod:`ecgcore.simulate`."""
        return bool(self.simulation)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the tables and the list of files: cheap, changes when the archive does."""
        digest = hashlib.sha256()
        for name in (DATABASE, STATEMENTS, CHECKSUMS, "RECORDS", SIMULATION):
            file = self.path / name
            if file.exists():
                digest.update(name.encode() + hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()

    def stems(self, rate_hz: int, ecg_ids: Sequence[int] | None = None) -> list[str]:
        """Paths of records without suffix, in the order of ``ecg_ids`` (default: the table's)."""
        self.check_rate(rate_hz)
        names = rows(self.table, ecg_ids, self.name)[FILENAME[rate_hz]]
        root = str(self.path)
        return [f"{root}/{name}" for name in names]

    def check_rate(self, rate_hz: int) -> None:
        """Refuse a rate that the archive does not hold."""
        if rate_hz not in self.rates_hz:
            raise wfdb16.no_such_rate(self.name, rate_hz, self.rates_hz)

    def signals(
        self, rate_hz: int, ecg_ids: Sequence[int] | NDArray[np.integer] | None = None
    ) -> NDArray[np.float32]:
        """Decode records.

        Parameters
        ----------
        rate_hz
            One of :attr:`rates_hz`.
        ecg_ids
            Which records, in this order; all by default.

        Returns
        -------
        array of float32, shape (record, lead, sample)
            Millivolt; equal to ``wfdb.rdsamp``.

        Raises
        ------
        EcgcoreError
            Rate or record not in the archive, or the first record that cannot be decoded.
        """
        stems = self.stems(rate_hz, None if ecg_ids is None else list(ecg_ids))
        return wfdb16.to_mv(wfdb16.read_signals_adu(stems, rate_hz, rate_hz * DURATION_S))

    def layer_stems(self, rate_hz: int, layer: str) -> dict[int, str]:
        """Records that have a file in a layer of a simulated archive: ``ecg_id`` -> path."""
        self.check_rate(rate_hz)
        wfdb16.check_layer(self.name, self.is_simulated, layer)
        root = self.path / "layers" / layer
        names = self.table[FILENAME[rate_hz]]
        return {
            ecg_id: str(root / name)
            for ecg_id, name in zip(self.table.index.to_list(), names, strict=True)
            if (root / f"{name}.dat").exists()
        }

    def evidence(
        self,
        rate_hz: int,
        ecg_ids: Sequence[int] | NDArray[np.integer] | None = None,
        layer: str = "evidence",
    ) -> NDArray[np.float32]:
        """Signed contribution of each record's pathology, where the archive is simulated.

        Returns
        -------
        array of float32, shape (record, lead, sample)
            Millivolt; zero in a record that has nothing in this layer.

        Raises
        ------
        EcgcoreError
            The archive is real, or there is no such layer, rate or record.
        """
        stems = self.layer_stems(rate_hz, layer)
        wanted = rows(self.table, ecg_ids, self.name).index
        n_samples = rate_hz * DURATION_S
        contribution_mv = np.zeros((len(wanted), len(LEADS), n_samples), dtype=np.float32)
        present = [k for k, ecg_id in enumerate(wanted) if ecg_id in stems]
        paths = [stems[wanted[k]] for k in present]
        contribution_mv[present] = wfdb16.to_mv(wfdb16.read_signals_adu(paths, rate_hz, n_samples))
        return contribution_mv

    def verify(
        self,
        rates_hz: Sequence[int] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> pd.DataFrame:
        """Compare every file with ``SHA256SUMS.txt``.

        Parameters
        ----------
        rates_hz
            Which rates must be there; by default those whose folder exists.
        progress
            Called with files done and files in all.

        Returns
        -------
        pandas.DataFrame
            Columns ``file`` and ``problem`` (missing | differs | unreadable); empty when whole.
        """
        listed = read_checksums(self.path / CHECKSUMS)
        check_names(listed)
        rates = self.rates_hz if rates_hz is None else rates_hz
        absent = {f"records{rate_hz}" for rate_hz in RATES_HZ if rate_hz not in rates}
        listed = {name: d for name, d in listed.items() if name.split("/")[0] not in absent}
        found = []
        for done, (name, expected) in enumerate(listed.items(), start=1):
            problem = _compare(self.path / name, expected)
            if problem:
                found.append((name, problem))
            if progress:
                progress(done, len(listed))
        return pd.DataFrame(found, columns=["file", "problem"])

    def summary(self) -> str:
        """One line for ``doctor``: what the archive is and holds."""
        kind = "simulated" if self.is_simulated else "real"
        rates = ", ".join(map(str, self.rates_hz)) or "no"
        n_patients = self.table["patient_id"].nunique()
        size = f"{len(self.table):,} records of {n_patients:,} patients"
        return f"{self.name}: {kind} archive, {size}, {rates} Hz"


def rows(
    table: pd.DataFrame, ecg_ids: Sequence[int] | NDArray[np.integer] | None, name: str
) -> pd.DataFrame:
    """Rows of a table in the order of ``ecg_ids``; ``EcgcoreError`` for an unknown one."""
    if ecg_ids is None:
        return table
    unknown = pd.Index(ecg_ids).difference(table.index)
    if len(unknown):
        raise EcgcoreError(
            f"ecg_ids: record {unknown[0]} is not in {name}"
            + (f", nor are {len(unknown) - 1} others." if len(unknown) > 1 else ".")
        )
    return table.loc[list(ecg_ids)]


def _find(path: Path) -> Path:
    """The folder itself if it is an archive, else a sentence that points to the nearest one."""
    if (path / DATABASE).is_file():
        return path
    expected = f"expected a folder that holds {DATABASE}"
    if not path.is_dir():
        raise EcgcoreError(f"{path}: there is no such folder; {expected}.")
    above = [p for p in path.resolve().parents[:3] if (p / DATABASE).is_file()]
    below = [p.parent for p in (*path.glob(f"*/{DATABASE}"), *path.glob(f"*/*/{DATABASE}"))]
    for other in (*above, *sorted(below)):
        raise EcgcoreError(f"{path}: is not an archive ({expected}); did you mean {other}?")
    raise EcgcoreError(f"{path}: is not an archive in PTB-XL's layout; {expected}.")


def read_checksums(path: Path) -> dict[str, str]:
    """Read ``SHA256SUMS.txt``: file name -> hexadecimal digest."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
        return {name.lstrip("*"): digest.lower() for digest, name in pairs}
    except FileNotFoundError:
        raise EcgcoreError(
            f"{path}: there is no such file; the archive cannot be verified."
        ) from None
    except (ValueError, OSError) as error:
        raise EcgcoreError(f"{path}: is not a list of checksums ({error}).") from None


def check_names(names: Iterable[str]) -> None:
    """Refuse a path that could climb out of the folder that it belongs to."""
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise EcgcoreError(
                f"{name!r}: leads out of the archive's folder; this archive was tampered with, "
                "nothing of it was used."
            )


def _compare(path: Path, expected: str) -> str:
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "unreadable"
    return "" if digest == expected else "differs"

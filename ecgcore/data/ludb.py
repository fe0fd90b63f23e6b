"""LUDB, a second database: 200 records of another hospital and device.

Kalyakulina et al., *LUDB: a new open-access validation tool for electrocardiogram delineation
algorithms*, IEEE Access 8:186181 (2020); version 1.0.1 on PhysioNet. Its gains normalise every
lead, so Einthoven's identities hold only in the files' integer units and voltages mean nothing.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import scipy

from ecgcore import files
from ecgcore.data.record import Record, load_record
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS

_WAVE = {"p": "P", "N": "QRS", "t": "T"}
_BETWEEN = {("P", "QRS"): "PR", ("QRS", "T"): "ST"}


@dataclass(frozen=True)
class Ludb:
    """The database; ``table`` has one row per record, index ``record`` (1 to 200), with ``rhythm``
    and ``af`` (bool)."""

    path: Path
    table: pd.DataFrame

    def records(self, *, band_hz: tuple[float, float] | None = None) -> list[Record]:
        """Return all records in the order of the table, band-pass filtered if ``band_hz`` is given.

        The filter is a Butterworth filter of order 4, run forwards and backwards (zero phase).
        """
        records = [load_record(self.path / "data" / str(number)) for number in self.table.index]
        if band_hz is None:
            return records
        b, a = scipy.signal.butter(4, band_hz, "bandpass", fs=records[0].rate_hz)
        filtered = [scipy.signal.filtfilt(b, a, r.signals_mv.astype(np.float64)) for r in records]
        pairs = zip(records, filtered, strict=True)
        return [replace(record, signals_mv=mv.astype(np.float32)) for record, mv in pairs]


def load_ludb(path: Path | str) -> Ludb:
    """Open LUDB in a folder with ``ludb.csv`` and ``data/``; raise ``EcgcoreError`` without it."""
    folder = files.expand(path)
    if not (folder / "ludb.csv").is_file():
        why = "contains no ludb.csv; get LUDB with python -m ecgcore fetch ludb --to FOLDER"
        raise EcgcoreError(f"{folder}: {why}.")
    raw = pd.read_csv(folder / "ludb.csv", dtype=str).fillna("").rename(columns=str.lower)
    rhythm = raw["rhythms"].str.split().str.join(" ")
    table = pd.DataFrame({"rhythm": rhythm, "af": rhythm.str.contains("fibrillation")})
    return Ludb(folder, table.set_index(raw["id"].astype(int).rename("record")))


def ludb_waves(path: Path | str, record: int | str) -> pd.DataFrame:
    """Return the annotated waves of one record of LUDB, one row per wave and lead.

    ``path`` is the folder with annotation files such as ``1.ii``; ``FileNotFoundError`` if there
    are none. Columns: ``lead`` (PTB-XL's names), ``wave`` (P, QRS, T, and between them PR and ST),
    ``onset`` and ``offset`` [samples at 500 Hz]. The first and last second of a record have no
    annotations.
    """
    import wfdb

    rows: list[tuple[str, str, int, int]] = []
    for lead in LEADS:
        marks = wfdb.rdann(str(Path(path) / str(record)), lead.lower())
        before, end = "", 0
        for k in range(1, len(marks.symbol) - 1):
            wave = _WAVE.get(marks.symbol[k])
            if wave is None or (marks.symbol[k - 1], marks.symbol[k + 1]) != ("(", ")"):
                continue
            onset, offset = int(marks.sample[k - 1]), int(marks.sample[k + 1])
            if (before, wave) in _BETWEEN and end < onset:
                rows.append((lead, _BETWEEN[before, wave], end, onset))
            rows.append((lead, wave, onset, offset))
            before, end = wave, offset
    return pd.DataFrame(rows, columns=["lead", "wave", "onset", "offset"])

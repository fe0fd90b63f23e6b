"""LUDB, a second database: 200 records of another hospital and device.

Kalyakulina et al., *LUDB: a new open-access validation tool for electrocardiogram delineation
algorithms*, IEEE Access 8:186181 (2020); version 1.0.1 on PhysioNet. Its gains normalise every
lead, so Einthoven's identities hold only in the files' integer units and voltages mean nothing.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import signal

from ecgcore.data.record import Record, load_record
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS

_WAVE = {"p": "P", "N": "QRS", "t": "T"}
_BETWEEN = {("P", "QRS"): "PR", ("QRS", "T"): "ST"}


@dataclass(frozen=True)
class Ludb:
    """The database; ``table`` has one row per record, index ``record`` (1 to 200): ``rhythm``,
    ``af`` and ``sinus`` (bool), ``diagnoses`` (one text), ``age``, ``sex``."""

    path: Path
    table: pd.DataFrame

    def record(self, number: int) -> Record:
        """Return one record."""
        return load_record(self.path / "data" / str(number))

    def records(self, *, band_hz: tuple[float, float] | None = None) -> list[Record]:
        """Return all records in the order of the table, perhaps through :func:`band_passed`."""
        records = [self.record(int(number)) for number in self.table.index]
        return records if band_hz is None else [band_passed(r, band_hz) for r in records]


def band_passed(record: Record, band_hz: tuple[float, float], order: int = 4) -> Record:
    """Return a record after a Butterworth band pass, forwards and backwards (zero phase)."""
    b, a = signal.butter(order, band_hz, "bandpass", fs=record.rate_hz)
    filtered = signal.filtfilt(b, a, record.signals_mv.astype(np.float64), axis=-1)
    return replace(record, signals_mv=filtered.astype(np.float32))


def load_ludb(path: Path | str) -> Ludb:
    """Open LUDB in a folder that holds ``ludb.csv`` and ``data/``; ``EcgcoreError`` without."""
    folder = Path(path).expanduser()
    if not (folder / "ludb.csv").is_file():
        why = "holds no ludb.csv; get LUDB with python -m ecgcore fetch ludb --to FOLDER"
        raise EcgcoreError(f"{folder}: {why}.")
    raw = pd.read_csv(folder / "ludb.csv", dtype=str).fillna("")
    raw = raw.apply(lambda column: column.str.split().str.join(" ")).rename(columns=str.lower)
    rhythm = raw["rhythms"]
    others = raw.drop(columns=["id", "sex", "age", "rhythms"])
    table = raw[["age", "sex"]].assign(
        rhythm=rhythm,
        af=rhythm.str.contains("fibrillation"),
        sinus=rhythm.str.contains("inus") & ~rhythm.str.contains("Atrial"),
        diagnoses=others.agg(lambda row: "; ".join(filter(None, row)), axis=1),
    )
    return Ludb(folder, table.set_index(raw["id"].astype(int).rename("record")))


def ludb_waves(path: Path | str, record: int | str) -> pd.DataFrame:
    """Annotated waves of one record of LUDB (Kalyakulina et al. 2020, IEEE Access 8:186181).

    ``path`` is the folder with annotation files such as ``1.ii``; one that cannot be read raises
    :class:`EcgcoreError`.  One row per wave and lead: ``lead`` (PTB-XL's names), ``wave`` (P, QRS,
    T, and between them PR and ST), ``onset`` and ``offset`` [samples at 500 Hz].  Annotations begin
    and end about a second inside the record.
    """
    import wfdb

    rows: list[tuple[str, str, int, int]] = []
    for lead in LEADS:
        try:
            marks = wfdb.rdann(str(Path(path) / str(record)), lead.lower())
        except (OSError, ValueError, IndexError) as error:
            raise EcgcoreError(
                f"{Path(path) / f'{record}.{lead.lower()}'}: expected LUDB's annotation of lead "
                f"{lead}, but it cannot be read ({error}); check the folder and the record number."
            ) from error
        before: tuple[str, int] | None = None
        symbols, samples = marks.symbol, marks.sample
        for k in range(1, len(symbols) - 1):
            wave = _WAVE.get(symbols[k], "")
            if not wave or (symbols[k - 1], symbols[k + 1]) != ("(", ")"):
                continue
            onset, offset = int(samples[k - 1]), int(samples[k + 1])
            gap = _BETWEEN.get((before[0], wave)) if before else None
            if before and gap and before[1] < onset:
                rows.append((lead, gap, before[1], onset))
            rows.append((lead, wave, onset, offset))
            before = (wave, offset)
    return pd.DataFrame(rows, columns=["lead", "wave", "onset", "offset"])

"""A prepared store: one memory-mapped int16 file per sampling rate, and the archive's tables."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore import files
from ecgcore.data.archive import DURATION_S, GAIN, Adu, Read, Records
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS

INFO = "store.json"
LAYOUT_VERSION = 3
"""Raised when files of an older layout can no longer be read."""


class Store(Records):
    """A prepared archive; opening it reads one small file, everything else is read when needed."""

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path, self.info = path, info
        self.name = info["name"]
        self.fingerprint: str = info["fingerprint"]
        self.rates_hz = tuple(info["rates_hz"])
        self.simulation = info["simulation"]

    @functools.cached_property
    def table(self) -> pd.DataFrame:  # type: ignore[override]
        """See :class:`Records`, in the order of the arrays; one more column: ``duplicate_of``, the
        ``ecg_id`` of an earlier record with the same signals."""
        return _read_table(self.path / "table.parquet")

    @functools.cached_property
    def left_out(self) -> pd.DataFrame:
        """Rows of the damaged records, which are not in :attr:`table`."""
        return _read_table(self.path / "left_out.parquet")

    @functools.cached_property
    def statements(self) -> pd.DataFrame:
        """``scp_statements.csv``, index the statement's code."""
        return pd.read_csv(self.path / "statements.csv", index_col=0)

    @functools.cached_property
    def quality(self) -> pd.DataFrame:
        """Everything that was wrong with the archive, one row per finding.

        ``ecg_id`` (0 for a file without a row), ``rate_hz`` (0 where it does not matter), ``lead``,
        ``kind``, ``severity`` (error: left out; warning; note) and ``detail``, a sentence.
        """
        return pd.read_csv(self.path / "quality.csv", keep_default_na=False)

    def adu(self, rate_hz: int) -> Adu:
        """All records, memory-mapped and read-only, shape (record, lead, sample), 1000 per mV."""
        self.check_rate(rate_hz)
        return self._array(f"adu_{rate_hz}.bin", rate_hz)

    def _reader(self, rate_hz: int, layer: str | None) -> Read:
        ids = np.load(self.path / f"{layer}_{rate_hz}_ids.npy") if layer else self.table.index
        rows = {ecg_id: row for row, ecg_id in enumerate(ids.tolist())}
        adu = np.asarray(self._array(f"{layer or 'adu'}_{rate_hz}.bin", rate_hz))  # maps are slow
        return lambda i: adu[rows[i]] / np.float32(GAIN) if i in rows else 0.0

    def _array(self, name: str, rate_hz: int) -> Adu:
        """Records of one file, shape (record, lead, sample), memory-mapped."""
        path, shape = self.path / name, (-1, len(LEADS), rate_hz * DURATION_S)
        try:
            if path.stat().st_size == 0 and not name.startswith("adu"):  # a layer of no record
                return np.empty((0, *shape[1:]), dtype=np.int16)
            return np.memmap(path, dtype="<i2", mode="r").reshape(shape)
        except (OSError, ValueError) as error:
            why = f"cannot be read ({error}); prepare the store again"
            raise EcgcoreError(f"{path}: {why}.") from None


def open_store(path: Path | str) -> Store:
    """Open a prepared store, in milliseconds; ``EcgcoreError`` where it is not finished, or was
    prepared by an incompatible version."""
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

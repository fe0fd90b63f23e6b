"""A prepared store: one memory-mapped int16 file per sampling rate, and the archive's tables."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore import files
from ecgcore.arrays import Floats32
from ecgcore.data.archive import DURATION_S, Ids, Read, Records
from ecgcore.data.write import GAIN, Adu
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
        self._arrays: dict[str, Adu] = {}

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
        """The quality report; see :func:`ecgcore.data.quality_report`."""
        return pd.read_csv(self.path / "quality.csv", keep_default_na=False)

    def adu(self, rate_hz: int) -> Adu:
        """All records, memory-mapped and read-only, shape (record, lead, sample), 1000 per mV."""
        self.check_rate(rate_hz)
        return self._array(f"adu_{rate_hz}.bin", rate_hz)

    def _collect(self, rate_hz: int, ecg_ids: Ids | None, layer: str | None) -> Floats32:
        if layer:
            return super()._collect(rate_hz, ecg_ids, layer)
        adu, rows = np.asarray(self.adu(rate_hz)), self.rows(ecg_ids)  # rows of a map are slow
        mv = np.empty((len(rows), *adu.shape[1:]), dtype=np.float32)
        for part, row in zip(mv, rows.tolist(), strict=True):
            part[...] = adu[row]
            np.divide(part, np.float32(GAIN), out=part)  # faster than one mixed division
        return mv

    def _reader(self, rate_hz: int, layer: str | None) -> Read:
        ids = np.load(self.path / f"{layer}_{rate_hz}_ids.npy")
        adu = np.asarray(self._array(f"{layer}_{rate_hz}.bin", rate_hz))
        rows = {ecg_id: row for row, ecg_id in enumerate(ids.tolist())}

        def read(out: Floats32, ecg_id: int) -> None:
            if ecg_id in rows:
                out[...] = adu[rows[ecg_id]] / np.float32(GAIN)

        return read

    def _array(self, name: str, rate_hz: int) -> Adu:
        """Records of one file, shape (record, lead, sample), memory-mapped."""
        path, shape = self.path / name, (-1, len(LEADS), rate_hz * DURATION_S)
        if name in self._arrays:
            return self._arrays[name]
        try:
            if path.stat().st_size == 0 and not name.startswith("adu"):  # a layer of no record
                return np.empty((0, *shape[1:]), dtype=np.int16)
            self._arrays[name] = np.memmap(path, dtype="<i2", mode="r").reshape(shape)
        except (OSError, ValueError) as error:
            why = f"cannot be read ({error}); prepare the store again"
            raise EcgcoreError(f"{path}: {why}.") from None
        return self._arrays[name]


def open_store(path: Path | str) -> Store:
    """Open a prepared store, in milliseconds; ``EcgcoreError`` where it is not finished, or was
    prepared by an incompatible version."""
    path = Path(path).expanduser()
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

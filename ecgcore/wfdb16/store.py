"""A prepared store: one memory-mapped int16 file a sampling rate, and the archive's tables."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgcore import files
from ecgcore.errors import EcgcoreError
from ecgcore.wfdb16.decode import scale_into, to_mv
from ecgcore.wfdb16.layout import N_LEADS
from ecgcore.wfdb16.write import GAIN

INFO = "store.json"
TABLE = "table.parquet"
LEFT_OUT = "left_out.parquet"
LAYOUT_VERSION = 2
"""Raised when files of an older layout can no longer be read."""

DURATION_S = 10
"""Every record of PTB-XL lasts ten seconds."""

CHUNK = 128
"""Records decoded at a time: 15 MiB at 500 Hz."""

LAYERS = ("evidence", "counterfactual", "distractor", "timing", "shortcut")
"""What a simulated archive holds beside its records; see :mod:`ecgcore.simulate`."""


class Store:
    """A prepared archive. Opening reads one small file; everything else is read when asked for.

    Attributes
    ----------
    name, fingerprint, rates_hz, is_simulated
        Those of the archive that it was made from.
    gain : int
        1000 adu per mV, for every record and lead.
    simulation : dict
        How the archive was simulated; empty for a real one.
    """

    gain = GAIN

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path = path
        self.info = info
        self.name: str = info["name"]
        self.fingerprint: str = info["fingerprint"]
        self.rates_hz: tuple[int, ...] = tuple(info["rates_hz"])
        self.simulation: dict[str, Any] = info["simulation"]
        self.is_simulated = bool(self.simulation)
        self._arrays: dict[int, NDArray[np.int16]] = {}

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        """One row a record in the order of the arrays, index ``ecg_id``; see ``Archive.table``.

        One column more: ``duplicate_of``, the ``ecg_id`` of an earlier record with the same
        signals.
        """
        return _read_table(self.path / TABLE)

    @functools.cached_property
    def left_out(self) -> pd.DataFrame:
        """Rows of the damaged records, which are not in :attr:`table`."""
        return _read_table(self.path / LEFT_OUT)

    @functools.cached_property
    def statements(self) -> pd.DataFrame:
        """``scp_statements.csv``, index the statement's code."""
        return pd.read_csv(self.path / "statements.csv", index_col=0)

    @functools.cached_property
    def quality(self) -> pd.DataFrame:
        """What was found on preparing; see :mod:`ecgcore.quality`."""
        return pd.read_csv(self.path / "quality.csv", keep_default_na=False)

    def adu(self, rate_hz: int) -> NDArray[np.int16]:
        """All records, memory-mapped and read-only, shape (record, lead, sample), adu."""
        if rate_hz not in self.rates_hz:
            raise no_such_rate(self.name, rate_hz, self.rates_hz)
        if rate_hz not in self._arrays:
            self._arrays[rate_hz] = _open(self.path / f"adu_{rate_hz}.npy")
        return self._arrays[rate_hz]

    def rows(self, ecg_ids: Sequence[int] | NDArray[np.integer]) -> NDArray[np.intp]:
        """Positions of records in the arrays; ``EcgcoreError`` for one that is not there."""
        positions = self.table.index.get_indexer(pd.Index(ecg_ids))
        if (positions < 0).any():
            unknown = np.asarray(ecg_ids)[positions < 0]
            raise EcgcoreError(
                f"ecg_ids: record {unknown[0]} is not in {self.name} ({len(unknown)} such); "
                "it may have been left out as damaged: see the quality report."
            )
        return positions

    def signals(
        self,
        rate_hz: int,
        ecg_ids: Sequence[int] | NDArray[np.integer] | None = None,
        *,
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Records in mV.

        Parameters
        ----------
        rate_hz
            One of :attr:`rates_hz`.
        ecg_ids
            Which records, in this order; all by default.
        out
            An array of the result's shape to write into, which spares the system fresh memory.

        Returns
        -------
        array of float32, shape (record, lead, sample)
            Millivolt.

        Raises
        ------
        EcgcoreError
            Rate or record not in the store.
        """
        adu = np.asarray(self.adu(rate_hz))  # taking rows of a memory map proper is slow
        rows = np.arange(len(adu)) if ecg_ids is None else self.rows(ecg_ids)
        if out is None:
            out = np.empty((len(rows), *adu.shape[1:]), dtype=np.float32)
        for part, row in zip(out, rows.tolist(), strict=True):
            scale_into(part, adu[row])  # a store holds no record with missing samples
        return out

    def evidence(
        self,
        rate_hz: int,
        ecg_ids: Sequence[int] | NDArray[np.integer] | None = None,
        layer: str = "evidence",
    ) -> NDArray[np.float32]:
        """Signed contribution of each record's pathology; see ``Archive.evidence``."""
        check_layer(self.name, self.is_simulated, layer)
        n_samples = self.adu(rate_hz).shape[2]
        wanted = self.table.index if ecg_ids is None else pd.Index(ecg_ids)
        self.rows(wanted.to_numpy())
        present = pd.Index(np.load(self.path / f"{layer}_{rate_hz}_ids.npy"))
        positions = present.get_indexer(wanted)
        contribution_mv = np.zeros((len(wanted), N_LEADS, n_samples), dtype=np.float32)
        stored = _open(self.path / f"{layer}_{rate_hz}.npy")
        contribution_mv[positions >= 0] = to_mv(stored[positions[positions >= 0]])
        return contribution_mv

    def summary(self) -> str:
        """One line for ``doctor``: what the store is and holds."""
        kind = "simulated" if self.is_simulated else "real"
        left_out = self.info["n_left_out"]
        damaged = f" ({left_out} left out)" if left_out else ""
        rates = ", ".join(map(str, self.rates_hz))
        return f"{self.name}: {kind} store, {self.info['n_records']:,} records{damaged}, {rates} Hz"


def open_store(path: Path | str) -> Store:
    """Open a prepared store, in milliseconds.

    Raises
    ------
    EcgcoreError
        There is no finished store there, or it was made by an incompatible version.
    """
    path = Path(path)
    try:
        info = json.loads((path / INFO).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EcgcoreError(
            f"{path}: is not a prepared store (no {INFO}); prepare it first."
        ) from None
    except (OSError, ValueError) as error:
        raise EcgcoreError(f"{path / INFO}: cannot be read ({error}); prepare it again.") from None
    if info.get("layout") != LAYOUT_VERSION:
        raise EcgcoreError(f"{path}: was prepared by another version; delete it and prepare again.")
    return Store(path, info)


def is_current(path: Path) -> bool:
    """Whether a finished store lies there that this version can read."""
    try:
        return bool(open_store(path))
    except EcgcoreError:
        return False


def no_such_rate(name: str, rate_hz: int, rates_hz: Sequence[int]) -> EcgcoreError:
    """The sentence for a rate that an archive or store does not hold."""
    known = ", ".join(map(str, rates_hz)) or "none"
    return EcgcoreError(
        f"rate_hz: {name} holds no records at {rate_hz} Hz (it holds: {known}); read one of those "
        "and resample it with signals.preprocess."
    )


def check_layer(name: str, is_simulated: bool, layer: str) -> None:
    """Refuse a layer of a real archive, or one that no simulated archive has."""
    if not is_simulated:
        raise EcgcoreError(
            f"{name}: is a real archive, so nobody knows where its evidence lies; "
            "only a simulated archive has evidence masks."
        )
    if layer not in LAYERS:
        raise EcgcoreError(f"layer: there is no '{layer}'; expected one of {', '.join(LAYERS)}.")


def _read_table(path: Path) -> pd.DataFrame:
    table = files.read_parquet(path)
    for name in table.select_dtypes("object").columns:
        table[name] = table[name].where(table[name].notna(), np.nan)  # parquet's null is None
    table["scp_codes"] = table["scp_codes"].map(json.loads)
    return table


def _open(path: Path) -> NDArray[np.int16]:
    try:
        array: NDArray[np.int16] = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise EcgcoreError(f"{path}: cannot be read ({error}); prepare the store again.") from None
    return array

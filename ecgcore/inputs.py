"""How a run's records become what its network reads, so that a later page can do it again."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgcore import signals
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.simulate import Shortcut, planted
from ecgcore.wfdb16 import Store

Ids = Sequence[int] | NDArray[np.integer]
Floats32 = NDArray[np.float32]

EVIDENCE_MV = 0.02
"""Evidence is where a pathology changes the signal by more than this."""


@dataclass(frozen=True)
class Inputs:
    """From an archive's records to a network's input.

    Parameters
    ----------
    rate_hz
        Of the network; resampled from the store's own where it has no such rate.
    normalisation
        See :func:`ecgcore.signals.normalise`.
    statistics
        For ``train_lead``; :meth:`fitted` computes them.
    shortcut
        An artefact to plant by label, or None.
    seed
        Of the planting.
    """

    rate_hz: int
    normalisation: str = "record_lead"
    statistics: signals.LeadStatistics | None = None
    shortcut: Shortcut | None = None
    seed: int = 0

    def fitted(self, store: Store, ecg_ids: Ids, labels: Ids) -> "Inputs":
        """With the statistics of the training part, where the normalisation needs them."""
        if self.normalisation != "train_lead":
            return self
        resampled = self.drawn(store, ecg_ids, labels)
        return replace(self, statistics=signals.lead_statistics(resampled))

    def drawn(self, store: Store, ecg_ids: Ids, labels: Ids) -> Floats32:
        """Signals at the network's rate in mV, for pictures, shape ``(record, lead, sample)``."""
        raw = self._raw(store, ecg_ids, labels)
        return signals.resample(raw, self._source_hz(store), self.rate_hz)

    def of(self, store: Store, ecg_ids: Ids, labels: Ids) -> Floats32:
        """What the network reads, shape ``(record, lead, sample)``."""
        return signals.preprocess(
            self._raw(store, ecg_ids, labels),
            self._source_hz(store),
            self.rate_hz,
            normalise=self.normalisation,
            statistics=self.statistics,
        )

    def evidence(self, store: Store, ecg_ids: Ids, layer: str = "evidence") -> NDArray[np.bool_]:
        """Where a simulated record's evidence lies, at the network's rate."""
        source_hz = self._source_hz(store)
        contribution = store.evidence(source_hz, ecg_ids, layer)
        return np.abs(signals.resample(contribution, source_hz, self.rate_hz)) > EVIDENCE_MV

    def artefact(self, store: Store, ecg_ids: Ids, labels: Ids) -> NDArray[np.bool_]:
        """Where the planted shortcut lies, at the network's rate."""
        source_hz = self._source_hz(store)
        added = self._added(store, ecg_ids, labels)
        return np.abs(signals.resample(added, source_hz, self.rate_hz)) > EVIDENCE_MV

    def _source_hz(self, store: Store) -> int:
        return self.rate_hz if self.rate_hz in store.rates_hz else max(store.rates_hz)

    def _raw(self, store: Store, ecg_ids: Ids, labels: Ids) -> Floats32:
        raw = store.signals(self._source_hz(store), ecg_ids)
        return raw if self.shortcut is None else raw + self._added(store, ecg_ids, labels)

    def _added(self, store: Store, ecg_ids: Ids, labels: Ids) -> Floats32:
        source_hz = self._source_hz(store)
        n_samples = store.adu(source_hz).shape[2]
        if self.shortcut is None:
            return np.zeros((len(ecg_ids), len(LEADS), n_samples), np.float32)
        how = {"rate_hz": source_hz, "n_samples": n_samples, "seed": self.seed}
        return planted(self.shortcut, ecg_ids, labels, **how)  # type: ignore[arg-type]

    def table(self) -> pd.DataFrame:
        """The statistics of ``train_lead`` for a run directory; empty without them."""
        if self.statistics is None:
            return pd.DataFrame()
        values = {"mean_mv": self.statistics.mean_mv, "sd_mv": self.statistics.sd_mv}
        return pd.DataFrame({"lead": LEADS, **values})


def inputs_of(params: dict[str, Any]) -> Inputs:
    """From the parameters of a run, before its training part is known.

    Raises
    ------
    EcgcoreError
        A shortcut is asked for at a rate that cannot carry it.
    """
    planted_with = None
    if params.get("shortcut"):
        millivolts = float(params.get("shortcut_mv", Shortcut.amplitude_mv))
        planted_with = Shortcut(condition="any", amplitude_mv=millivolts)
    rate_hz = int(params["rate_hz"])
    if planted_with is not None and rate_hz <= 2 * planted_with.frequency_hz:
        raise EcgcoreError(
            f"shortcut: a burst of {planted_with.frequency_hz:g} Hz is lost at rate_hz {rate_hz}; "
            f"expected a rate above {2 * planted_with.frequency_hz:g} Hz."
        )
    return Inputs(
        rate_hz=rate_hz,
        normalisation=str(params.get("normalisation", "record_lead")),
        shortcut=planted_with,
        seed=int(params.get("seed", 0)),
    )


def inputs_of_run(run: Path | str) -> Inputs:
    """As the finished run of a directory made them."""
    params = json.loads((Path(run) / "params.json").read_text(encoding="utf-8"))
    found, file = inputs_of(params), Path(run) / "lead_statistics.csv"
    if found.normalisation != "train_lead":
        return found
    table = pd.read_csv(file)
    parts = (table[name].to_numpy(np.float32) for name in ("mean_mv", "sd_mv"))
    return replace(found, statistics=signals.LeadStatistics(*parts))

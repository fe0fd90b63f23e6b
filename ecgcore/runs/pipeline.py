"""From a record to a network's input, as one run defines it: the only place that knows how."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ecgcore import preprocessing
from ecgcore.arrays import Bools, Floats32, Ids
from ecgcore.data import DURATION_S, Record, Store
from ecgcore.errors import EcgcoreError
from ecgcore.files import read_json
from ecgcore.leads import LEADS

if TYPE_CHECKING:
    from ecgsim import Shortcut

EVIDENCE_MV = 0.02
"""Evidence is where a pathology changes the signal by more than this."""

NO_NOISE_DB = 100.0
"""Value of ``muscle_snr_db`` that stands for no added noise."""

_CHUNK = 512
"""Records in memory at a time before the last step; only their results are kept."""


@dataclass(frozen=True)
class InputPipeline:
    """What a run does to records, in this order, before its network sees them.

    Plant the shortcut, add muscle noise, remove high frequencies, resample to a lower rate; then
    call :func:`ecgcore.preprocessing.preprocess`.
    """

    rate_hz: int
    normalisation: str = "record_lead"
    statistics: preprocessing.LeadStatistics | None = None
    """Those of the training part, for ``train_lead``; :meth:`fit` computes them."""
    resampler: str = "fft"
    shortcut: "Shortcut | None" = None
    muscle_snr_db: float = NO_NOISE_DB
    content_hz: float = 0.0
    """Remove everything at and above this frequency; 0 removes nothing."""
    upsampled_from_hz: int = 0
    """Resample the records to this rate first; 0 skips this step."""
    from_highest_rate: bool = False
    """Start from the store's highest rate, even where it holds ``rate_hz`` itself."""
    seed: int = 0
    noise_seed: int = 0

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> "InputPipeline":
        """Return the pipeline that a run's parameters describe, before :meth:`fit`.

        Raises :class:`EcgcoreError` for a shortcut at a rate that cannot carry it.
        """
        shortcut = None
        if params.get("shortcut"):
            from ecgsim import Shortcut

            amplitude_mv = float(params.get("shortcut_mv", Shortcut.amplitude_mv))
            shortcut = Shortcut(amplitude_mv=amplitude_mv)
            if params["rate_hz"] <= 2 * shortcut.frequency_hz:
                raise EcgcoreError(
                    f"shortcut: a burst of {shortcut.frequency_hz:g} Hz is lost at rate_hz "
                    f"{params['rate_hz']}; expected a rate above {2 * shortcut.frequency_hz:g} Hz."
                )
        options = {f.name: params[f.name] for f in fields(cls) if f.name in params}
        options |= {"shortcut": shortcut, "from_highest_rate": "resampler" in params}
        return cls(**options, noise_seed=int(params.get("split_seed", params.get("seed", 0))))

    @classmethod
    def of_run(cls, folder: Path | str) -> "InputPipeline":
        """Return the pipeline of a finished run, with the statistics of its training part."""
        pipeline = cls.from_params(read_json(Path(folder, "params.json")))
        if pipeline.normalisation != "train_lead":
            return pipeline
        table = pd.read_csv(Path(folder, "lead_statistics.csv"))
        columns = (table[name].to_numpy(np.float32) for name in ("mean_mv", "sd_mv"))
        return replace(pipeline, statistics=preprocessing.LeadStatistics(*columns))

    def fit(self, store: Store, ecg_ids: Ids, labels: Ids) -> "InputPipeline":
        """Return this pipeline with the statistics of the training part, where it needs them."""
        if self.normalisation != "train_lead":
            return self
        signals_mv = self.signals(store, ecg_ids, labels)
        return replace(self, statistics=preprocessing.lead_statistics(signals_mv))

    def signals(self, store: Store, ecg_ids: Ids, labels: Ids) -> Floats32:
        """Return records at the network's rate in mV, for pictures: ``(record, lead, sample)``."""
        return self._in_chunks(self._resample, store, ecg_ids, labels)

    def inputs(self, store: Store, ecg_ids: Ids, labels: Ids) -> Floats32:
        """Return the inputs of the network, shape ``(record, lead, sample)``."""
        return self._in_chunks(self._preprocess, store, ecg_ids, labels)

    def record_signals(self, record: Record) -> Floats32:
        """Return one record at the network's rate in mV, shape ``(lead, sample)``."""
        resampled = self._resample(*self._limit(record.signals_mv[None], record.rate_hz))
        return np.asarray(resampled[0])

    def record_inputs(self, record: Record) -> Floats32:
        """Return the input of the network for one record, shape ``(1, lead, sample)``.

        Neither a shortcut nor noise is added to a user's record, even if the run added them.
        """
        return self._preprocess(*self._limit(record.signals_mv[None], record.rate_hz))

    def evidence(self, store: Store, ecg_ids: Ids, layer: str = "evidence") -> Bools:
        """Return where a simulated record's evidence lies, at the network's rate."""
        source_hz = self._source_hz(store)
        return self._is_changed(store.evidence(source_hz, ecg_ids, layer), source_hz)

    def artefact(self, store: Store, ecg_ids: Ids, labels: Ids) -> Bools:
        """Return where the planted shortcut lies, at the network's rate."""
        return self._is_changed(self._planted(store, ecg_ids, labels), self._source_hz(store))

    def without_shortcut(self) -> "InputPipeline":
        """Return the pipeline that does not plant its artefact."""
        return replace(self, shortcut=None)

    def table(self) -> pd.DataFrame:
        """Return the statistics of ``train_lead`` for a run directory; empty without them."""
        if self.statistics is None:
            return pd.DataFrame()
        values = {"mean_mv": self.statistics.mean_mv, "sd_mv": self.statistics.sd_mv}
        return pd.DataFrame({"lead": LEADS, **values})

    def _is_changed(self, change_mv: Floats32, rate_hz: int) -> Bools:
        return np.abs(preprocessing.resample(change_mv, rate_hz, self.rate_hz)) > EVIDENCE_MV

    def _source_hz(self, store: Store) -> int:
        if self.rate_hz in store.rates_hz and not self.from_highest_rate:
            return self.rate_hz
        return max(store.rates_hz)

    def _planted(self, store: Store, ecg_ids: Ids, labels: Ids) -> Floats32:
        from ecgsim import Shortcut, plant_shortcut

        source_hz, shortcut = self._source_hz(store), self.shortcut or Shortcut(amplitude_mv=0.0)
        size: dict[str, int] = {"rate_hz": source_hz, "n_samples": DURATION_S * source_hz}
        return plant_shortcut(shortcut, ecg_ids, labels, **size, seed=self.seed)

    def _in_chunks(
        self,
        last: Callable[[Floats32, int], Floats32],
        store: Store,
        ecg_ids: Ids,
        labels: Ids,
    ) -> Floats32:
        """Return what ``last`` returns for the changed records, without a second copy of them all.

        Raises :class:`EcgcoreError` if the result does not fit in memory.
        """
        import psutil  # on Linux it needs the module resource, which other systems lack

        ids, of_ids = np.asarray(ecg_ids), np.asarray(labels)
        shape = (len(ids), len(LEADS), round(DURATION_S * self.rate_hz))
        if 4 * np.prod(shape) > psutil.virtual_memory().available:
            why = "do not fit in memory; use fewer records or a lower rate"
            raise EcgcoreError(f"{len(ids)} records at {self.rate_hz} Hz {why}.")
        result = np.empty(shape, np.float32)
        for start in range(0, len(ids), _CHUNK):
            part = slice(start, start + _CHUNK)
            result[part] = last(*self._change(store, ids[part], of_ids[part]))
        return result

    def _change(self, store: Store, ecg_ids: Ids, labels: Ids) -> tuple[Floats32, int]:
        """Return records before the last resampling and :meth:`_preprocess`, and their rate."""
        rate_hz = self._source_hz(store)
        signals_mv = store.signals(rate_hz, ecg_ids)
        if self.shortcut is not None:
            signals_mv = signals_mv + self._planted(store, ecg_ids, labels)
        if self.muscle_snr_db < NO_NOISE_DB:
            from ecgsim import add_noise

            signals_mv, snr_db = signals_mv.copy(), self.muscle_snr_db
            for one, ecg_id in zip(signals_mv, ecg_ids, strict=True):
                sequence = np.random.SeedSequence((self.noise_seed, int(ecg_id)))
                seed = int(sequence.generate_state(1)[0])  # depends on the record alone
                one[:] = add_noise(one[None], rate_hz, "muscle", snr_db, seed=seed)[0]
        return self._limit(signals_mv, rate_hz)

    def _limit(self, signals_mv: Floats32, rate_hz: int) -> tuple[Floats32, int]:
        """Return records with the band limit and first resampling applied, and their rate."""
        if self.content_hz and self.content_hz < rate_hz / 2:
            signals_mv = preprocessing.band_limit(signals_mv, rate_hz, self.content_hz)
        if self.upsampled_from_hz and self.upsampled_from_hz != rate_hz:
            signals_mv = preprocessing.resample(signals_mv, rate_hz, self.upsampled_from_hz)
            rate_hz = self.upsampled_from_hz
        return signals_mv, rate_hz

    def _resample(self, signals_mv: Floats32, rate_hz: int) -> Floats32:
        return preprocessing.resample(signals_mv, rate_hz, self.rate_hz, method=self.resampler)

    def _preprocess(self, signals_mv: Floats32, rate_hz: int) -> Floats32:
        return preprocessing.preprocess(
            signals_mv,
            rate_hz,
            self.rate_hz,
            method=self.resampler,
            normalise=self.normalisation,
            statistics=self.statistics,
        )

"""A finished run's networks, reloaded with everything that their answers depend on.

:func:`load_trained_run` is the only function that does so: explain, the explorer and summary
notebooks all use it, so none can forget a step of the run's own preprocessing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore import explanations, statistics, training
from ecgcore.arrays import Floats, Floats32
from ecgcore.data import Record
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.models import EcgModel
from ecgcore.runs.directory import damage, load_predictions, read_json
from ecgcore.runs.pipeline import NO_NOISE_DB, InputPipeline

_LEAST_FOR_TEMPERATURE = 20
"""Validation records; with fewer, a fitted temperature would be noise."""


@dataclass(frozen=True)
class TrainedRun:
    """The networks of a run directory and how their answers come about.

    Several networks are the folds of one cross-validation; their mean logit is the answer.
    """

    folder: Path
    params: dict[str, Any]
    provenance: dict[str, Any]
    results: dict[str, Any]
    networks: tuple[EcgModel, ...]
    pipeline: InputPipeline
    temperature: float | None
    """Fitted on the validation part; None if it has too few records for one."""
    usual: pd.DataFrame
    """:func:`usual_features` of the training records."""

    @property
    def rate_hz(self) -> int:
        """Sampling rate that the networks read."""
        return self.pipeline.rate_hz

    @property
    def duration_s(self) -> float:
        """Length of the records that the networks were trained on."""
        return self.networks[0].spec.n_samples / self.networks[0].spec.rate_hz

    @property
    def native_method(self) -> str:
        """``imn`` where the network explains itself, ``grad_cam`` elsewhere."""
        return explanations.native_method(self.networks[0])

    @property
    def training_summary(self) -> str:
        """A sentence: trained on what, how many records, which task, and which AUROC on what."""
        results = self.results
        kind = "simulated" if self.provenance["archive"].get("is_simulated") else "real"
        low, high = results["auroc_low"], results["auroc_high"]
        return (
            f"trained on {results['n_train']} {kind} records (task {self.params['task']}); AUROC "
            f"{results['auroc']:.2f} [{low:.2f}, {high:.2f}] on {results['n_test']} {kind} test "
            "records"
        )

    def logits(self, x: Floats32) -> Floats:
        """Return the mean positive logit of inputs ``(record, lead, sample)``."""
        logits = [explanations.positive_logits(network, x) for network in self.networks]
        return np.asarray(np.mean(logits, axis=0))

    def probability(self, logits: Floats) -> Floats:
        """Return calibrated probabilities of logits."""
        return statistics.positive_probability(logits / (self.temperature or 1.0))

    def attribution(self, x: Floats32, method: str | None = None) -> Floats32:
        """Return the mean attribution of the networks; by default by :attr:`native_method`.

        Where attributions add up to each network's logit, their mean adds up to the mean logit.
        """
        method = method or self.native_method
        maps = [explanations.attribute(network, x, method) for network in self.networks]
        return np.asarray(np.mean(maps, axis=0, dtype=np.float64), np.float32)

    def unlike_training(self, record: Record) -> list[str]:
        """Return what sets a record apart from the training records, as sentences."""
        sentences, noise_db = [], self.pipeline.muscle_snr_db
        if record.rate_hz < self.rate_hz:
            sentences.append(
                f"sampled at {record.rate_hz} Hz, below the {self.rate_hz} Hz of the network"
            )
        if noise_db < NO_NOISE_DB:
            sentences.append(f"the training records had added muscle noise ({noise_db:g} dB)")
        features = record_features(self.pipeline.record_signals(record)[None], self.rate_hz).iloc[0]
        z = (features - self.usual["mean"]) / self.usual["sd"]
        if float(np.sqrt((z**2).mean())) > self.usual["distance_99"].iloc[0]:
            name = str(z.abs().idxmax())
            usual, here = 10 ** self.usual["mean"][name], 10 ** features[name]
            sentences.append(
                f"unlike the training records, above all in its {name} ({here:.2g}; there "
                f"{usual:.2g} as a rule)"
            )
        return sentences


def record_features(signals_mv: Floats32, rate_hz: int) -> pd.DataFrame:
    """Return logarithms (base 10) of simple features that expose an unusual record.

    One row per record of ``signals_mv``, shape ``(record, lead, sample)``: for every lead its
    standard deviation; over all leads the largest offset, the share of flat samples and the share
    of power above 30 Hz.
    """
    x = np.nan_to_num(np.asarray(signals_mv, np.float64))
    centred = x - x.mean(axis=-1, keepdims=True)
    power = np.abs(np.fft.rfft(centred)) ** 2
    fast = power[..., np.fft.rfftfreq(x.shape[-1], 1 / rate_hz) > 30].sum(axis=(1, 2))
    sd_mv = np.maximum(centred.std(axis=-1), 1e-4)
    names = [f"standard deviation of lead {name} in mV" for name in LEADS]
    table = pd.DataFrame(sd_mv, columns=names)
    table["offset in mV"] = np.abs(x.mean(axis=-1)).max(axis=1) + 0.01
    table["share of flat samples"] = (np.diff(x, axis=-1) == 0).mean(axis=(1, 2)) + 0.01
    table["share of power above 30 Hz"] = fast / np.maximum(power.sum(axis=(1, 2)), 1e-12) + 1e-4
    return table.apply(np.log10)


def usual_features(signals_mv: Floats32, rate_hz: int) -> pd.DataFrame:
    """Return what a training run saves as ``usual.csv``: mean, SD and the 99 % distance."""
    features = record_features(signals_mv, rate_hz)
    mean, sd = features.mean(), features.std(ddof=0).clip(lower=0.05)
    distance = np.sqrt((((features - mean) / sd) ** 2).mean(axis=1))
    limit = max(float(np.quantile(distance, 0.99)), 2.0)
    table = pd.DataFrame({"mean": mean, "sd": sd, "distance_99": limit})
    return table.rename_axis("feature").reset_index()


def load_trained_run(folder: Path | str) -> TrainedRun:
    """Load the networks of a run directory with their input pipeline and calibration.

    :class:`EcgcoreError`: no finished run there, or one that trained no network.
    """
    folder = Path(folder)
    if damage(folder) or "archive" not in read_json(folder / "provenance.json"):
        raise EcgcoreError(
            f"{folder}: is not a finished run; make one, for example with "
            "python -m ecgcore run notebooks/imn_train.ipynb --out my_run."
        )
    files = sorted(folder.glob("weights*.safetensors"))
    if not files:
        raise EcgcoreError(
            f"{folder}: holds no weights; expected the run of a notebook that trains, such as "
            "imn_train or frequency_train."
        )
    valid = load_predictions(folder).query("part == 'valid'")
    temperature = None
    if len(valid) >= _LEAST_FOR_TEMPERATURE and valid["y_true"].nunique() == 2:
        temperature = statistics.fit_temperature(valid["y_true"], valid["logit"])
    return TrainedRun(
        folder,
        read_json(folder / "params.json"),
        read_json(folder / "provenance.json"),
        read_json(folder / "results.json"),
        tuple(training.load_model(file).eval() for file in files),
        InputPipeline.of_run(folder),
        temperature,
        pd.read_csv(folder / "usual.csv", index_col="feature"),
    )

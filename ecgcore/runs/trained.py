"""Reload a run's networks with all that their predictions depend on, and explain ECGs.

:func:`load_trained_run` is the only function that reloads networks: explain, the explorer and
summary notebooks all use it, so none can forget a step of the run's own preprocessing. Nothing here
is a diagnosis: a network trained on simulated records knows only the simulator.
"""

import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecgcore import explanations, files, plots, statistics, training
from ecgcore.arrays import Floats, Floats32
from ecgcore.data import Record, published_weights
from ecgcore.errors import EcgcoreError
from ecgcore.files import read_json
from ecgcore.leads import LEADS
from ecgcore.models import EcgModel
from ecgcore.runs.directory import damage, load_predictions
from ecgcore.runs.pipeline import InputPipeline

NOT_A_DEVICE = "Not a medical device: nothing here may be used to diagnose or treat anyone."


class TrainedRun(NamedTuple):
    """The networks of a run directory, and how their predictions are made.

    Several networks are the folds of one cross-validation; their mean logit is the prediction.
    """

    folder: Path
    params: dict[str, Any]
    provenance: dict[str, Any]
    results: dict[str, Any]
    networks: tuple[EcgModel, ...]
    pipeline: InputPipeline
    temperature: float | None
    """Fitted on the validation part; None for fewer than 20 records, which are too few."""

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
        """A phrase that states the training records, the task, and the AUROC on test records."""
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


def load_trained_run(folder: Path | str) -> TrainedRun:
    """Load the networks of a run directory with their input pipeline and calibration.

    Raises :class:`EcgcoreError` if there is no finished run, or if it trained no network.
    """
    folder = Path(folder)
    if damage(folder) or "archive" not in read_json(folder / "provenance.json"):
        raise EcgcoreError(
            f"{folder}: is not a finished run; make one, for example with "
            "python -m ecgcore run notebooks/imn_train.ipynb --out my_run."
        )
    files = sorted(folder.glob("weights*.safetensors"))
    if not files:
        raise EcgcoreError(f"{folder}: holds no weights; expected a run that trained a network.")
    valid = load_predictions(folder).query("part == 'valid'")
    temperature = None
    if len(valid) >= 20 and valid["y_true"].nunique() == 2:
        temperature = statistics.fit_temperature(valid["y_true"], valid["logit"])
    return TrainedRun(
        folder,
        read_json(folder / "params.json"),
        read_json(folder / "provenance.json"),
        read_json(folder / "results.json"),
        tuple(training.load_model(file).eval() for file in files),
        InputPipeline.of_run(folder),
        temperature,
    )


def published_logits(folder: Path | str, rate_hz: int, x: Floats32) -> Floats:
    """Return the mean positive logit ``(record,)`` of paper B's five networks of one rate.

    ``folder`` is what ``python -m ecgcore fetch sampling-matters`` filled; ``x`` are preprocessed
    records at ``rate_hz``, shape (record, lead, sample).
    """
    paths = published_weights(folder, rate_hz)
    networks = [training.load_published_cnn1d(path, rate_hz) for path in paths]
    logits = [statistics.positive_logit(training.predict_logits(net, x)) for net in networks]
    return np.asarray(np.mean(logits, axis=0))


class Explanation(NamedTuple):
    """A record, its prediction and the reasons; arrays are ``(lead, sample)`` at the run's rate."""

    record: str
    signals_mv: Floats32
    start_s: float
    logit: float
    probability: float
    method: str
    attribution: Floats32
    top: pd.DataFrame
    """The segments that weigh most; see :func:`ecgcore.explanations.top_segments`."""
    remarks: tuple[str, ...]
    """What to know about this record: how it was read, and whether its rate is too low."""
    run: TrainedRun

    def figure(self) -> Figure:
        """Return the record on ECG paper with the attribution on its traces."""
        words = (self.record, self.run.params["task"], self.run.params["model"], self.method)
        answer = f"{', '.join(words)}: probability {self.probability:.2f}"
        if self.start_s:
            answer += f" (from {self.start_s:g} s of the record on)"
        return plots.ecg_12_lead(
            self.signals_mv, self.run.rate_hz, attribution=self.attribution,
            title="\n".join([answer, self.run.training_summary, *self.remarks]),
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """Return all contents as plain numbers and words, including the attribution."""
        run = self.run
        shares = np.round(explanations.lead_shares(self.attribution), 6).tolist()
        names = ("record", "start_s", "probability", "logit", "method", "remarks")
        return {
            "caveat": NOT_A_DEVICE,
            **{name: getattr(self, name) for name in names},
            "rate_hz": run.rate_hz,
            "temperature": run.temperature,
            "run": {"training": run.training_summary, "params": run.params, **run.provenance},
            "lead_shares": dict(zip(LEADS, shares, strict=True)),
            "top_segments": json.loads(self.top.to_json(orient="records")),
            "leads": LEADS,
            "attribution": [[float(f"{v:.6g}") for v in lead] for lead in self.attribution],
        }

    def in_words(self) -> list[str]:
        """Return the prediction, its caveats and the segments that weigh most, one line each."""
        how = "calibrated on validation records" if self.run.temperature else "not calibrated"
        lines = [
            f"{self.record}: probability {self.probability:.3f} ({self.run.params['task']}, "
            f"{how}), logit {self.logit:+.3f}",
            f"  the network was {self.run.training_summary}",
            *(f"  note: {remark}" for remark in self.remarks),
        ]
        for row in self.top.to_dict("records"):
            word = "for" if row["sign"] > 0 else "against"
            when = f"{row['start_s']:6.2f} to {row['end_s']:.2f} s"
            lines.append(f"  {word:<8}{row['lead']:<4}{when}  {row['value']:+.4f}")
        return lines

    def save(self, folder: Path) -> tuple[Path, Path]:
        """Write ``explained.png`` and ``explained.json`` into ``folder``, which may be new."""
        folder.mkdir(parents=True, exist_ok=True)
        picture, numbers = folder / "explained.png", folder / "explained.json"
        with warnings.catch_warnings():  # a name in a script that the font lacks is shown as boxes
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            figure = self.figure()
            files.write_whole(picture, lambda part: figure.savefig(part, dpi=150, format="png"))
        files.write_whole(numbers, json.dumps(self.as_json()) + "\n")
        return picture, numbers


def explain_record(
    record: Record,
    run: TrainedRun,
    *,
    method: str | None = None,
    start_s: float = 0.0,
) -> Explanation:
    """Return the probability of the run's positive class for a record, and where it comes from.

    ``record`` (:func:`ecgcore.data.load_record`) is as long as those in training, at any rate that
    can be resampled; ``start_s`` is where it begins in the original. ``method`` is one of
    :data:`ecgcore.explanations.METHODS`, by default the network's own. Raises ``EcgcoreError`` for
    a record that is too short, or a method that the network does not offer.
    """
    n, n_here = round(run.duration_s * record.rate_hz), record.signals_mv.shape[1]
    if n_here < n - 1:
        raise EcgcoreError(
            f"{record.name}: holds {n_here / record.rate_hz:g} s from {start_s:g} s on; the "
            f"networks of {run.folder} need {run.duration_s:g} s."
        )
    signals_mv = np.pad(record.signals_mv[:, :n], ((0, 0), (0, max(0, n - n_here))), "edge")
    piece = Record(record.name, signals_mv, record.rate_hz, record.notes)
    remarks = record.notes
    if record.rate_hz < run.rate_hz:
        word = f"sampled at {record.rate_hz} Hz, below the {run.rate_hz} Hz of the network"
        remarks = (*remarks, word)
    method, x = method or run.native_method, run.pipeline.record_inputs(piece)
    logits, attribution = run.logits(x), run.attribution(x, method)[0]
    top = explanations.top_segments(attribution, run.rate_hz)
    return Explanation(
        record=record.name,
        signals_mv=run.pipeline.record_signals(piece),
        start_s=start_s,
        logit=float(logits[0]),
        probability=float(run.probability(logits)[0]),
        method=method,
        attribution=attribution,
        top=top.assign(start_s=top["start_s"] + start_s, end_s=top["end_s"] + start_s),
        remarks=remarks,
        run=run,
    )

"""One ECG of a user's own through the networks of a finished run, with the reasons drawn.

Nothing here is a diagnosis: a network trained on simulated records knows the simulator.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecgcore import explain, metrics, plots, segments, signals, study, train
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.models import EcgModel
from ecgcore.own import Record

NOT_A_DEVICE = "Not a medical device: nothing here may be used to diagnose or treat anyone."


@dataclass(frozen=True)
class TrainedRun:
    """The networks that a run directory holds, and what it says about them.

    Several networks are the folds of one cross-validation; their mean logit is the answer.
    """

    folder: Path
    params: dict[str, Any]
    provenance: dict[str, Any]
    networks: tuple[EcgModel, ...]

    @property
    def rate_hz(self) -> int:
        """Sampling rate that the networks read."""
        return round(self.networks[0].spec.rate_hz)

    @property
    def n_samples(self) -> int:
        """Samples of a record that the networks were trained on."""
        return self.networks[0].spec.n_samples

    @property
    def intrinsic_method(self) -> str:
        """``imn`` where the network explains itself, ``grad_cam`` elsewhere."""
        return "imn" if self.params.get("model", "").startswith("imn") else "grad_cam"

    def preprocess(self, signals_mv: NDArray[np.float32], rate_in_hz: int) -> NDArray[np.float32]:
        """What the networks read, ``(record, lead, sample)``, from mV of the same axes."""
        resampler = self.params.get("resampler", "fft")
        return signals.preprocess(signals_mv, rate_in_hz, self.rate_hz, method=resampler)


@dataclass(frozen=True)
class Explained:
    """A record, its answer and the reasons: arrays are ``(lead, sample)`` at the run's rate."""

    record: str
    signals_mv: NDArray[np.float32]
    rate_hz: int
    logit: float
    probability: float
    method: str
    attribution: NDArray[np.float32]
    top: pd.DataFrame
    """The segments that weigh most, as :func:`ecgcore.segments.top_segments` gives them."""
    run: TrainedRun

    def figure(self) -> Figure:
        """The record on ECG paper with the attribution on its traces."""
        task, model = self.run.params.get("task", ""), self.run.params.get("model", "")
        return plots.ecg_12_lead(
            self.signals_mv,
            self.rate_hz,
            attribution=self.attribution,
            title=f"{self.record}, {task}, {model}, {self.method}: "
            f"probability {self.probability:.2f}",
        )

    def as_json(self) -> dict[str, Any]:
        """All of it as plain numbers and words, attribution included."""
        archive = self.run.provenance.get("archive", {})
        shares = segments.lead_shares(self.attribution)
        return {
            "caveat": NOT_A_DEVICE,
            "record": self.record,
            "rate_hz": self.rate_hz,
            "probability": self.probability,
            "logit": self.logit,
            "method": self.method,
            "run": {
                "params": self.run.params,
                "git_commit": self.run.provenance.get("git_commit"),
                "trained_on_simulated": archive.get("is_simulated"),
                "trained_on": archive.get("name"),
            },
            "lead_shares": dict(zip(LEADS, np.round(shares, 6).tolist(), strict=True)),
            "top_segments": json.loads(self.top.to_json(orient="records")),
            "leads": list(LEADS),
            "attribution": [[float(f"{v:.6g}") for v in lead] for lead in self.attribution],
        }

    def in_words(self) -> list[str]:
        """The answer and the segments that weigh most, a line each."""
        task = self.run.params.get("task", "positive class")
        answer = f"probability {self.probability:.3f} ({task}), logit {self.logit:+.3f}"
        lines = [f"{self.record}: {answer}"]
        for row in self.top.to_dict("records"):
            word = "for" if row["sign"] > 0 else "against"
            when = f"{row['start_s']:6.2f} to {row['end_s']:.2f} s"
            lines.append(f"  {word:<8}{row['lead']:<4}{when}  {row['value']:+.4f}")
        return lines

    def save(self, folder: Path) -> tuple[Path, Path]:
        """Write ``explained.png`` and ``explained.json`` into ``folder``, made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        picture, numbers = folder / "explained.png", folder / "explained.json"
        self.figure().savefig(picture, dpi=150)
        numbers.write_text(json.dumps(self.as_json()) + "\n", encoding="utf-8")
        return picture, numbers


def open_run(folder: Path | str) -> TrainedRun:
    """Rebuild the networks of a run directory from its weights.

    Raises
    ------
    EcgcoreError
        No finished run there, or one that trained no network.
    """
    folder = Path(folder)
    if not study.is_whole(folder):
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
    params, facts = (
        json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("params.json", "provenance.json")
    )
    return TrainedRun(folder, params, facts, tuple(train.load_model(file) for file in files))


def explain_record(
    record: Record,
    run: TrainedRun,
    *,
    method: str | None = None,
    start_s: float = 0.0,
    window_s: float = 0.5,
    stride_s: float | None = None,
    k: int = 5,
) -> Explained:
    """Probability of the run's positive class for one record, and where it comes from.

    Parameters
    ----------
    record
        12 leads in PTB-XL's order, any rate that can be resampled to the run's.
    run
        Of several networks (folds) logits and attributions are averaged: an attribution that
        adds up to each network's logit then adds up to the mean logit.
    method
        A key of :data:`ecgcore.explain.METHODS`; the network's own explanation by default.
    start_s
        Where the part of the record begins that is read; it is as long as in training.
    window_s, stride_s, k
        See :func:`ecgcore.segments.top_segments`.

    Raises
    ------
    EcgcoreError
        The record is shorter than what the networks read; an unknown method, or one that the
        network does not offer.
    """
    method = method or run.intrinsic_method
    piece_mv = _piece(record, run, start_s)[None]
    x = run.preprocess(piece_mv, record.rate_hz)
    logit = float(np.mean([explain.positive_logits(network, x)[0] for network in run.networks]))
    reasons = [explain.attribute(network, x, method)[0] for network in run.networks]
    attribution = np.stack(reasons).mean(axis=0, dtype=np.float64).astype(np.float32)
    return Explained(
        record=record.name,
        signals_mv=signals.resample(signals.finite(piece_mv), record.rate_hz, run.rate_hz)[0],
        rate_hz=run.rate_hz,
        logit=logit,
        probability=float(metrics.positive_probability([logit])[0]),
        method=method,
        attribution=attribution,
        top=segments.top_segments(
            attribution, run.rate_hz, k=k, window_s=window_s, stride_s=stride_s
        ),
        run=run,
    )


def _piece(record: Record, run: TrainedRun, start_s: float) -> NDArray[np.float32]:
    """The part of a record that the networks can read, ``(lead, sample)`` at its own rate."""
    needed_s = run.n_samples / run.rate_hz
    first, n = round(start_s * record.rate_hz), round(needed_s * record.rate_hz)
    has_s = record.signals_mv.shape[1] / record.rate_hz
    if first < 0 or first + n > record.signals_mv.shape[1]:
        raise EcgcoreError(
            f"{record.name}: is {has_s:g} s long; from {start_s:g} s on, the networks of "
            f"{run.folder} need {needed_s:g} s."
        )
    return record.signals_mv[:, first : first + n]

"""A user's own ECG through the networks of a finished run, with the reasons shown.

Nothing here is a diagnosis: a network trained on simulated records knows the simulator.
"""

import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecgcore import explanations, files, plots
from ecgcore.arrays import Floats32
from ecgcore.data import Record
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.runs.trained import TrainedRun

NOT_A_DEVICE = "Not a medical device: nothing here may be used to diagnose or treat anyone."


@dataclass(frozen=True)
class Explanation:
    """A record, its answer and the reasons; arrays are ``(lead, sample)`` at the run's rate."""

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
    """What to know of this record: how it was read, and what sets it apart from training."""
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
        """Return all of it as plain numbers and words, attribution included."""
        run, archive = self.run, self.run.provenance["archive"]
        shares = np.round(explanations.lead_shares(self.attribution), 6).tolist()
        same = ("record", "start_s", "probability", "logit", "method", "remarks")
        return {
            "caveat": NOT_A_DEVICE,
            **{name: getattr(self, name) for name in same},
            "rate_hz": run.rate_hz,
            "temperature": run.temperature,
            "run": {
                "params": run.params,
                "git_commit": run.provenance["git_commit"],
                "training": run.training_summary,
                "trained_on_simulated": archive.get("is_simulated"),
                "trained_on": archive["name"],
                **{name: run.results[name] for name in ("n_train", "n_test", "auroc")},
            },
            "lead_shares": dict(zip(LEADS, shares, strict=True)),
            "top_segments": json.loads(self.top.to_json(orient="records")),
            "leads": LEADS,
            "attribution": [[float(f"{v:.6g}") for v in lead] for lead in self.attribution],
        }

    def in_words(self) -> list[str]:
        """Return the answer, its caveats and the segments that weigh most, one line each."""
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
        """Write ``explained.png`` and ``explained.json`` into ``folder``, made if need be."""
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
    window_s: float = 0.5,
    stride_s: float | None = None,
    k: int = 5,
) -> Explanation:
    """Return the probability of the run's positive class for a record, and where it comes from.

    ``record`` comes from :func:`ecgcore.data.load_record`, is as long as the records in training
    and has any rate that can be resampled to the run's; ``start_s`` is the time in the original at
    which it begins. ``method`` is a key of :data:`ecgcore.explanations.METHODS`, by default the
    network's own; for ``window_s``, ``stride_s`` and ``k`` see
    :func:`ecgcore.explanations.top_segments`. :class:`EcgcoreError`: the record is shorter than
    what the networks read, an option is not possible, or the network does not offer the method.
    """
    for name, value in (("window", window_s), ("stride", stride_s)):
        if value is not None and not 0 < value <= run.duration_s:
            raise EcgcoreError(
                f"--{name}: {value:g} s is not possible; expected more than 0 and at most "
                f"{run.duration_s:g} s, the length that the network reads."
            )
    n, n_here = round(run.duration_s * record.rate_hz), record.signals_mv.shape[1]
    if n_here < n - 1:
        raise EcgcoreError(
            f"{record.name}: holds {n_here / record.rate_hz:g} s from {start_s:g} s on; the "
            f"networks of {run.folder} need {run.duration_s:g} s."
        )
    signals_mv = np.pad(record.signals_mv[:, :n], ((0, 0), (0, max(0, n - n_here))), "edge")
    piece = Record(record.name, signals_mv, record.rate_hz, record.notes)
    method, x = method or run.native_method, run.pipeline.record_inputs(piece)
    logits, attribution = run.logits(x), run.attribution(x, method)[0]
    top = explanations.top_segments(
        attribution, run.rate_hz, k=k, window_s=window_s, stride_s=stride_s
    )
    return Explanation(
        record=record.name,
        signals_mv=run.pipeline.record_signals(piece),
        start_s=start_s,
        logit=float(logits[0]),
        probability=float(run.probability(logits)[0]),
        method=method,
        attribution=attribution,
        top=top.assign(start_s=top["start_s"] + start_s, end_s=top["end_s"] + start_s),
        remarks=(*record.notes, *run.unlike_training(piece)),
        run=run,
    )


def table(explanations: Iterable[Explanation]) -> pd.DataFrame:
    """Return one row per explained record: record, probability, logit and remarks."""
    rows = [(e.record, e.probability, e.logit, "; ".join(e.remarks)) for e in explanations]
    return pd.DataFrame(rows, columns=["record", "probability", "logit", "remarks"])

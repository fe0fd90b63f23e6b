"""Data of the book's ECG explorer: networks, records and attributions as scripts of a page.

A page that was opened from a folder may fetch nothing, but it may load scripts, so everything
becomes one.  Arrays travel as base64 of little-endian numbers.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgcore import explain, study
from ecgcore.errors import EcgcoreError
from ecgcore.explain_record import TrainedRun, explain_record, open_run
from ecgcore.leads import LEADS
from ecgcore.models import EcgModel
from ecgcore.own import Record
from ecgcore.signals import resample
from ecgcore.training.inference import for_inference
from ecgcore.wfdb16 import Store, open_store

NETWORKS = ("imn", "imn_categorical", "blackbox_cnn2d")
"""What ``network.js`` can compute."""

EVIDENCE_MV = 0.02
"""What a pathology added or took, from which on a sample counts as evidence."""


@dataclass(frozen=True)
class Options:
    """What is shown, and how much is computed for it."""

    n_records: int = 6
    methods: tuple[str, ...] = ("saliency", "integrated_gradients", "grad_cam", "occlusion")
    n_steps: int = 16
    window_s: float = 0.5
    seed: int = 0


def export(runs: Sequence[Path], store_path: Path, to: Path, options: Options) -> None:
    """Write ``weights.js``, a script a record, ``explorer.json`` and ``fallback.png``.

    Parameters
    ----------
    runs
        Run directories of study A that share task, rate and test records; the first one chooses
        the records and is drawn where no script runs.
    store_path
        The store that the runs read.
    to
        Folder for the files; made if need be.

    Raises
    ------
    EcgcoreError
        A run whose network the page cannot compute, or runs that do not belong together.
    """
    trained = [open_run(run) for run in runs]
    _check(trained)
    store, first = open_store(store_path), trained[0]
    chosen = choose_records(study.load_predictions(first.folder), options.n_records)
    to.mkdir(parents=True, exist_ok=True)
    described = [
        {"name": run.params["model"], **network_description(run.networks[0])} for run in trained
    ]
    _script(to / "weights.js", "networks", described)
    listed = []
    for row in chosen.to_dict("records"):
        ecg_id = int(row["ecg_id"])
        record = describe_record(store, ecg_id, trained, options)
        _script(to / f"record_{ecg_id}.js", f"record_{ecg_id}", record)
        listed.append({"ecg_id": ecg_id, "label": int(row["y_true"]), "why": row["why"]})
    _picture(store, listed[0]["ecg_id"], first).savefig(to / "fallback.png", dpi=110)
    facts = {
        "task": first.params["task"],
        "rate_hz": first.rate_hz,
        "n_samples": first.n_samples,
        "simulated": store.is_simulated,
        "leads": list(LEADS),
        "records": listed,
        "models": [run.params["model"] for run in trained],
        "methods": list(options.methods),
        "runs": [run.folder.name for run in trained],
        "window_s": options.window_s,
    }
    (to / "explorer.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")


def _check(runs: Sequence[TrainedRun]) -> None:
    for run in runs:
        name = run.networks[0].spec.name
        if name not in NETWORKS:
            raise EcgcoreError(
                f"{run.folder}: the explorer computes {', '.join(NETWORKS)}, not {name}."
            )
        for key in ("task", "rate_hz"):
            if run.params[key] != runs[0].params[key]:
                raise EcgcoreError(
                    f"{run.folder}: has {key} {run.params[key]}, but {runs[0].folder} has "
                    f"{runs[0].params[key]}; the explorer shows one {key} at a time."
                )


def network_description(model: EcgModel) -> dict[str, Any]:
    """Weights for ``network.js``: batch norms folded away, of two outputs their difference.

    Returns
    -------
    dict
        ``leads``, ``writes_weights`` (an IMN), ``tensors`` (names and shapes in order) and
        ``weights`` (base64, float32).
    """
    ready: Any = for_inference(model)
    is_imn = hasattr(ready, "transition")
    parts = {"encoder": ready.encoder, **({"writer": ready.transition} if is_imn else {})}
    tensors = {
        f"{part}_{depth}_{kind}": getattr(conv, kind)
        for part, block in parts.items()
        for depth, conv in enumerate(m for m in block.layers if isinstance(m, nn.Conv2d))
        for kind in ("weight", "bias")
    }
    head = ready.bias_head if is_imn else ready.classifier
    tensors |= {"head_weight": head.weight, "head_bias": head.bias}
    for name in ("writer_2_weight", "writer_2_bias", "head_weight", "head_bias"):
        if name in tensors:
            tensors[name] = _positive(tensors[name])
    blob = np.concatenate([t.detach().numpy().ravel() for t in tensors.values()])
    return {
        "leads": model.n_leads,
        "writes_weights": is_imn,
        "tensors": [[name, list(tensor.shape)] for name, tensor in tensors.items()],
        "weights": _base64(blob, "<f4"),
    }


def _positive(tensor: Tensor) -> Tensor:
    """Of (negative, positive) the difference, which gives the log odds; one output as it is."""
    return tensor[1:] - tensor[:1] if len(tensor) == 2 else tensor


def choose_records(predictions: pd.DataFrame, n: int) -> pd.DataFrame:
    """At most ``n`` test records worth a look, each with the reason (column ``why``).

    Sure hits, misses and false alarms first, then the least sure ones.
    """
    by_logit = predictions.query("part == 'test'").sort_values("ranking", ascending=False)
    positive, negative = by_logit.query("y_true == 1"), by_logit.query("y_true == 0")
    unsure = by_logit.loc[(by_logit.score - 0.5).abs().sort_values(kind="stable").index]
    wanted = [
        (positive.head(1), "surest positive"),
        (negative.tail(1), "surest negative"),
        (positive.tail(1), "positive with the lowest score"),
        (negative.head(1), "negative with the highest score"),
        (unsure, "near even odds"),
    ]
    rows = pd.concat([part.assign(why=why) for part, why in wanted])
    return rows.drop_duplicates("ecg_id").head(n)


def describe_record(
    store: Store, ecg_id: int, runs: Sequence[TrainedRun], options: Options
) -> dict[str, Any]:
    """One record for the page: mV, what the networks read, evidence, answers, attributions."""
    rate_hz, source_hz = runs[0].rate_hz, _source_rate(store, runs[0])
    raw_mv = store.signals(source_hz, [ecg_id])
    x = runs[0].preprocess(raw_mv, source_hz)
    answers = {}
    for run in runs:
        network, model = run.networks[0], run.params["model"]
        maps = {
            method: explain.attribute(
                network, x, method, n_steps=options.n_steps, window_s=options.window_s,
                seed=options.seed,
            )[0]
            for method in options.methods
        }  # fmt: skip
        logit = float(explain.positive_logits(network, x)[0])
        answers[model] = {
            "logit": logit,
            "maps": {method: _base64(m, "<f4") for method, m in maps.items()},
        }
    row = store.table.loc[ecg_id]
    described = {
        "ecg_id": ecg_id,
        "statements": ", ".join(row["scp_codes"]),
        "signals_uv": _base64(1000 * resample(raw_mv, source_hz, rate_hz)[0], "<i2"),
        "x": _base64(x[0], "<f4"),
        "answers": answers,
    }
    if store.is_simulated:
        evidence_mv = resample(store.evidence(source_hz, [ecg_id]), source_hz, rate_hz)[0]
        described["evidence"] = _base64(np.abs(evidence_mv) > EVIDENCE_MV, "u1")
    return described


def _picture(store: Store, ecg_id: int, run: TrainedRun) -> Figure:
    """A record with the network's own reasons, for print and for readers without scripts."""
    source_hz = _source_rate(store, run)
    record = Record(f"record {ecg_id}", store.signals(source_hz, [ecg_id])[0], source_hz)
    return explain_record(record, run).figure()


def _source_rate(store: Store, run: TrainedRun) -> int:
    """The rate that the run itself took from the store."""
    return run.rate_hz if run.rate_hz in store.rates_hz else max(store.rates_hz)


def _base64(array: NDArray[Any], kind: str) -> str:
    whole = np.rint(array) if kind == "<i2" else array
    return base64.b64encode(np.ascontiguousarray(whole, dtype=kind).tobytes()).decode()


def _script(path: Path, name: str, value: Any) -> None:
    text = f"(window.ecgcore ??= {{}}).{name} = {json.dumps(value, separators=(',', ':'))};\n"
    path.write_text(text, encoding="utf-8")

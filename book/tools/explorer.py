"""Export the ECG explorer's data: networks, records and attributions as scripts of a page.

A page that is opened from a folder cannot fetch data but can load scripts, so all data are written
as scripts. Arrays are stored as base64 of little-endian numbers.
"""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from ecgcore import explanations
from ecgcore.data import Record, Store, open_store
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.models import EcgModel
from ecgcore.runs.directory import load_predictions
from ecgcore.runs.trained import TrainedRun, explain_record, load_trained_run
from ecgcore.training.prediction import for_inference

NETWORKS = ("imn", "imn_categorical", "blackbox_cnn2d")
"""Networks that ``network.js`` can compute."""

METHODS = ("saliency", "integrated_gradients", "grad_cam", "occlusion")


def export(
    folders: Sequence[Path], store_path: Path, to: Path, n_records: int, **effort: Any
) -> list[Path]:
    """Write ``weights.js``, a script per record, ``explorer.json`` and ``fallback.png``.

    ``folders`` are run directories of study A that share task, rate, test records and the store;
    the first one determines the records and is shown where scripts are not allowed.  ``effort`` is
    ``n_steps`` and ``window_s`` of the attribution methods.  Raises :class:`EcgcoreError` for a
    network that the page cannot compute, and for runs that differ in task or rate.
    """
    trained = [load_trained_run(folder) for folder in folders]
    for run in trained:
        if run.networks[0].spec.name not in NETWORKS:
            raise EcgcoreError(f"{run.folder}: the explorer supports only {', '.join(NETWORKS)}.")
    if len({(run.params["task"], run.rate_hz) for run in trained}) > 1:
        raise EcgcoreError("the explorer shows one task at one rate: name runs that share both.")
    store, first = open_store(store_path), trained[0]
    chosen = choose_records(load_predictions(first.folder), n_records)
    records = chosen.to_dict("records")
    to.mkdir(parents=True, exist_ok=True)
    weights = [{"name": r.params["model"], **describe_network(r.networks[0])} for r in trained]
    _write_script(to / "weights.js", "networks", weights)
    for row in records:
        name = f"record_{row['ecg_id']}"
        described = describe_record(store, row["ecg_id"], row["label"], trained, **effort)
        _write_script(to / f"{name}.js", name, described)
    ecg_id, rate_hz = records[0]["ecg_id"], max(store.rates_hz)
    record = Record(f"record {ecg_id}", store.signals(rate_hz, [ecg_id])[0], rate_hz, ())
    picture = explain_record(record, first).figure()  # for print and readers without scripts
    picture.savefig(to / "fallback.png", dpi=110)
    facts = {
        "task": first.params["task"],
        "rate_hz": first.rate_hz,
        "n_samples": round(first.rate_hz * first.duration_s),
        "simulated": store.is_simulated,
        "leads": list(LEADS),
        "records": records,
        "models": [run.params["model"] for run in trained],
        "temperatures": [run.temperature or 1.0 for run in trained],
        "training": [run.training_summary for run in trained],
        "methods": list(METHODS),
        "runs": [run.folder.name for run in trained],
        "window_s": effort["window_s"],
    }
    (to / "explorer.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
    return [to]


def describe_network(model: EcgModel) -> dict[str, Any]:
    """Return weights for ``network.js``: batch norms folded in, two outputs as a difference.

    Keys: ``leads``, ``writes_weights`` (an IMN), ``tensors`` (names and shapes in order) and
    ``weights`` (base64, float32).
    """
    ready: Any = for_inference(model)
    parts = {"encoder": ready.encoder}
    if model.writes_weights:
        parts["writer"] = ready.transition
    tensors = {
        f"{part}_{depth}_{kind}": getattr(conv, kind)
        for part, block in parts.items()
        for depth, conv in enumerate(m for m in block.layers if isinstance(m, nn.Conv2d))
        for kind in ("weight", "bias")
    }
    head = ready.bias_head if model.writes_weights else ready.classifier
    tensors |= {"head_weight": head.weight, "head_bias": head.bias}
    for name in ("writer_2_weight", "writer_2_bias", "head_weight", "head_bias"):
        if len(tensors.get(name, ())) == 2:
            tensors[name] = tensors[name][1:] - tensors[name][:1]
    flat = np.concatenate([tensor.detach().numpy().ravel() for tensor in tensors.values()])
    return {
        "leads": model.n_leads,
        "writes_weights": model.writes_weights,
        "tensors": [[name, list(tensor.shape)] for name, tensor in tensors.items()],
        "weights": as_base64(flat, "<f4"),
    }


def choose_records(predictions: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return at most ``n`` test records to look at: ``ecg_id``, ``label`` and ``why``.

    Confident hits, misses and false alarms come first, then the least certain records.
    """
    by_logit = predictions.query("part == 'test'").sort_values("ranking", ascending=False)
    positive, negative = by_logit.query("y_true == 1"), by_logit.query("y_true == 0")
    unsure = by_logit.loc[(by_logit.score - 0.5).abs().sort_values(kind="stable").index]
    groups = [
        (positive.head(1), "positive with the highest score"),
        (negative.tail(1), "negative with the lowest score"),
        (positive.tail(1), "positive with the lowest score"),
        (negative.head(1), "negative with the highest score"),
        (unsure, "score near one half"),
    ]
    rows = pd.concat([part.assign(why=why) for part, why in groups])
    rows = rows.drop_duplicates("ecg_id").head(n).rename(columns={"y_true": "label"})
    return rows[["ecg_id", "label", "why"]]


def describe_record(
    store: Store, ecg_id: int, label: int, trained: Sequence[TrainedRun], **effort: Any
) -> dict[str, Any]:
    """Return a record for the page: signals, network input, evidence, logits and maps."""
    pipeline = trained[0].pipeline
    x = pipeline.inputs(store, [ecg_id], [label])
    described: dict[str, Any] = {
        "ecg_id": ecg_id,
        "statements": ", ".join(map(str, store.table["scp_codes"].loc[ecg_id])),
        "signals_uv": as_base64(1000 * pipeline.signals(store, [ecg_id], [label])[0], "<i2"),
        "x": as_base64(x[0], "<f4"),
        "answers": {},
    }
    for run in trained:
        network = run.networks[0]
        maps = {m: explanations.attribute(network, x, m, **effort)[0] for m in METHODS}
        described["answers"][run.params["model"]] = {
            "logit": float(explanations.positive_logits(network, x)[0]),
            "maps": {method: as_base64(values, "<f4") for method, values in maps.items()},
        }
    if store.is_simulated:
        described["evidence"] = as_base64(pipeline.evidence(store, [ecg_id])[0], "u1")
    return described


def as_base64(array: NDArray[Any], kind: str) -> str:
    """Return an array's bytes in a little-endian type such as ``<f4``; integers are rounded."""
    whole = np.rint(array) if kind == "<i2" else array
    return base64.b64encode(np.ascontiguousarray(whole, dtype=kind).tobytes()).decode()


def _write_script(path: Path, name: str, value: Any) -> None:
    text = f"(window.ecgcore ??= {{}}).{name} = {json.dumps(value, separators=(',', ':'))};\n"
    path.write_text(text, encoding="utf-8")

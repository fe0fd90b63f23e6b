"""Runs of one grid told apart: the design as published, and what an ablation changed in it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

PUBLISHED: dict[str, Any] = {
    "bias": "default",
    "logit_scale": "default",
    "head": "default",
    "receptive_field_ms": 0.0,
    "lead_mixing": "default",
    "normalisation": "record_lead",
    "weight_l1": -1.0,
    "local_fidelity": -1.0,
    "labels": "as_given",
    "shortcut": False,
}
"""Parameters of ``imn_train`` that an ablation changes, with the values that change nothing."""

AS_PUBLISHED = "as published"

PENALTIES = ("weight_l1", "local_fidelity")
"""Parts of the loss, where -1 leaves what belongs to the model."""

MODEL_OPTIONS = ("bias", "logit_scale", "lead_mixing")
"""Options of the model under their own names, where ``default`` leaves the model's own."""


def variant(params: Mapping[str, Any]) -> str:
    """What a run's parameters change, in words: ``bias none, weight_l1 1``; or *as published*."""
    changed = []
    for name, usual in PUBLISHED.items():
        value = params.get(name, usual)
        if value != usual:
            changed.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
    words = ", ".join(changed).replace("labels shuffled", "shuffled labels")
    return words.replace("shortcut True", "planted shortcut") or AS_PUBLISHED


def with_variant(runs: pd.DataFrame) -> pd.DataFrame:
    """A table of runs, parameters as columns, with the column ``variant``."""
    if runs.empty:
        return runs.assign(variant=[])
    known = [name for name in PUBLISHED if name in runs]
    found = runs[known].drop_duplicates()
    words = {tuple(row): variant(dict(zip(known, row, strict=True))) for row in found.to_numpy()}
    return runs.assign(variant=[words[tuple(row)] for row in runs[known].to_numpy()])


def model_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's parameters ask of :func:`ecgcore.models.build` beyond the model's own."""
    options = {
        name: params[name] for name in MODEL_OPTIONS if params.get(name, "default") != "default"
    }
    if params.get("head", "default") != "default":
        options["zero_head"] = params["head"] == "zero"
    if params.get("receptive_field_ms"):
        options["receptive_field_ms"] = params["receptive_field_ms"]
    return options


def penalties(params: Mapping[str, Any]) -> dict[str, float]:
    """What a run's parameters ask of the loss in the place of the model's own penalties."""
    return {name: params[name] for name in PENALTIES if params.get(name, -1.0) >= 0}

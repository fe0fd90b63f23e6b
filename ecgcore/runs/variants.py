"""What a run of ``imn_train`` changes in the published design."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

PUBLISHED_DESIGN: dict[str, Any] = {
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


def variant(params: Mapping[str, Any]) -> str:
    """Return what a run changes, in words such as ``bias none, weight_l1 1``, or AS_PUBLISHED."""
    values = {name: params.get(name, usual) for name, usual in PUBLISHED_DESIGN.items()}
    words = ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
        if value != PUBLISHED_DESIGN[name]
    )
    words = words.replace("labels shuffled", "shuffled labels")
    return words.replace("shortcut True", "planted shortcut") or AS_PUBLISHED


def with_variant(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a table of runs, parameters as columns, with the column ``variant`` added."""
    if runs.empty:
        return runs.assign(variant=[])
    names = [name for name in PUBLISHED_DESIGN if name in runs]
    rows = runs[names].to_dict("records")
    return runs.assign(variant=[variant({str(k): v for k, v in row.items()}) for row in rows])


def model_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of :func:`ecgcore.models.build` that a run's parameters ask for."""
    names = [
        n for n in ("bias", "logit_scale", "lead_mixing") if params.get(n, "default") != "default"
    ]
    if params.get("receptive_field_ms"):
        names += [name for name in ("receptive_field_ms", "widen") if name in params]
    head = params.get("head", "default")
    zero_head = {} if head == "default" else {"zero_head": head == "zero"}
    return {name: params[name] for name in names} | zero_head


def penalties(params: Mapping[str, Any]) -> dict[str, float]:
    """Return the penalties that a run's parameters set in place of the model's own."""
    names = ("weight_l1", "local_fidelity")
    return {name: params[name] for name in names if params.get(name, -1.0) >= 0}

"""What a tier costs before anything starts: runs, minutes, memory and disk by device.

    python workflow/cost.py TIER

``benchmarks/rehearsal.py`` measured each kind of run once, with all records in memory but few
steps; everything else here is arithmetic on its table, ``results/rehearsal.csv``.
"""

from pathlib import Path

import yaml
from plan import Job, Plan

TIERS = Path(__file__).with_name("tiers")

SAME_COST = ("seed", "labels", "bias", "logit_scale", "head", "weight_l1")
"""Parameters that change neither memory nor the number of operations, or hardly."""
WIDEST_MS = {"imn_train": 3000, "frequency_train": 2000}
"""The widest receptive field stands for the others: its taps lie furthest apart."""


def stand_in(job: Job) -> tuple[str, dict[str, object]]:
    """Return name and parameters of the run that was rehearsed for this one."""
    params = {key: value for key, value in job.params.items() if key not in SAME_COST}
    model = params.setdefault("model", "imn" if job.notebook == "imn_train" else "cnn1d")
    if job.notebook == "imn_train":
        first = {"task": "norm_vs_mi", "protocol": "as_published"}
    else:
        first = {"task": "af_vs_rest" if job.group == "frequency_train" else "af_vs_norm"}
    params = {**params, **first}
    if params.get("receptive_field_ms") and job.params.get("widen") != "kernel":
        params["receptive_field_ms"] = WIDEST_MS[job.notebook]
    for name, usual_value in (("normalisation", "none"), ("widen", "dilation")):
        if params.get(name) == usual_value:
            del params[name]
    if params.get("resampler") == "decimate":
        params["resampler"] = "polyphase"
    if "muscle_snr_db" in params:
        params["muscle_snr_db"] = 0
    if "content_hz" in params:
        params["content_hz"] = 31
    if "local_fidelity" in params:
        params["local_fidelity"] = 1
    if params.get("shortcut"):
        params["model"] = model = "imn"
    usual = "model rate_hz task protocol epochs batch_size folds explained_records deletion_records"
    words = [
        f"{key}={'+'.join(value) if isinstance(value, list) else value}"
        for key, value in params.items()
        if key not in usual.split() and not (key == "methods" and len(value) > 1)
    ]
    return " ".join([job.notebook, str(model), f"{job.rate_hz} Hz", *words]), params


class DryPlan(Plan):
    """A plan that needs no archive yet."""

    def _archives(self) -> list[str]:
        return ["given"]


def dry_plan(tier: str) -> Plan:
    """Return the plan of a tier, whether or not its records are there."""
    return DryPlan(yaml.safe_load((TIERS / f"{tier}.yaml").read_text(encoding="utf-8")))


def kinds(plan: Plan) -> dict[str, dict[str, object]]:
    """Return the parameters of each kind of run by its name, the plainest kinds first."""
    pairs = (stand_in(job) for job in plan.runs.values())
    return dict(sorted(pairs, key=lambda pair: len(pair[0].split())))

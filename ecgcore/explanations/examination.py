"""One trained network's explanations, scored together with the controls that must lose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.arrays import Bools, Floats32
from ecgcore.explanations import deletion
from ecgcore.explanations.attribute import COSTLY, attribute
from ecgcore.explanations.controls import control_maps, untrained_map
from ecgcore.explanations.deletion import Units
from ecgcore.explanations.forward import decompose, native_method, positive_logits
from ecgcore.explanations.localisation import localisation
from ecgcore.explanations.stability import gini, gradient_agreement, max_sensitivity
from ecgcore.models import EcgModel

Maps = dict[str, Floats32]


@dataclass(frozen=True)
class Effort:
    """How much computing to spend."""

    n_rerun: int = 30  # first records on which deletion, COSTLY methods and max-sensitivity run
    n_attainable: int = 8  # the first of these, for the attainable: one run per unit
    n_runs: int = 500  # runs per record for KernelSHAP and LIME; more than there are units
    shap_window_s: float = 0.5  # their unit [s]
    n_steps: int = 16  # steps of integrated gradients, draws of GradientSHAP
    window_s: float = 0.2  # unit of deletion and occlusion [s]
    n_draws: int = 20  # random sets of units whose falls must be predicted


@dataclass(frozen=True)
class Examination:
    """Result of :func:`examine`."""

    records: pd.DataFrame
    """``method, control, record`` and one column per metric, nan where not computed."""
    curves: pd.DataFrame
    """Mean deletion curves ``method, fill, fraction, morf, lerf``."""
    cost: pd.DataFrame
    """Seconds per record and method, of the clock and of the processor."""


def examine(
    model: EcgModel,
    x: Floats32,
    methods: Sequence[str],
    *,
    rate_hz: float,
    seed: int,
    effort: Effort | None = None,
    masks: Mapping[str, Bools] | None = None,
    donor: Floats32 | None = None,
    logit_sd: float = 1.0,
) -> Examination:
    """Score ``methods`` and the controls on a trained model and records ``x`` as it reads them.

    ``methods`` are of :data:`ecgcore.explanations.METHODS`; ``imn`` is left out for a model without
    W.  ``masks`` are known places of the shape of ``x``, by layer; metrics of ``evidence`` have
    plain names, those of another layer its name in front.  ``donor`` holds signals for a second
    fill, shape of ``x``; ``logit_sd`` is the unit of falls of the logit, its standard deviation
    over test records.  ``attainable_bridge`` is LeRF minus MoRF of the best single-unit order;
    ``deletion_share_bridge``, LeRF minus MoRF divided by the network's mean of it, is the only
    deletion score to compare across networks.
    """
    effort = effort or Effort()
    maps, cost = _method_maps(model, x, methods, effort, rate_hz, seed)
    controls, linear = _controls(model, x, seed)
    n = min(effort.n_rerun, len(x))
    units = [Units(lambda s: positive_logits(model, s) / logit_sd, x[:n], rate_hz, effort.window_s)]
    if donor is not None:
        units.append(replace(units[0], fill="donor", donor=donor[:n]))
    random_falls = deletion.random_falls(units[0], n_draws=effort.n_draws, seed=seed)
    frames, curves = {}, []
    for name, values in {**maps, **controls}.items():
        parts = [pd.DataFrame(index=range(len(values)))]
        for layer, mask in (masks or {}).items():
            scores = localisation(values, mask[: len(values)])
            parts.append(scores.add_prefix("" if layer == "evidence" else f"{layer}_"))
        for cut in units:
            curve = deletion.deletion_curves(cut, values[:n])
            parts.append(deletion.deletion_scores(curve).add_suffix(f"_{cut.fill}"))
            mean = curve._replace(morf=curve.morf.mean(0), lerf=curve.lerf.mean(0))
            curves.append(pd.DataFrame(mean._asdict()).assign(method=name, fill=cut.fill))
        parts.append(deletion.predicted_falls(units[0], values[:n], *random_falls))
        if name in maps and name not in COSTLY:
            worst = max_sensitivity(model, x[:n], name, n_draws=3, seed=seed)
            parts.append(pd.DataFrame({"max_sensitivity": worst}))
        if name == "imn":
            parts.append(linear)
        frames[name] = pd.concat(parts, axis=1)
    records = pd.concat(frames, names=["method", "record"]).reset_index()
    records.insert(1, "control", records["method"].isin(list(controls)))
    few = replace(units[0], x=x[: min(n, effort.n_attainable)])
    if len(few.x):  # an occlusion over the same units already holds the falls of single units
        falls = [maps["occlusion"][: len(few.x), :, :: few.size]] if "occlusion" in maps else []
        best = deletion.attainable(few, *falls)
        records["attainable_bridge"] = records["record"].map(pd.Series(best))
        share = records["lerf_minus_morf_bridge"] / (best.mean() if best.mean() > 0 else np.nan)
        records["deletion_share_bridge"] = share.where(records["record"] < len(best))
    return Examination(records, pd.concat(curves, ignore_index=True), cost)


def _method_maps(
    model: EcgModel, x: Floats32, methods: Sequence[str], effort: Effort, rate_hz: float, seed: int
) -> tuple[Maps, pd.DataFrame]:
    """The map of each method, and one row per method of what it cost."""
    maps, rows = {}, []
    for name in methods:
        if name == "imn" and native_method(model) != "imn":
            continue
        subject = x[: effort.n_rerun] if name in COSTLY else x
        how: dict[str, Any] = {"n_steps": effort.n_steps, "window_s": effort.window_s}
        if name in ("kernel_shap", "lime"):
            how = {"n_steps": effort.n_runs, "window_s": effort.shap_window_s}
        start = np.array([perf_counter(), process_time()])
        maps[name] = attribute(model, subject, name, rate_hz=rate_hz, seed=seed, **how)
        seconds = np.array([perf_counter(), process_time()]) - start
        rows.append((name, *seconds / len(subject), len(subject)))
    columns = ["method", "seconds_per_record", "cpu_s_per_record", "n"]
    return maps, pd.DataFrame(rows, columns=columns)


def _controls(model: EcgModel, x: Floats32, seed: int) -> tuple[Maps, pd.DataFrame]:
    """Control maps, and of an IMN what its linear models are like, one row per record."""
    gradient = attribute(model, x, "saliency")
    untrained = {"untrained": untrained_map(model, x, seed=seed + 1)}
    if native_method(model) != "imn":
        return {**control_maps(x, seed=seed, weights=gradient), **untrained}, pd.DataFrame()
    parts = decompose(model, x)
    linear = gradient_agreement(parts.weights, gradient)
    linear = linear.assign(gini=gini(parts.contribution), bias_share=parts.bias_share)
    maps = control_maps(x, seed=seed, weights=parts.weights, bias=parts.bias)
    return {**maps, **untrained}, linear

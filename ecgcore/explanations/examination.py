"""One trained network's explanations, scored together with the controls that must lose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.arrays import Bools, Floats32
from ecgcore.explanations.attribute import COSTLY, attribute
from ecgcore.explanations.controls import control_maps, untrained_map
from ecgcore.explanations.deletion import (
    Units,
    attainable,
    deletion_curves,
    deletion_scores,
    predicted_falls,
    random_falls,
)
from ecgcore.explanations.forward import decompose, native_method, positive_logits
from ecgcore.explanations.localisation import localisation
from ecgcore.explanations.stability import gini, gradient_agreement, max_sensitivity
from ecgcore.models import EcgModel

Maps = dict[str, Floats32]


@dataclass(frozen=True)
class Effort:
    """How much computing to spend.

    The network is run again and again on the first ``n_rerun`` records: for deletion, for the
    methods in :data:`~ecgcore.explanations.attribute.COSTLY`, and for max-sensitivity; and on the
    first ``n_attainable`` of those for the share of the attainable, which takes one run per unit.
    KernelSHAP and LIME take ``n_runs`` runs per record over units of ``shap_window_s`` [s], fewer
    than there are runs; ``n_steps`` are steps of integrated gradients and draws of GradientSHAP;
    ``window_s`` is the unit of deletion and occlusion [s]; ``n_draws`` counts the random sets of
    units whose falls must be predicted.
    """

    n_rerun: int = 30
    n_runs: int = 500
    n_attainable: int = 8
    n_steps: int = 16
    window_s: float = 0.2
    shap_window_s: float = 0.5
    n_draws: int = 20


@dataclass(frozen=True)
class Examination:
    """Result of :func:`examine`.

    ``records``: ``method, control, record`` and one column per metric, nan where not computed.
    ``curves``: mean deletion curves ``method, fill, fraction, morf, lerf``.  ``cost``: seconds per
    record and method, of the clock and of the processor.
    """

    records: pd.DataFrame
    curves: pd.DataFrame
    cost: pd.DataFrame


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
    W.  ``masks`` are known places of the shape of ``x``, by layer: ``evidence``, ``evidence_st``,
    ``evidence_t``, ``evidence_q``, ``shortcut``.  Metrics of ``evidence`` have plain names, those
    of another layer its name in front; without masks nothing is said about place.  ``donor`` holds
    signals for a second fill, shape of ``x``; ``logit_sd`` is the unit of falls of the logit, its
    standard deviation over test records.

    Metrics over all records include ``attainable_bridge``, LeRF minus MoRF of the best single-unit
    order, and ``deletion_share_bridge``, LeRF minus MoRF divided by the network's mean of it: the
    only deletion score to compare across networks.
    """
    effort = effort or Effort()
    maps, cost = _method_maps(model, x, methods, effort, rate_hz, seed)
    controls, linear = _controls(model, x, seed)
    n = min(effort.n_rerun, len(x))
    units = [Units(lambda s: positive_logits(model, s) / logit_sd, x[:n], rate_hz, effort.window_s)]
    if donor is not None:
        units.append(replace(units[0], fill="donor", donor=donor[:n]))
    falls = random_falls(units[0], n_draws=effort.n_draws, seed=seed)
    frames, curves = {}, []
    for name, values in {**maps, **controls}.items():
        parts = [pd.DataFrame(index=range(len(values)))]
        for layer, mask in (masks or {}).items():
            scores = localisation(values, mask[: len(values)])
            parts.append(scores.add_prefix("" if layer == "evidence" else f"{layer}_"))
        for cut in units:
            curve = deletion_curves(cut, values[:n])
            parts.append(deletion_scores(curve).add_suffix(f"_{cut.fill}"))
            means = {"morf": curve.morf.mean(0), "lerf": curve.lerf.mean(0)}
            table = pd.DataFrame({"fraction": curve.fraction, **means})
            curves.append(table.assign(method=name, fill=cut.fill))
        parts.append(predicted_falls(units[0], values[:n], *falls))
        if name in maps and name not in COSTLY:
            worst = max_sensitivity(model, x[:n], name, n_draws=3, seed=seed)
            parts.append(pd.DataFrame({"max_sensitivity": worst}))
        if name == "imn":
            parts.append(linear)
        frames[name] = pd.concat(parts, axis=1)
    records = pd.concat(frames, names=["method", "record"]).reset_index()
    records.insert(1, "control", records["method"].isin(list(controls)))
    few = replace(units[0], x=x[: min(n, effort.n_attainable)])
    if len(few.x):
        _add_attainable(records, few, maps.get("occlusion"))
    return Examination(records, pd.concat(curves, ignore_index=True), cost)


def _add_attainable(records: pd.DataFrame, units: Units, occlusion: Floats32 | None) -> None:
    """Two columns; an occlusion over the same units already holds the falls of single units."""
    falls = None if occlusion is None else occlusion[: len(units.x), :, :: units.size]
    best = attainable(units, falls)
    scale = best.mean() if best.mean() > 0 else np.nan
    records["attainable_bridge"] = records["record"].map(pd.Series(best))
    share = records["lerf_minus_morf_bridge"] / scale
    records["deletion_share_bridge"] = share.where(records["record"] < len(best))


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
    return maps, pd.DataFrame(
        rows, columns=["method", "seconds_per_record", "cpu_s_per_record", "n"]
    )


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

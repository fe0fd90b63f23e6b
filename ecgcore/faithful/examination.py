"""One trained network's explanations, put to the test: what a run leaves for later pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from time import perf_counter, process_time

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from ecgcore import explain
from ecgcore.faithful.controls import control_maps
from ecgcore.faithful.decomposition import gini, gradient_agreement
from ecgcore.faithful.deletion import Units
from ecgcore.faithful.perturbation import max_sensitivity, random_falls
from ecgcore.faithful.suite import Maps, place_scores, rerun_scores
from ecgcore.models import EcgModel, IMNOutput, ModelSpec, build_from

Floats32 = NDArray[np.float32]

COSTLY = frozenset({"integrated_gradients", "gradient_shap", "occlusion", "kernel_shap", "lime"})
"""Methods that run the network tens to thousands of times a record."""

FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.4, 1.0)


@dataclass(frozen=True)
class Effort:
    """How much to spend.

    Parameters
    ----------
    n_rerun
        Records, the first of those given, on which the network is run again and again: for
        deletion, for the methods in :data:`COSTLY`, and for max-sensitivity.
    n_steps
        Steps of integrated gradients, draws of GradientSHAP.
    n_runs
        Runs of the network a record for KernelSHAP and LIME.
    window_s
        Unit of deletion and occlusion.
    shap_window_s
        Unit of KernelSHAP and LIME, which need more runs than there are units.
    n_draws
        Random sets of units for what must be foretold.
    """

    n_rerun: int = 12
    n_steps: int = 16
    n_runs: int = 500
    window_s: float = 0.2
    shap_window_s: float = 0.5
    n_draws: int = 20


@dataclass(frozen=True)
class Examination:
    """What was found.

    ``records``: ``method, control, record`` and a column a metric, nan where a metric was not
    asked of that record.  ``curves``: mean deletion curves.  ``cost``: seconds a record by method,
    on the clock and of the processor.
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
    masks: Mapping[str, NDArray[np.bool_]] | None = None,
    donor: Floats32 | None = None,
    logit_sd: float = 1.0,
) -> Examination:
    """Score ``methods`` and the controls on a model.

    Parameters
    ----------
    model
        Trained.
    x
        Records to explain, as the model reads them, ``(record, lead, sample)``.
    methods
        Of :data:`ecgcore.explain.METHODS`; ``imn`` is passed over where the model writes no W.
    masks
        Known places, each of the shape of ``x``.  ``evidence`` gives the metrics their plain names,
        another (``shortcut``) goes before them.
    donor
        Signals for the second fill, shape of ``x``.
    logit_sd
        Unit in which falls of the logit are told, so that networks whose logits differ in size
        can be compared: the standard deviation of the logit over test records.
    """
    effort = effort or Effort()
    few = slice(min(effort.n_rerun, len(x)))
    maps, cost = _explained(model, x, methods, effort, rate_hz, seed)
    controls = _controls(model, x, seed)
    everything = {**maps, **controls}
    parts = []
    for known, mask in (masks or {}).items():
        found = pd.concat([place_scores({k: v}, mask[: len(v)]) for k, v in everything.items()])
        prefix = "" if known == "evidence" else f"{known}_"
        parts.append(found.set_index(["method", "record"]).add_prefix(prefix).reset_index())
    logit_of = partial(_in_units, model, logit_sd)
    units = [Units(logit_of, x[few], rate_hz, effort.window_s)]
    falls = random_falls(units[0], n_draws=effort.n_draws, seed=seed)
    if donor is not None:
        units.append(Units(logit_of, x[few], rate_hz, effort.window_s, "donor", donor[few]))
    first = {name: values[few] for name, values in everything.items()}
    rerun, curves = rerun_scores(first, units, fractions=FRACTIONS, falls=falls)
    parts += [rerun, _sensitivity(model, x[few], maps, seed)]
    if "imn" in maps:
        parts.append(_linear_models(model, x))
    records = reduce(partial(pd.merge, how="outer", on=["method", "record"]), parts)
    records.insert(1, "control", records["method"].isin(list(controls)))
    return Examination(records, curves, cost)


def _in_units(model: EcgModel, unit: float, x: NDArray[np.floating]) -> NDArray[np.float64]:
    return explain.positive_logits(model, x) / unit


def _linear_models(model: EcgModel, x: Floats32) -> pd.DataFrame:
    """What each record's linear model is like, filed under the method ``imn``."""
    parts = explain.decompose(model, x)
    size = np.abs(parts.bias) + np.abs(parts.explained)
    share = np.divide(np.abs(parts.bias), size, out=np.full_like(size, np.nan), where=size > 0)
    found = gradient_agreement(parts.weights, explain.gradients(model, x))
    found = found.assign(gini=gini(parts.contribution), bias_share=share, method="imn")
    return found.rename_axis("record").reset_index()


def _explained(
    model: EcgModel,
    x: Floats32,
    methods: Sequence[str],
    effort: Effort,
    rate_hz: float,
    seed: int,
) -> tuple[dict[str, Floats32], pd.DataFrame]:
    maps, rows = {}, []
    for name in methods:
        if name == "imn" and not writes_weights(model, x):
            continue
        chosen = x[: effort.n_rerun] if name in COSTLY else x
        fits = {"kernel_shap": effort.n_runs, "lime": effort.n_runs}
        surrogate = name in fits
        start = perf_counter(), process_time()
        maps[name] = explain.attribute(
            model,
            chosen,
            name,
            rate_hz=rate_hz,
            n_steps=fits.get(name, effort.n_steps),
            window_s=effort.shap_window_s if surrogate else effort.window_s,
            seed=seed,
        )
        spent = perf_counter() - start[0], process_time() - start[1]
        rows.append((name, spent[0] / len(chosen), spent[1] / len(chosen), len(chosen)))
    columns = ["method", "seconds_per_record", "cpu_s_per_record", "n"]
    return maps, pd.DataFrame(rows, columns=columns)


def writes_weights(model: nn.Module, x: Floats32) -> bool:
    """Whether the model is of the IMN family, asked of the model itself."""
    import torch

    with explain.evaluating(model), torch.inference_mode():
        device = explain.device_of(model)
        return isinstance(model(torch.from_numpy(x[:1].copy()).to(device)), IMNOutput)


def _controls(model: EcgModel, x: Floats32, seed: int) -> dict[str, Floats32]:
    """Those of :func:`control_maps`; the same method on the untrained network; b spread out."""
    if not writes_weights(model, x):
        fresh = build_from(model.spec, seed=seed + 1)
        untrained = x * explain.gradients(fresh.to(explain.device_of(model)), x)
        return {**control_maps(x, seed=seed), "untrained": untrained}
    parts = explain.decompose(model, x)
    fresh = build_from(_drawn_head(model), seed=seed + 1).to(explain.device_of(model))
    return {
        **control_maps(x, seed=seed, weights=parts.weights, bias=parts.bias),
        "untrained": explain.decompose(fresh, x).contribution,
    }


def _drawn_head(model: EcgModel) -> ModelSpec:
    """The model's description with weights drawn at random everywhere: a zero head says nothing."""
    options = dict(model.spec.options)
    if options.get("zero_head"):
        options["zero_head"] = False
    return replace(model.spec, options=options)


def _sensitivity(model: EcgModel, x: Floats32, maps: Maps, seed: int) -> pd.DataFrame:
    """Max-sensitivity of the cheap methods; of the costly ones it would cost more than all else."""
    frames = []
    for name in maps:
        if name not in COSTLY:
            how = partial(explain.attribute, model, method=name)
            worst = max_sensitivity(how, x, n_draws=3, seed=seed)
            found = {"record": np.arange(len(x)), "max_sensitivity": worst}
            frames.append(pd.DataFrame(found).assign(method=name))
    columns = ["method", "record", "max_sensitivity"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)

"""Examine one trained network's explanations: their properties, and scores beside controls."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from ecgcore import models
from ecgcore.arrays import Bools, Floats, Floats32, Signals, ratio, sums_over
from ecgcore.explanations.attribute import COSTLY, attribute, decompose, positive_logits
from ecgcore.explanations.controls import control_maps
from ecgcore.explanations.deletion import Units, attainable, deletion_curves, lerf_minus_morf
from ecgcore.explanations.localisation import mass_accuracy

Maps = dict[str, Floats32]


@dataclass(frozen=True)
class Effort:
    """How much computation to spend."""

    n_rerun: int = 30  # first records on which deletion and COSTLY methods run
    n_attainable: int = 8  # the first of these for the attainable score, one run per unit; none if
    # there are fewer than twice as many to rerun: a mean over one or two records says nothing
    n_runs: int = 500  # runs per record for KernelSHAP and LIME; more than there are units
    shap_window_s: float = 0.5  # their unit [s]
    n_steps: int = 16  # steps of integrated gradients, draws of GradientSHAP
    window_s: float = 0.2  # unit of deletion and occlusion [s]


class Examination(NamedTuple):
    """Result of :func:`examine`."""

    records: pd.DataFrame
    """``method, control, record`` and one column per metric, nan where not computed."""
    curves: pd.DataFrame
    """Mean deletion curves ``method, fill, fraction, morf, lerf``."""


def examine(
    model: models.EcgModel,
    x: Floats32,
    methods: Sequence[str],
    *,
    seed: int,
    effort: Effort | None = None,
    masks: Mapping[str, Bools] | None = None,
    donor: Floats32 | None = None,
    logit_sd: float = 1.0,
) -> Examination:
    """Score ``methods`` and the controls on a trained model and preprocessed records ``x``.

    ``methods`` are of :data:`ecgcore.explanations.METHODS`; ``imn`` is left out for a model without
    W. ``masks`` are known places of evidence of the shape of ``x``, by layer; the columns of layers
    other than ``evidence`` begin with the layer's name. ``donor``, shape of ``x``, is a second
    fill. Falls of the logit are in units of ``logit_sd``, its standard deviation over test records.
    ``attainable_bridge`` is LeRF minus MoRF of the best single-unit order;
    ``deletion_share_bridge``, LeRF minus MoRF divided by its mean, is the only deletion score to
    compare across networks.
    """
    effort = effort or Effort()
    maps = _method_maps(model, x, methods, effort, seed)
    controls, linear = _controls(model, x, seed)
    n = min(effort.n_rerun, len(x))
    rate_hz, window_s = model.spec.rate_hz, effort.window_s
    units = [Units(lambda s: positive_logits(model, s) / logit_sd, x[:n], rate_hz, window_s)]
    if donor is not None:
        units.append(replace(units[0], fill="donor", donor=donor[:n]))
    frames, curves = {}, []
    for name, values in {**maps, **controls}.items():
        scores = pd.DataFrame(index=range(len(values)))
        for layer, mask in (masks or {}).items():
            prefix = "" if layer == "evidence" else f"{layer}_"
            scores[f"{prefix}mass_accuracy"] = mass_accuracy(values, mask[: len(values)])
        for cut in units:
            curve = deletion_curves(cut, values[:n])
            scores[f"lerf_minus_morf_{cut.fill}"] = pd.Series(lerf_minus_morf(curve))
            mean = curve._replace(morf=curve.morf.mean(0), lerf=curve.lerf.mean(0))
            curves.append(pd.DataFrame(mean._asdict()).assign(method=name, fill=cut.fill))
        frames[name] = scores.join(linear) if name == "imn" else scores
    records = pd.concat(frames, names=["method", "record"]).reset_index()
    records.insert(1, "control", records["method"].isin(list(controls)))
    few = replace(units[0], x=x[: effort.n_attainable if n >= 2 * effort.n_attainable else 0])
    records[["attainable_bridge", "deletion_share_bridge"]] = np.nan
    if len(few.x):  # an occlusion over the same units already holds the falls of single units
        falls = [maps["occlusion"][: len(few.x), :, :: few.size]] if "occlusion" in maps else []
        best = attainable(few, *falls)
        records["attainable_bridge"] = records["record"].map(pd.Series(best))
        share = records["lerf_minus_morf_bridge"] / (best.mean() if best.mean() > 0 else np.nan)
        records["deletion_share_bridge"] = share.where(records["record"] < len(best))
    return Examination(records, pd.concat(curves, ignore_index=True))


def _method_maps(
    model: models.EcgModel, x: Floats32, methods: Sequence[str], effort: Effort, seed: int
) -> Maps:
    """Return the map of each method."""
    maps = {}
    for name in methods:
        if name == "imn" and not model.writes_weights:
            continue
        subject = x[: effort.n_rerun] if name in COSTLY else x
        options: dict[str, Any] = {"n_steps": effort.n_steps, "window_s": effort.window_s}
        if name in ("kernel_shap", "lime"):
            options = {"n_steps": effort.n_runs, "window_s": effort.shap_window_s}
        maps[name] = attribute(model, subject, name, seed=seed, **options)
    return maps


def _controls(model: models.EcgModel, x: Floats32, seed: int) -> tuple[Maps, pd.DataFrame]:
    """Return control maps and, for an IMN, measures of its linear models, one row per record.

    The map of the untrained network is W * x, or gradient * x if the network has no W.
    """
    is_imn, gradient = model.writes_weights, attribute(model, x, "saliency")
    method = "imn" if is_imn else "input_x_gradient"
    untrained = {"untrained": attribute(models.untrained(model, seed=seed + 1), x, method)}
    if not is_imn:
        return {**control_maps(x, seed=seed, weights=gradient), **untrained}, pd.DataFrame()
    parts = decompose(model, x)
    linear = gradient_agreement(parts.weights, gradient)
    linear = linear.assign(gini=gini(parts.contribution), bias_share=parts.bias_share)
    maps = control_maps(x, seed=seed, weights=parts.weights, bias=parts.bias)
    return {**maps, **untrained}, linear


def rank_agreement(one: Signals, other: Signals, *, pool_samples: int = 1) -> Floats:
    """Return Spearman's correlation of two attributions of the same records, shape ``(record,)``.

    Both have the same shape ``(record, lead, sample)`` and are first summed over ``pool_samples``
    neighbours; nan where one of them is constant.
    """
    pairs = sums_over(np.stack([one, other], axis=1), pool_samples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return np.array([stats.spearmanr(*pair.reshape(2, -1)).statistic for pair in pairs])


def gini(values: Signals) -> Floats:
    """Return the Gini index of an attribution's size (Hurley & Rickard 2009, IEEE Trans Inf Theory
    55:4723), ``(record,)``: 0 if the same everywhere, near 1 if in few places, nan if all zero.
    """
    size = np.sort(np.abs(np.asarray(values, np.float64)).reshape(len(values), -1), axis=1)
    n = size.shape[1]
    rank = 2 * np.arange(1, n + 1) - n - 1
    return ratio((size * rank).sum(axis=1), n * size.sum(axis=1))


def gradient_agreement(weights: Signals, gradient: Signals) -> pd.DataFrame:
    """Compare W with the gradient of the logit; returns one row per record.

    The two differ by ``(dW/dx)' x + db/dx``: how W and b themselves react to the signal. Columns:
    ``cosine`` of the two and ``norm_ratio`` |W| / |gradient|; 1 and 1 for a linear model.
    """
    w, g = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (weights, gradient))
    norm_w, norm_g = np.linalg.norm(w, axis=1), np.linalg.norm(g, axis=1)
    cosine = ratio((w * g).sum(axis=1), norm_w * norm_g)
    return pd.DataFrame({"cosine": cosine, "norm_ratio": ratio(norm_w, norm_g)})

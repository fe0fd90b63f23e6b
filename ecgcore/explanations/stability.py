"""Properties of an explanation: its stability, its sparsity, and what W and b carry."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from captum.metrics import sensitivity_max
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from torch import Tensor, nn

from ecgcore.arrays import Floats, Floats32
from ecgcore.errors import EcgcoreError
from ecgcore.explanations.attribute import attribute
from ecgcore.explanations.forward import Decomposition
from ecgcore.statistics import bootstrap, bootstrap_mean


def max_sensitivity(
    model: nn.Module, x: Floats32, method: str, *, radius: float = 0.02, n_draws: int = 5, seed: int
) -> Floats:
    """Largest relative change of an attribution under small noise, shape ``(record,)``.

    ``captum.metrics.sensitivity_max`` (Yeh et al. 2019): norm of the change over the norm of the
    attribution, the largest of ``n_draws`` draws of uniform noise in ``(-radius, radius)``, in
    units of ``x``; 0 for an attribution that does not change.
    """

    def explain(inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        with torch.enable_grad():  # captum switches gradients off
            return (torch.from_numpy(attribute(model, inputs[0].numpy(), method)),)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        worst: Tensor = sensitivity_max(
            explain, torch.from_numpy(x), perturb_radius=radius, n_perturb_samples=n_draws
        )
    return worst.double().numpy()


def rank_agreement(
    one: NDArray[np.floating], other: NDArray[np.floating], *, pool_samples: int = 1
) -> Floats:
    """Spearman's correlation of two attributions of the same records, shape ``(record,)``.

    Attributions have shape ``(record, lead, sample)``; nan where one of them is constant.  They are
    summed over ``pool_samples`` neighbours first: to a reader, two explanations that differ by one
    sample are the same.
    """
    if one.shape != other.shape:
        raise EcgcoreError(f"rank_agreement: shapes {one.shape} and {other.shape} differ.")
    a, b = (_ranks(values, pool_samples) for values in (one, other))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1)))


def _ranks(values: NDArray[np.floating], pool_samples: int) -> Floats:
    starts = np.arange(0, values.shape[-1], pool_samples)
    pooled = np.add.reduceat(np.asarray(values, np.float64), starts, axis=-1)
    ranks = rankdata(pooled.reshape(len(values), -1), axis=1)
    return np.asarray(ranks - ranks.mean(axis=1, keepdims=True))


def gini(values: NDArray[np.floating]) -> Floats:
    """Inequality of the size of an attribution, shape ``(record,)``.

    0: the same everywhere; near 1: all in few places (Hurley & Rickard 2009, IEEE Trans Inf Theory
    55:4723); nan for a record of zeros.
    """
    size = np.sort(np.abs(np.asarray(values, np.float64)).reshape(len(values), -1), axis=1)
    n = size.shape[1]
    rank = 2 * np.arange(1, n + 1) - n - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((size * rank).sum(axis=1) / (n * size.sum(axis=1)))


def gradient_agreement(
    weights: NDArray[np.floating], gradient: NDArray[np.floating]
) -> pd.DataFrame:
    """W against the gradient of the logit, one row per record.

    The two differ by ``(dW/dx)' x + db/dx``: how W and b themselves react to the signal.  Columns:
    ``cosine`` of the two and ``norm_ratio`` |W| / |gradient|; 1 and 1 for a linear model.
    """
    w: Floats = np.asarray(weights, dtype=np.float64).reshape(len(weights), -1)
    g: Floats = np.asarray(gradient, dtype=np.float64).reshape(len(gradient), -1)
    norm_w, norm_g = np.linalg.norm(w, axis=1), np.linalg.norm(g, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (w * g).sum(axis=1) / (norm_w * norm_g)
        return pd.DataFrame({"cosine": cosine, "norm_ratio": norm_w / norm_g})


def bias_and_weights(
    y: ArrayLike,
    parts: Decomposition,
    *,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    seed: int,
) -> pd.DataFrame:
    """AUROC of the bias alone and of sum(W * x) alone, and the bias's share of the logit.

    Parameters
    ----------
    y
        Labels, shape ``(record,)``.
    parts
        Of the same records, from :func:`ecgcore.explanations.decompose`.
    groups
        Patient of every record.

    Returns
    -------
    DataFrame
        Indexed by ``auroc_logit``, ``auroc_explained``, ``auroc_bias`` and ``bias_share`` (mean of
        |b| / (|b| + |sum(W * x)|)), with ``value, low, high, se``.  A bias with an AUROC well above
        0.5 answers by itself: the explanation then leaves out part of the reason.
    """
    resampling: Any = {"groups": groups, "n_resamples": n_resamples, "seed": seed}
    scores = {"logit": parts.logit, "explained": parts.explained, "bias": parts.bias}
    rows = {
        f"auroc_{name}": bootstrap(y, score, metrics=["auroc"], **resampling).iloc[0]
        for name, score in scores.items()
    }
    rows["bias_share"] = bootstrap_mean(parts.bias_share[:, None], **resampling).iloc[0]
    return pd.DataFrame(rows).T[["value", "low", "high", "se"]].astype(float)

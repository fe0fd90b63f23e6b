"""Properties of an explanation: its stability, its sparsity, and what W and b carry."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ecgcore.arrays import Floats
from ecgcore.errors import EcgcoreError
from ecgcore.explanations.forward import Decomposition
from ecgcore.statistics import bootstrap, bootstrap_mean


def rank_agreement(
    one: NDArray[np.floating], other: NDArray[np.floating], *, pool_samples: int = 1
) -> Floats:
    """Spearman's correlation of two attributions of the same records, shape ``(record,)``.

    Attributions ``(record, lead, sample)`` of one shape, else :class:`EcgcoreError`, are summed
    over ``pool_samples`` neighbours first; nan where one of them is constant.
    """
    if one.shape != other.shape:
        raise EcgcoreError(f"rank_agreement: shapes {one.shape} and {other.shape} differ.")
    starts = np.arange(0, one.shape[-1], pool_samples)
    pairs = np.add.reduceat(np.stack([one, other], 1), starts, axis=-1, dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return np.array([stats.spearmanr(*pair.reshape(2, -1)).statistic for pair in pairs])


def gini(values: NDArray[np.floating]) -> Floats:
    """Inequality of the size of an attribution (Hurley & Rickard 2009, IEEE Trans Inf Theory
    55:4723), shape ``(record,)``: 0 the same everywhere; near 1 all in few places; nan for zeros.
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
    w, g = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (weights, gradient))
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

    ``y`` are labels ``(record,)``, ``parts`` belong to the same records, and ``groups`` is the
    patient of every record.  Rows are ``auroc_logit``, ``auroc_explained``, ``auroc_bias`` and
    ``bias_share`` (mean of |b| / (|b| + |sum(W * x)|)), columns ``value, low, high, se``.  A bias
    with an AUROC well above 0.5 answers by itself.
    """
    resampling: Any = {"groups": groups, "n_resamples": n_resamples, "seed": seed}
    scores = {"logit": parts.logit, "explained": parts.explained, "bias": parts.bias}
    rows = {
        f"auroc_{name}": bootstrap(y, score, metrics=["auroc"], **resampling).iloc[0]
        for name, score in scores.items()
    }
    rows["bias_share"] = pd.Series(bootstrap_mean(parts.bias_share, **resampling))
    return pd.DataFrame(rows).T[["value", "low", "high", "se"]].astype(float)

"""What the IMN's own parts carry: b alone, sum(W * x) alone, W against the true gradient."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from ecgcore.compare import bootstrap, bootstrap_mean
from ecgcore.metrics.checks import Floats


def bias_and_weights(
    y: ArrayLike,
    bias: NDArray[np.floating],
    explained: NDArray[np.floating],
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
    bias, explained
        b and sum(W * x) of the positive logit, shape ``(record,)``.

    Returns
    -------
    DataFrame
        Indexed by ``auroc_logit``, ``auroc_explained``, ``auroc_bias`` and ``bias_share`` (mean of
        |b| / (|b| + |sum(W * x)|)), with ``value``, ``low``, ``high``, ``se``.  A bias with an
        AUROC well above 0.5 answers by itself: the explanation then leaves out part of the reason.
    """
    parts = {"logit": bias + explained, "explained": explained, "bias": bias}
    how = {"groups": groups, "n_resamples": n_resamples, "seed": seed}
    rows = {}
    for name, score in parts.items():
        # AUROC needs ranks only; the sigmoid of ranks is a probability without lost ties.
        ranked = expit(np.asarray(pd.Series(score).rank()) / len(score))
        found = bootstrap(y, ranked, metrics=["auroc"], **how).iloc[0]  # type: ignore[arg-type]
        rows[f"auroc_{name}"] = found[["value", "low", "high", "se"]]
    size = np.abs(bias) + np.abs(explained)
    share = np.divide(np.abs(bias), size, out=np.full_like(size, np.nan), where=size > 0)
    mean = bootstrap_mean(share[:, None], **how).iloc[0]  # type: ignore[arg-type]
    rows["bias_share"] = mean[["value", "low", "high", "se"]]
    return pd.DataFrame(rows).T.astype(float)


def gradient_agreement(
    weights: NDArray[np.floating], gradient: NDArray[np.floating]
) -> pd.DataFrame:
    """W against the gradient of the logit, record by record.

    The two differ by ``(dW/dx)' x + db/dx``: how W and b themselves react to the signal.

    Returns
    -------
    DataFrame
        ``cosine`` of the two, and ``norm_ratio`` |W| / |gradient|; 1 and 1 for a linear model.
    """
    w: Floats = np.asarray(weights, dtype=np.float64).reshape(len(weights), -1)
    g: Floats = np.asarray(gradient, dtype=np.float64).reshape(len(gradient), -1)
    norm_w, norm_g = np.linalg.norm(w, axis=1), np.linalg.norm(g, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (w * g).sum(axis=1) / (norm_w * norm_g)
        return pd.DataFrame({"cosine": cosine, "norm_ratio": norm_w / norm_g})


def gini(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """How unequally the size of an attribution is shared out, shape ``(record,)``.

    0: the same everywhere; near 1: all in few places (Hurley & Rickard 2009, IEEE Trans Inf Theory
    55:4723, who find it the best of 15 measures of sparsity).

    Parameters
    ----------
    values
        Shape ``(record, ...)``; nan for a record without any.
    """
    size = np.sort(np.abs(np.asarray(values, np.float64)).reshape(len(values), -1), axis=1)
    n = size.shape[1]
    rank = 2 * np.arange(1, n + 1) - n - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((size * rank).sum(axis=1) / (n * size.sum(axis=1)))

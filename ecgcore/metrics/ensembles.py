"""From logits to one probability a record, and the balanced form of a test set."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ecgcore.errors import EcgcoreError
from ecgcore.metrics.checks import Floats, Ints, binary


def positive_probability(logits: ArrayLike) -> Floats:
    """Probability of the positive class from logits, shape ``(record,)``.

    ``logits`` has shape ``(record,)`` or ``(record, 1)`` (sigmoid) or ``(record, 2)`` (softmax over
    negative, positive).
    """
    return np.asarray(np.exp(-np.logaddexp(0.0, -positive_logit(logits))))


def ranking(logits: ArrayLike) -> Floats:
    """Numbers in (0, 1) in the order of the logits, shape ``(record,)``: for AUROC and AUPRC.

    Probabilities of large logits round to exactly 1 (beyond about 37) and would tie; the logit of
    an ECG-IMN, a sum over thousands of samples, gets there.  These are not probabilities.

    ``logits`` as in :func:`positive_probability`.
    """
    return np.asarray(0.5 + np.arctan(positive_logit(logits)) / np.pi)


def positive_logit(logits: ArrayLike) -> Floats:
    """Log odds of the positive class, shape ``(record,)``.

    ``logits`` as in :func:`positive_probability`.
    """
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim == 2 and values.shape[1] == 2:
        values = values[:, 1] - values[:, 0]
    elif values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise EcgcoreError(
            f"logits: expected shape (record,), (record, 1) or (record, 2), got {values.shape}."
        )
    return values


def ensemble(logits_list: Sequence[ArrayLike]) -> Floats:
    """Probability of the positive class from the mean logit of several models.

    The mean is taken before the sigmoid or softmax, as in paper B (the best model of each fold).

    Parameters
    ----------
    logits_list
        One array a model, all of one shape: ``(record,)``, ``(record, 1)`` or ``(record, 2)``.

    Returns
    -------
    array
        Probabilities, shape ``(record,)``.
    """
    arrays = [np.asarray(logits, dtype=np.float64) for logits in logits_list]
    if not arrays or any(a.shape != arrays[0].shape for a in arrays):
        shapes = [a.shape for a in arrays]
        raise EcgcoreError(f"logits_list: expected at least one array, all of one shape: {shapes}.")
    return positive_probability(np.mean(arrays, axis=0))


def balanced_subset(y: ArrayLike, seed: int) -> Ints:
    """Positions of a test set with as many negatives as positives.

    Keeps the whole smaller class and draws the same number of the larger one without replacement.

    Returns
    -------
    array
        Ascending positions into ``y``.
    """
    labels = binary(y, "y")
    classes = [np.flatnonzero(labels == value) for value in (0, 1)]
    n_each = min(c.size for c in classes)
    if n_each == 0:
        raise EcgcoreError("y: a balanced subset needs records of both classes, found only one.")
    rng = np.random.default_rng(seed)
    drawn = [c if c.size == n_each else rng.choice(c, n_each, replace=False) for c in classes]
    return np.sort(np.concatenate(drawn)).astype(np.int64)

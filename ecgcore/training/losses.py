"""The papers' losses, for one batch of every fold at once."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ecgcore.models import IMNOutput, logits_of

Loss = Literal["cross_entropy", "weighted_cross_entropy", "bce_pos_weight"]
LOSSES: tuple[Loss, ...] = ("cross_entropy", "weighted_cross_entropy", "bce_pos_weight")


def class_weights(y: NDArray[np.integer], loss: Loss, *, balance: bool) -> NDArray[np.float32]:
    """What an error on (a negative, a positive) record counts.

    ``weighted_cross_entropy``: n / n_class (paper A, categorical); ``bce_pos_weight``: 1 and
    n_negative / n_positive (paper A, single linear); otherwise 1, or n / (2 n_class) if
    ``balance``.
    """
    counts = np.bincount(y, minlength=2).astype(np.float64)
    if loss == "weighted_cross_entropy":
        return np.asarray(counts.sum() / counts, np.float32)
    if loss == "bce_pos_weight":
        return np.array([1, counts[0] / counts[1]], np.float32)
    weights = counts.sum() / (2 * counts) if balance else np.ones(2)
    return np.asarray(weights, np.float32)


def fold_losses(
    output: Tensor | IMNOutput, y: Tensor, weights: Tensor | None, loss: Loss, weight_l1: float
) -> Tensor:
    """Mean loss of a batch, one a fold.

    Parameters
    ----------
    output
        Of a model, with the fold axis: logits ``(record, fold, output)``.
    y
        0 or 1, shape ``(record, fold)``.
    weights
        Of the two classes, shape ``(fold, 2)``; None if both are 1.
    loss
        ``bce_pos_weight`` divides by the number of records, the cross entropies by the sum of
        their weights, as PyTorch does.
    weight_l1
        Factor of mean |W| (IMN only; paper A: 1e-4).

    Returns
    -------
    Tensor
        Shape ``(fold,)``.
    """
    logits = logits_of(output).float()
    if loss == "bce_pos_weight":
        positive = None if weights is None else weights[:, 1]
        each = F.binary_cross_entropy_with_logits(
            logits[..., 0], y.to(logits.dtype), pos_weight=positive, reduction="none"
        )
        value = each.mean(0)
    elif logits.shape[1] == 1:  # PyTorch's own, to the bit
        weight = None if weights is None else weights[0]
        value = F.cross_entropy(logits[:, 0], y[:, 0], weight=weight)[None]
    else:
        rows = logits.reshape(-1, logits.shape[-1])
        each = F.cross_entropy(rows, y.reshape(-1), reduction="none").view(y.shape)
        if weights is None:
            value = each.mean(0)
        else:
            picked = torch.where(y == 1, weights[:, 1], weights[:, 0])
            value = (each * picked).sum(0) / picked.sum(0)
    if weight_l1 and isinstance(output, IMNOutput):
        value = value + weight_l1 * output.weights.abs().mean(dim=(0, 2, 3, 4))
    return value

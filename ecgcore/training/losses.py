"""The losses of both papers, and the local fidelity penalty of an IMN.

The penalty follows Hammer, Thambawita, Hellton & Halvorsen (arXiv 2606.29951): the linear model
written for a record also predicts the logits of its neighbours. *Differs from the paper*, which
interpolates rows of tables: between two ECGs whose beats do not coincide there is no ECG. Here a
neighbour is the record with the amplitude of each lead halved in random stretches, smoothly.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ecgcore.arrays import Floats32, Ints
from ecgcore.errors import EcgcoreError
from ecgcore.models import IMNOutput, logits_of
from ecgcore.training.config import Loss
from ecgcore.training.randomness import MaskSource


def class_weights(y: Ints, loss: Loss) -> Floats32:
    """Return the weights of errors on a negative and on a positive record, shape ``(2,)``.

    ``weighted_cross_entropy``: n / n_class (paper A, categorical); ``bce_pos_weight``: 1 and
    n_negative / n_positive (paper A, single linear); otherwise 1.
    """
    counts = np.bincount(y, minlength=2).astype(np.float64)
    weights = {
        "cross_entropy": [1, 1],
        "weighted_cross_entropy": counts.sum() / counts,
        "bce_pos_weight": [1, counts[0] / counts[1]],
    }
    return np.asarray(weights[loss], np.float32)


def batch_loss(
    output: Tensor | IMNOutput, y: Tensor, weights: Tensor, loss: Loss, weight_l1: float = 0.0
) -> Tensor:
    """Return the mean loss of a batch, a scalar, for labels ``y (record,)`` and class weights.

    ``weight_l1`` is the factor of mean |W| (IMN only; paper A: 1e-4).
    """
    logits = logits_of(output).float()
    if loss == "bce_pos_weight":
        value = F.binary_cross_entropy_with_logits(logits[:, 0], y.float(), pos_weight=weights[1])
    else:
        value = F.cross_entropy(logits, y, weight=weights)
    if weight_l1 and isinstance(output, IMNOutput):
        value = value + weight_l1 * output.weights.abs().mean()
    return value


def neighbours(x: Tensor, draw: MaskSource, rate_hz: float) -> Tensor:
    """Return a neighbour of every record ``(lead, sample)``: about half of its stretches halved."""
    n_records, n_leads, n_samples = x.shape
    n_knots = max(2, 1 + math.ceil(n_samples / (0.2 * rate_hz)))  # stretches of 0.2 s
    keep = draw(torch.Size([n_records, n_leads, n_knots]), 0.5, x.device) / 2  # 0 or 1
    gain = 0.5 + 0.5 * keep
    return x * F.interpolate(gain, size=n_samples, mode="linear", align_corners=True)


def fidelity_penalty(output: Tensor | IMNOutput, neighbour_x: Tensor) -> tuple[IMNOutput, Tensor]:
    """Return the output of the records alone, and the penalty, a scalar.

    ``output`` is that of a batch of records followed by their neighbours ``neighbour_x``; the
    penalty is the mean squared error of the linear models for the neighbours' logits.
    """
    if not isinstance(output, IMNOutput):
        raise EcgcoreError("local_fidelity: expected a model of the IMN family, or the value 0.")
    pairs = [part.chunk(2) for part in output]
    records, of_neighbours = (IMNOutput(*half) for half in zip(*pairs, strict=True))
    linear = (records.weights * neighbour_x.float().unsqueeze(1)).sum(dim=(2, 3)) + records.bias
    return records, (linear - of_neighbours.logits).square().mean()

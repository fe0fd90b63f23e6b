"""Any model as a function from signals to one positive logit a record, in bounded batches."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgcore.models import logits_of, positive_logit

Floats32 = NDArray[np.float32]

_BATCH_BYTES = {"cpu": 2**28, "cuda": 2**32, "mps": 2**30}
_STORED_LAYERS = 16  # activations kept for the backward pass, in units of the widest one
_UNKNOWN_UNITS = 512


class PositiveLogit(nn.Module):
    """Wraps a model: ``(record, lead, sample)`` to the positive logit ``(record,)``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return positive_logit(logits_of(self.model(x)))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[PositiveLogit]:
    """The model's positive logit in evaluation mode; modes and gradients are put back after."""
    modes = [(module, module.training) for module in model.modules()]
    wanted = [(p, p.requires_grad) for p in model.parameters()]
    model.eval()
    for parameter, _ in wanted:  # gradients are taken of the input only
        parameter.requires_grad_(False)
    try:
        yield PositiveLogit(model)
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, flag in wanted:
            parameter.requires_grad_(flag)


def device_of(model: nn.Module) -> torch.device:
    """Where the model's parameters lie; the CPU for a model without any."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def rows_at_once(model: nn.Module, n_samples: int) -> int:
    """Rows of a forward and backward pass that stay within a fixed number of bytes."""
    units = int(getattr(model, "widest_units", _UNKNOWN_UNITS))
    limit = _BATCH_BYTES.get(device_of(model).type, _BATCH_BYTES["cpu"])
    return max(1, min(256, limit // (4 * _STORED_LAYERS * units * n_samples)))


def positive_logits(
    model: nn.Module, x: NDArray[np.floating], *, batch_size: int | None = None
) -> NDArray[np.float64]:
    """Positive logit of every record, in evaluation mode, without gradients.

    Parameters
    ----------
    x
        Shape ``(record, lead, sample)``, preprocessed as for training.
    batch_size
        Records at a time; by default what fits a fixed number of bytes.

    Returns
    -------
    array
        Shape ``(record,)``.
    """
    rows = batch_size or rows_at_once(model, x.shape[-1])
    device = device_of(model)
    parts = [np.empty(0)]
    with evaluating(model) as forward, torch.inference_mode():
        for start in range(0, len(x), rows):
            batch = np.ascontiguousarray(x[start : start + rows], dtype=np.float32)
            parts.append(forward(torch.from_numpy(batch).to(device)).double().cpu().numpy())
    return np.concatenate(parts)

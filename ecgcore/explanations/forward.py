"""A model as a function from signals to one positive logit, and its linear models.

``logit = sum(W * x) + b`` holds exactly for an IMN, whatever W is: the logit is computed so.  It
does not say that the answer would change if x were changed where W * x is large, because W and b
depend on x too: the gradient of the logit is ``W + (dW/dx)' x + db/dx``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgcore.arrays import Floats, Floats32
from ecgcore.errors import EcgcoreError
from ecgcore.models import IMNOutput, logits_of, positive_logit

_BATCH_BYTES = {"cpu": 2**28, "cuda": 2**32, "mps": 2**30}
_STORED_LAYERS = 16  # activations that the backward pass needs, in units of the widest one


class PositiveLogit(nn.Module):
    """A model from signals ``(record, lead, sample)`` to the positive logit ``(record,)``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return positive_logit(logits_of(self.model(x)))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[PositiveLogit]:
    """Yield the positive logit in evaluation mode; every module's mode is restored after."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield PositiveLogit(model.eval())
    finally:
        for module, mode in modes:
            module.training = mode


def rows_at_once(model: nn.Module, n_samples: int) -> int:
    """Rows of a forward and backward pass that stay within a fixed number of bytes."""
    units = int(getattr(model, "widest_units", 512))
    limit = _BATCH_BYTES.get(_device(model).type, _BATCH_BYTES["cpu"])
    return max(1, min(256, limit // (4 * _STORED_LAYERS * units * n_samples)))


def batches(
    model: nn.Module, x: NDArray[np.floating], rows: int | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """Yield (which records, their float32 copy on the model's device), ``rows`` at a time."""
    step, device = rows or rows_at_once(model, x.shape[-1]), _device(model)
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        yield part, torch.from_numpy(np.array(x[part], np.float32, order="C")).to(device)


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def positive_logits(model: nn.Module, x: NDArray[np.floating]) -> Floats:
    """Positive logit ``(record,)`` of preprocessed signals ``(record, lead, sample)``."""
    logits = np.empty(len(x))
    with evaluating(model) as forward, torch.inference_mode():
        for part, batch in batches(model, x):
            logits[part] = forward(batch).cpu().numpy()
    return logits


@dataclass(frozen=True)
class Decomposition:
    """The parts of the positive logit: ``logit == contribution.sum((1, 2)) + bias``.

    ``weights`` and ``contribution`` (W * x) have shape ``(record, lead, sample)``, ``bias`` and
    ``logit`` ``(record,)``.
    """

    weights: Floats32
    contribution: Floats32
    bias: Floats
    logit: Floats

    @property
    def explained(self) -> Floats:
        """sum(W * x), shape ``(record,)``."""
        return np.asarray(self.contribution.sum(axis=(1, 2), dtype=np.float64))

    @property
    def bias_share(self) -> Floats:
        """|b| / (|b| + |sum(W * x)|), shape ``(record,)``; nan where both are 0."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(self.bias) / (np.abs(self.bias) + np.abs(self.explained)))


def decompose(model: nn.Module, x: NDArray[np.floating]) -> Decomposition:
    """Return W, W * x and b of every record, for the positive class (with softmax: the log odds).

    A model that writes no weights raises :class:`EcgcoreError`.
    """
    if native_method(model) != "imn":
        raise EcgcoreError(
            f"method 'imn': {type(model).__name__} writes no weights; expected a model of the IMN "
            "family (imn, imn_categorical, imn_direct, imn_plus)."
        )
    weights, bias, logit = np.empty(x.shape, np.float32), np.empty(len(x)), np.empty(len(x))
    with evaluating(model), torch.inference_mode():
        for part, batch in batches(model, x):
            output: IMNOutput = model(batch)
            weights[part] = positive_logit(output.weights.movedim(1, -1)).cpu().numpy()
            bias[part] = positive_logit(output.bias).cpu().numpy()
            logit[part] = positive_logit(output.logits).cpu().numpy()
    return Decomposition(weights, weights * np.asarray(x, np.float32), bias, logit)


def native_method(model: nn.Module) -> str:
    """``imn`` (W * x) for a model that writes weights, else ``grad_cam`` as in paper A."""
    return "imn" if getattr(model, "writes_weights", False) else "grad_cam"

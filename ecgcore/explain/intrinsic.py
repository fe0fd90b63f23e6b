"""What an IMN says of itself: W * x, the bias, and how W relates to the true gradient.

``logit = sum(W * x) + b`` holds exactly, for any W: it is how the logit is computed.  It does not
say that the network would answer differently if x were changed where W * x is large, because W
and b are functions of x too.  The gradient of the logit is ``W + (dW/dx)' x + db/dx``.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgcore.errors import EcgcoreError
from ecgcore.explain.forward import Floats32, device_of, evaluating, rows_at_once
from ecgcore.models import IMNOutput


@dataclass(frozen=True)
class Decomposition:
    """The positive logit taken apart: ``logit == contribution.sum((1, 2)) + bias``.

    ``weights`` and ``contribution`` (W * x) have shape ``(record, lead, sample)``, ``bias`` and
    ``logit`` ``(record,)``.
    """

    weights: Floats32
    contribution: Floats32
    bias: NDArray[np.float64]
    logit: NDArray[np.float64]

    @property
    def explained(self) -> NDArray[np.float64]:
        """sum(W * x), shape ``(record,)``."""
        return np.asarray(self.contribution.sum(axis=(1, 2), dtype=np.float64))


def decompose(
    model: nn.Module, x: NDArray[np.floating], *, batch_size: int | None = None
) -> Decomposition:
    """W, W * x and b of every record, for the positive class.

    With two outputs (softmax) W and b are the differences positive minus negative, whose sum is
    the log odds.

    Raises
    ------
    EcgcoreError
        When the model is not of the IMN family.
    """
    rows, device = batch_size or rows_at_once(model, x.shape[-1]), device_of(model)
    weights = np.empty(x.shape, np.float32)
    bias, logit = np.empty(len(x)), np.empty(len(x))
    with evaluating(model), torch.inference_mode():
        for start in range(0, len(x), rows):
            part = slice(start, start + rows)
            batch = torch.from_numpy(np.ascontiguousarray(x[part], dtype=np.float32)).to(device)
            output = model(batch)
            if not isinstance(output, IMNOutput):
                raise EcgcoreError(
                    f"method 'imn': {type(model).__name__} writes no weights; expected a model of "
                    "the IMN family (imn, imn_categorical, imn_direct)."
                )
            weights[part] = positive_part(output.weights).cpu().numpy()
            bias[part] = positive_part(output.bias).double().cpu().numpy()
            logit[part] = positive_part(output.logits).double().cpu().numpy()
    return Decomposition(weights, weights * np.asarray(x, np.float32), bias, logit)


def positive_part(values: Tensor) -> Tensor:
    """Of ``(record, output, ...)``: output 0 alone, or output 1 minus output 0."""
    return values[:, 0] if values.shape[1] == 1 else values[:, 1] - values[:, 0]


def gradients(
    model: nn.Module, x: NDArray[np.floating], *, batch_size: int | None = None
) -> Floats32:
    """Gradient of the positive logit with respect to every sample, shape of ``x``."""
    rows, device = batch_size or rows_at_once(model, x.shape[-1]), device_of(model)
    found = np.empty(x.shape, np.float32)
    with evaluating(model) as forward:
        for start in range(0, len(x), rows):
            part = slice(start, start + rows)
            batch = torch.from_numpy(np.array(x[part], dtype=np.float32)).to(device)
            batch.requires_grad_()
            (gradient,) = torch.autograd.grad(forward(batch).sum(), batch)
            found[part] = gradient.cpu().numpy()
    return found

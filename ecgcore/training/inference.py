"""Logits of many records: batch norm folded away, batches sized by bytes."""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgcore.metrics import positive_probability
from ecgcore.models import EcgModel, logits_of
from ecgcore.training.device import needs_compiler, resolve_device

_LAYER_BYTES = {"cpu": 8 * 2**20, "cuda": 256 * 2**20, "mps": 64 * 2**20}
"""Of the widest activation: what a CPU's caches take; what keeps a GPU busy."""


def batch_for(model: EcgModel, n_samples: int, device: torch.device, *, bytes_each: int = 4) -> int:
    """Records a batch such that the widest layer's output stays within the device's limit."""
    widest = model.widest_units * n_samples * bytes_each * model.folds
    return max(1, _LAYER_BYTES.get(device.type, _LAYER_BYTES["cpu"]) // max(widest, 1))


def predict_logits(
    model: EcgModel,
    x: NDArray[np.generic] | Tensor,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    precision: str = "fp32",
    compiled: bool = False,
    adu_per_mv: float = 1000.0,
) -> NDArray[np.float32]:
    """Logits of records, as the model gives them in evaluation mode.

    Parameters
    ----------
    model
        Left as it is, on the device where it is.
    x
        Shape ``(record, lead, sample)``; float32, or int16 to be divided by ``adu_per_mv``.
    device
        Where to compute.
    batch_size
        Records at a time; by default as many as the device's caches take well.
    precision
        ``fp32`` or ``bf16`` (autocast; differs by about 1e-3 of a logit's size).
    compiled
        Through ``torch.compile``: worth it for many thousand records.

    Returns
    -------
    array
        float32, shape ``(record, output)``.
    """
    where = resolve_device(device)
    ready = for_inference(model).to(where)
    records = torch.as_tensor(x)
    if batch_size is None:
        bytes_each = 2 if precision == "bf16" else 4
        batch_size = batch_for(model, records.shape[-1], where, bytes_each=bytes_each)
    if compiled:
        needs_compiler()
    forward = torch.compile(ready, dynamic=False) if compiled else ready
    parts = [torch.empty(0, model.n_outputs)]
    with torch.inference_mode(), torch.autocast(where.type, torch.bfloat16, precision == "bf16"):
        for batch in _batches(records, batch_size, fill=compiled):
            logits = logits_of(forward(to_mv(batch.to(where), adu_per_mv)))
            parts.append(logits.float())
    return torch.cat([part.to("cpu") for part in parts]).numpy()[: len(records)]


def predict(model: EcgModel, x: NDArray[np.generic] | Tensor, **how: object) -> NDArray[np.float64]:
    """Probability of the positive class, shape ``(record,)``; options of :func:`predict_logits`."""
    return positive_probability(predict_logits(model, x, **how))  # type: ignore[arg-type]


def to_mv(batch: Tensor, adu_per_mv: float) -> Tensor:
    """float32 signals from what is stored: int16 in units of the converter, or float already."""
    return batch.float() / adu_per_mv if batch.dtype == torch.int16 else batch.float()


def _batches(records: Tensor, size: int, *, fill: bool) -> Iterator[Tensor]:
    for start in range(0, len(records), size):
        batch = records[start : start + size]
        if fill and len(batch) < size:  # a compiled model wants one shape
            batch = torch.cat([batch, batch[:1].expand(size - len(batch), -1, -1)])
        yield batch


def for_inference(model: EcgModel) -> EcgModel:
    """A copy in evaluation mode whose batch norms are folded into the convolutions before them.

    Only pairs (convolution, norm) that are neighbours in a :class:`torch.nn.ModuleList` are
    folded.  The CNN-LSTM normalises *before* its zero-padded convolutions, which cannot be folded
    exactly at a record's ends; there the norms stay.
    """
    ready = copy.deepcopy(model).requires_grad_(False)
    for layers in [m for m in ready.modules() if isinstance(m, nn.ModuleList)]:
        for position in range(len(layers) - 1):
            conv, norm = layers[position], layers[position + 1]
            if isinstance(conv, nn.Conv1d | nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                _fold(conv, norm)
                layers[position + 1] = nn.Identity()
    return ready.eval()


def _fold(conv: nn.Conv1d | nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    before = torch.zeros_like(norm.running_mean) if conv.bias is None else conv.bias
    conv.bias = nn.Parameter((before - norm.running_mean) * scale + norm.bias, requires_grad=False)
    conv.weight.mul_(scale.view(-1, *[1] * (conv.weight.dim() - 1)))

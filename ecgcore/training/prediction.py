"""Logits of many records: batch norm folded away, batch sizes chosen by bytes."""

import copy
import shutil
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgcore.arrays import Floats32
from ecgcore.errors import EcgcoreError
from ecgcore.models import EcgModel, logits_of
from ecgcore.training.device import resolve_device

_LAYER_BYTES = {"cpu": 8 * 2**20, "cuda": 256 * 2**20, "mps": 64 * 2**20}
"""Of the widest activation: what a CPU's caches hold; what keeps a GPU busy."""


def batch_size_for(
    model: EcgModel, n_samples: int, device: torch.device, *, bytes_each: int = 4
) -> int:
    """Return the batch size whose widest activation stays within the device's limit."""
    widest = model.widest_units * n_samples * bytes_each
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
) -> Floats32:
    """Return the logits ``(record, output)`` in evaluation mode; the model itself stays as it is.

    Records ``x (record, lead, sample)`` are float32 in mV, or int16 to be divided by
    ``adu_per_mv``; by default as many go together as the device's caches hold. ``precision`` is
    ``fp32`` or ``bf16`` (differs by about 1e-3 of a logit's size). ``compiled`` uses
    ``torch.compile``, which needs g++ and is worth it for many thousand records.
    """
    where = resolve_device(device)
    ready = for_inference(model).to(where)
    records = torch.as_tensor(x)
    if batch_size is None:
        bytes_each = 2 if precision == "bf16" else 4
        batch_size = batch_size_for(model, records.shape[-1], where, bytes_each=bytes_each)
    if compiled and shutil.which("g++") is None:
        raise EcgcoreError("compiled: there is no C++ compiler g++; install it, or leave this off.")
    forward = torch.compile(ready, dynamic=False) if compiled else ready
    parts = [torch.empty(0, model.n_outputs)]
    with torch.inference_mode(), autocast(where, precision):
        for batch in torch.split(records, batch_size) if len(records) else ():
            if compiled and len(batch) < batch_size:  # a compiled model wants one shape
                batch = torch.cat([batch, batch[:1].expand(batch_size - len(batch), -1, -1)])
            logits = logits_of(forward(to_mv(batch.to(where), adu_per_mv)))
            parts.append(logits.float())
    return torch.cat([part.to("cpu") for part in parts]).numpy()[: len(records)]


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Use bfloat16 where PyTorch considers it safe, if ``precision`` is ``bf16``."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def to_mv(batch: Tensor, adu_per_mv: float) -> Tensor:
    """Return float32 signals from int16 in units of the converter, or from floats."""
    return batch.float() / adu_per_mv if batch.dtype == torch.int16 else batch.float()


def for_inference(model: EcgModel) -> EcgModel:
    """Return a copy in evaluation mode with batch norms folded into the convolutions before them.

    The CNN-LSTM normalises *before* its zero-padded convolutions, which cannot be folded exactly.
    """
    ready = copy.deepcopy(model).requires_grad_(False)
    for layers in [m for m in ready.modules() if isinstance(m, nn.ModuleList | nn.Sequential)]:
        for position in range(len(layers) - 1):
            conv, norm = layers[position], layers[position + 1]
            if isinstance(conv, nn.Conv1d | nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
                scale = norm.weight / torch.sqrt(variance + norm.eps)
                old = torch.zeros_like(mean) if conv.bias is None else conv.bias
                conv.bias = nn.Parameter((old - mean) * scale + norm.bias, requires_grad=False)
                conv.weight.mul_(scale.view(-1, *[1] * (conv.weight.dim() - 1)))
                layers[position + 1] = nn.Identity()
    return ready.eval()

"""Logits of many records: batch norm folded away, batch sizes chosen by bytes."""

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn

from ecgcore.arrays import Floats32, Signals
from ecgcore.models import EcgModel, logits_of
from ecgcore.training.device import resolve_device

# of the widest activation: what a CPU's caches hold, what keeps a GPU busy
_LAYER_BYTES = {"cpu": 8 * 2**20, "cuda": 256 * 2**20, "mps": 64 * 2**20}


def predict_logits(
    model: EcgModel,
    x: Signals | Tensor,
    *,
    device: str = "auto",
    precision: str = "fp32",
) -> Floats32:
    """Return the logits ``(record, output)`` in evaluation mode; the model itself stays as it is.

    A batch holds as many records ``x (record, lead, sample)`` as fit in the device's caches.
    ``precision`` is ``fp32`` or ``bf16`` (differs by about 1e-3 of a logit's size).
    """
    where, records = resolve_device(device), torch.as_tensor(x)
    ready = for_inference(model).to(where)
    record_bytes = 4 * model.widest_units * records.shape[-1]
    batch_size = max(1, _LAYER_BYTES[where.type] // record_bytes)
    parts = [torch.empty(0, model.n_outputs, device=where)]
    autocast = torch.autocast(where.type, torch.bfloat16, enabled=precision == "bf16")
    with torch.inference_mode(), autocast:
        for batch in torch.split(records, batch_size) if len(records) else ():
            parts.append(logits_of(ready(batch.to(where, torch.float32))).float())
    return torch.cat(parts).cpu().numpy()


def for_inference(model: EcgModel) -> EcgModel:
    """Return a copy in evaluation mode with batch norms folded into the convolutions before them.

    The CNN-LSTM normalises *before* its zero-padded convolutions, which cannot be folded exactly.
    """
    ready = copy.deepcopy(model).requires_grad_(False)
    for layers in [m for m in ready.modules() if isinstance(m, nn.ModuleList | nn.Sequential)]:
        for position, (conv, norm) in enumerate(pairwise(layers)):
            if isinstance(conv, nn.Conv1d | nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
                scale = norm.weight / torch.sqrt(variance + norm.eps)
                old = torch.zeros_like(mean) if conv.bias is None else conv.bias
                conv.bias = nn.Parameter((old - mean) * scale + norm.bias, requires_grad=False)
                conv.weight.mul_(scale.view(-1, *[1] * (conv.weight.dim() - 1)))
                layers[position + 1] = nn.Identity()
    return ready.eval()

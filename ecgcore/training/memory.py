"""One sentence for what a training cannot do on this machine, if possible before it starts."""

import contextlib
import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from ecgcore.errors import EcgcoreError
from ecgcore.models import EcgModel
from ecgcore.training.config import TrainConfig
from ecgcore.training.randomness import set_mask_source


def check_memory(
    model: EcgModel, config: TrainConfig, device: torch.device, signals: list[Tensor]
) -> None:
    """Raise :class:`EcgcoreError` unless the signals and one step may fit: a lower bound."""
    copied = [x for x in signals if device.type != "cpu" or x.dtype != torch.float32]
    needed = 4 * sum(x.numel() for x in copied)
    needed += 16 * sum(p.numel() for p in model.parameters())  # with gradients, Adam's moments
    needed += _activation_bytes(model, signals[0].shape[-1], config)
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        available = torch.cuda.mem_get_info(device)[0] + cached
    else:
        import psutil  # only needed here

        available = psutil.virtual_memory().available
    if needed > available:
        raise EcgcoreError(
            f"memory: the signals and one step with batches of {config.batch_size} records need "
            f"{needed / 2**30:.1f} GiB on {device}, but {available / 2**30:.1f} GiB are available; "
            "use a smaller batch_size, fewer records or a lower rate."
        )


def _activation_bytes(model: EcgModel, n_samples: int, config: TrainConfig) -> int:
    """Return what a step stores for its gradients, counted on meta tensors."""
    set_mask_source(model, None)
    ghost = copy.deepcopy(model).to("meta").train()
    stored: dict[int, torch.UntypedStorage] = {}

    def store(tensor: Tensor) -> Tensor:
        stored[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    try:
        with torch.autograd.graph.saved_tensors_hooks(store, lambda tensor: tensor):
            ghost(torch.empty(2, model.n_leads, n_samples, device="meta"))
    except RuntimeError:  # a layer of the user's own that cannot be computed without memory
        return 0
    for weight in (*ghost.parameters(), *ghost.buffers()):
        stored.pop(weight.untyped_storage()._cdata, None)
    rows = config.batch_size * (2 if config.local_fidelity else 1)  # records with their neighbours
    n_bytes = sum(storage.nbytes() for storage in stored.values()) * rows // 2
    return n_bytes // 2 if config.precision == "bf16" else n_bytes


@contextlib.contextmanager
def clear_errors(config: TrainConfig, device: torch.device) -> Iterator[None]:
    """Turn PyTorch's errors about a step into an :class:`EcgcoreError` that says what helps."""
    try:
        yield
    except RuntimeError as error:
        if "primitive descriptor" in str(error) and config.precision == "bf16":
            message = "precision: this CPU cannot compute the network in bf16; use fp32."
            raise EcgcoreError(message) from None
        if not isinstance(error, torch.OutOfMemoryError) and "not enough memory" not in str(error):
            raise
        size = config.batch_size
        raise EcgcoreError(
            f"out of memory on {device} with batches of {size} records; run it again with -p "
            f"batch_size={max(1, size // 2)}, or with precision 'bf16', which needs about half."
        ) from None

"""Which device computes, its memory, the switches that affect its numbers, and CUDA graphs."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from ecgcore.errors import EcgcoreError, check_choice
from ecgcore.models import EcgModel
from ecgcore.training.config import TrainConfig

_STORED_LAYERS = 10  # widest activations that a step stores for its gradients: 10 to 38 by network


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device ``cpu``, ``cuda``, ``cuda:1`` ..., ``mps``, or the best (``auto``).

    Raises :class:`EcgcoreError` if the name is unknown or this machine has no such device.
    """
    kind = name.partition(":")[0]
    check_choice("device", kind, ("auto", "cpu", "cuda", "mps"))
    n_cuda, has_mps = torch.cuda.device_count(), torch.backends.mps.is_available()
    if kind == "auto":
        best = torch.cuda.current_device() if n_cuda else "mps" if has_mps else "cpu"
        return torch.device(best)
    device = torch.device(name)
    n_devices = {"cpu": 1, "cuda": n_cuda, "mps": int(has_mps)}[kind]
    if (device.index or 0) >= n_devices:
        why = f"PyTorch {torch.__version__} sees {n_devices or 'no'} {kind.upper()} devices"
        raise EcgcoreError(f"device: there is no {name!r}: {why}; use 'auto' or 'cpu'.")
    return device


def device_summary(name: str = "auto") -> str:
    """Return one line about the device that ``name`` stands for."""
    device = resolve_device(name)
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        return f"{device} ({card.name}, {card.total_memory / 2**30:.0f} GiB)"
    if device.type == "mps":
        return "mps (Apple GPU)"
    n = torch.get_num_threads()
    return f"cpu ({n} thread{'' if n == 1 else 's'}, {torch.backends.cpu.get_cpu_capability()})"


@contextlib.contextmanager
def numerics(*, tf32: bool) -> Iterator[None]:
    """Allow only algorithms that always give the same bytes inside a block (free on a CPU).

    ``tf32`` lets CUDA round the inputs of convolutions and matrix products to 10 bits of mantissa.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    switches: list[tuple[Any, str, bool]] = [
        (torch.utils.deterministic, "fill_uninitialized_memory", False),
        (cudnn, "deterministic", True),
        (cudnn, "benchmark", False),
        (cudnn, "allow_tf32", tf32),
        (matmul, "allow_tf32", tf32),
    ]
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS demands it
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    with contextlib.ExitStack() as before:
        before.callback(torch.use_deterministic_algorithms, was_deterministic)
        torch.use_deterministic_algorithms(True)
        for place, name, value in switches:
            before.callback(setattr, place, name, getattr(place, name))
            setattr(place, name, value)
        yield


def check_memory(
    model: EcgModel, config: TrainConfig, device: torch.device, signals: list[Tensor]
) -> None:
    """Raise :class:`EcgcoreError` if the signals and one step cannot fit (a lower bound)."""
    copied = [x for x in signals if device.type != "cpu" or x.dtype != torch.float32]
    needed = 4 * sum(x.numel() for x in copied)
    needed += 16 * sum(p.numel() for p in model.parameters())  # with gradients, Adam's moments
    rows = config.batch_size * (2 if config.local_fidelity else 1)  # records with their neighbours
    number_bytes = 2 if config.precision == "bf16" else 4
    needed += number_bytes * _STORED_LAYERS * model.widest_units * signals[0].shape[-1] * rows
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


class RecordedSteps:
    """Replays a training step over batches of one fixed shape as a CUDA graph, one launch per step.

    Launching the few hundred small kernels of a step one by one costs more than computing them.
    ``step`` takes one optimiser step: positions ``(record,)`` to the loss before it. ``batches``
    are the positions ``(step, record)`` of an epoch; ``generator`` draws the dropout masks.
    Recording leaves every tensor of ``changed`` as it was.
    """

    def __init__(
        self,
        step: Callable[[Tensor], Tensor],
        batches: Tensor,
        changed: Callable[[], list[Tensor]],
        generator: torch.Generator,
        pool: Any,
    ) -> None:
        self.batches = batches.clone()
        self.position = torch.zeros(1, dtype=torch.int64, device=batches.device)
        self.losses = torch.zeros(len(batches), device=batches.device)
        with torch.no_grad():  # a copy with a graph would hold the weights to today's stream
            before = {id(tensor): tensor.clone() for tensor in changed()}
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):  # PyTorch asks for some: libraries choose their kernels
                step(self.batches[0])
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with warnings.catch_warnings():  # newer versions of PyTorch do it themselves, and warn
            warnings.simplefilter("ignore")
            self.graph.register_generator_state(generator)
        self.steps = torch.arange(len(batches), device=batches.device)  # the graph reads it
        with torch.cuda.graph(self.graph, pool=pool, stream=stream):
            loss = step(self.batches.index_select(0, self.position)[0])
            self.losses.copy_(torch.where(self.steps == self.position, loss, self.losses))
            self.position.add_(1)
        with torch.no_grad():
            for tensor in changed():
                old = before.get(id(tensor))
                tensor.zero_() if old is None else tensor.copy_(old)

    def run(self, batches: Tensor) -> Tensor:
        """Take one step per row of ``batches``; return the losses, shape ``(step,)``."""
        self.batches.copy_(batches)
        self.position.zero_()
        for _ in range(len(batches)):
            self.graph.replay()
        return self.losses.clone()

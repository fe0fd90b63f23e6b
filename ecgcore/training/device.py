"""Which device computes, and the switches of PyTorch and the C library that affect it."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from typing import Any

import torch

from ecgcore.errors import EcgcoreError
from ecgcore.models.base import check_choice


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device ``cpu``, ``cuda``, ``cuda:1`` ..., ``mps``, or the best (``auto``).

    Raises :class:`EcgcoreError` if the name is unknown or this machine has no such device.
    """
    kind = name.partition(":")[0]
    check_choice("device", kind, ("auto", "cpu", "cuda", "mps"))
    has_mps = torch.backends.mps.is_available()
    if kind == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if has_mps else "cpu")
    if kind == "cuda" and not torch.cuda.is_available():
        raise EcgcoreError(
            f"device: {name!r} was asked for, but PyTorch {torch.__version__} sees no CUDA device; "
            "use 'auto' or 'cpu', or install a CUDA build of PyTorch and its driver."
        )
    if kind == "mps" and not has_mps:
        raise EcgcoreError("device: 'mps' was asked for, but this is no Apple GPU; use 'auto'.")
    device, n_devices = torch.device(name), torch.cuda.device_count()
    if kind == "cuda" and (device.index or 0) >= n_devices:
        raise EcgcoreError(f"device: there is no {name!r} among {n_devices}, counted from 0.")
    return device


def device_summary(name: str = "auto") -> str:
    """Return one line about the device that ``name`` stands for."""
    device = resolve_device(name)
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        return f"{device} ({card.name}, {card.total_memory / 2**30:.0f} GiB)"
    if device.type == "mps":
        return "mps (Apple GPU)"
    return f"cpu ({torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()})"


@contextlib.contextmanager
def numerics(*, deterministic: bool, tf32: bool) -> Iterator[None]:
    """Set PyTorch's numerical switches for a block, and restore them afterwards.

    ``deterministic`` allows only algorithms that give the same bytes twice, which is free on a CPU;
    ``tf32`` lets CUDA round the inputs of convolutions and matrix products to 10 bits of mantissa.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    switches: list[tuple[Any, str, bool]] = [
        (torch.utils.deterministic, "fill_uninitialized_memory", False),
        (cudnn, "deterministic", deterministic),
        (cudnn, "benchmark", not deterministic),
        (cudnn, "allow_tf32", tf32),
        (matmul, "allow_tf32", tf32),
    ]
    before = [getattr(place, name) for place, name, _ in switches]
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    if deterministic:  # cuBLAS demands it before its first call
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        torch.use_deterministic_algorithms(deterministic)
        for place, name, value in switches:
            setattr(place, name, value)
        yield
    finally:
        torch.use_deterministic_algorithms(was_deterministic)
        for (place, name, _), value in zip(switches, before, strict=True):
            setattr(place, name, value)


def keep_heap() -> bool:
    """Tell glibc to keep freed memory; return whether it took effect (Linux with glibc).

    Otherwise each large training step on a CPU faults every page in again (CNN1D, 500 Hz, batch
    64: half of the time). It affects the whole process, so only the command line calls it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    m_trim_threshold, m_mmap_threshold, largest = -1, -3, 2**31 - 1
    options = (m_mmap_threshold, m_trim_threshold)
    return mallopt is not None and all(mallopt(option, largest) for option in options)

"""Which device computes, and the switches of PyTorch and the C library that decide how."""

import contextlib
import ctypes
import os
import shutil
import sys
from collections.abc import Iterator

import torch

from ecgcore.errors import EcgcoreError

DEVICES = ("auto", "cpu", "cuda", "mps")


def resolve_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto`` takes CUDA, then MPS, then the CPU.

    Parameters
    ----------
    name
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` … or ``mps``.

    Raises
    ------
    EcgcoreError
        If the name is unknown or this machine has no such device.
    """
    kind = name.partition(":")[0]
    if kind not in DEVICES:
        raise EcgcoreError(f"device: {name!r} is unknown; expected one of {', '.join(DEVICES)}.")
    if kind == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if kind == "cuda" and not torch.cuda.is_available():
        raise EcgcoreError(
            f"device: {name!r} was asked for, but PyTorch {torch.__version__} sees no CUDA device "
            "here; use device 'auto' or 'cpu', or install a CUDA build of PyTorch and its driver."
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise EcgcoreError("device: 'mps' was asked for, but this is no Apple GPU; use 'auto'.")
    device = torch.device(name)
    if kind == "cuda" and device.index is not None and device.index >= torch.cuda.device_count():
        raise EcgcoreError(
            f"device: {name!r} was asked for, but there are {torch.cuda.device_count()} CUDA "
            "devices, counted from 0."
        )
    return device


def device_summary(name: str = "auto") -> str:
    """One line about the device that ``name`` stands for."""
    device = resolve_device(name)
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        return f"{device} ({card.name}, {card.total_memory / 2**30:.0f} GiB)"
    if device.type == "mps":
        return "mps (Apple GPU)"
    return f"cpu ({torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()})"


@contextlib.contextmanager
def numerics(*, deterministic: bool, tf32: bool) -> Iterator[None]:
    """Set PyTorch's numerics for a block, and put back what was there.

    Parameters
    ----------
    deterministic
        Only algorithms that give the same bytes twice.  Costs nothing on a CPU; on CUDA it rules
        out the atomic-add kernels and cuDNN's search for the fastest convolution.
    tf32
        Let CUDA convolutions and matrix products round their inputs to TF32 (10 bits of
        mantissa).  PyTorch's default for convolutions; does nothing elsewhere.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        cudnn.deterministic,
        cudnn.benchmark,
        cudnn.allow_tf32,
        matmul.allow_tf32,
    )
    if deterministic:  # cuBLAS demands it before its first call
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

    def put(values: tuple[bool, ...]) -> None:
        torch.use_deterministic_algorithms(values[0])
        torch.utils.deterministic.fill_uninitialized_memory = values[1]  # type: ignore[attr-defined]
        cudnn.deterministic, cudnn.benchmark = values[2], values[3]
        cudnn.allow_tf32, matmul.allow_tf32 = values[4], values[5]

    try:
        put((deterministic, False, deterministic, not deterministic, tf32, tf32))
        yield
    finally:
        put(before)


def needs_compiler() -> None:
    """Raise EcgcoreError where ``torch.compile`` would find no C++ compiler."""
    if shutil.which("g++") is None:
        raise EcgcoreError("compile: no C++ compiler (g++) found; install one, or leave it off.")


def keep_heap() -> bool:
    """Tell glibc to keep freed memory instead of handing it back to the kernel.

    Large batches on a CPU allocate and free hundreds of MB a step; by default each step faults
    every page in again (CNN1D, 500 Hz, batch 64: half of the time).  The cost: the process stays
    at its peak memory until it ends.  Call it once, at the start of a program; it affects all of
    it, which is why only the command line does.

    Returns
    -------
    bool
        Whether it took effect (Linux with glibc).
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    m_trim_threshold, m_mmap_threshold, largest = -1, -3, 2**31 - 1
    return bool(mallopt(m_mmap_threshold, largest) and mallopt(m_trim_threshold, largest))

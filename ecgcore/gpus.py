"""Several GPUs, several runs: each run has one to itself."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock, Timeout

from ecgcore.errors import EcgcoreError

_AGAIN_S = 1.0


@contextlib.contextmanager
def claim(visible: str | None, folder: Path) -> Iterator[str]:
    """Have one GPU for the length of a block; wait if all are taken.

    Parameters
    ----------
    visible
        The GPUs to choose from, as in ``CUDA_VISIBLE_DEVICES``; None: all of this machine.
        A single one is nobody else's: a cluster gave it to this job.
    folder
        Where the claims are held, as locks that the system frees when their holder dies; the
        same for all processes of this machine.

    Yields
    ------
    str
        The value for ``CUDA_VISIBLE_DEVICES``.

    Raises
    ------
    EcgcoreError
        There is no GPU.
    """
    names = _names(visible)
    if len(names) == 1 and visible is not None:
        yield names[0]
        return
    while (free := _free(names, folder)) is None:
        time.sleep(_AGAIN_S)
    name, lock = free
    with lock:
        yield name


def _names(visible: str | None) -> Sequence[str]:
    if visible is None:
        import torch

        names = [str(number) for number in range(torch.cuda.device_count())]
    else:
        names = [name.strip() for name in visible.split(",") if name.strip()]
    if not names:
        raise EcgcoreError("one-gpu: there is no CUDA GPU here; leave it out to run on the CPU.")
    return names


def _free(names: Sequence[str], folder: Path) -> tuple[str, AbstractContextManager[object]] | None:
    """The first GPU that nobody has, and what gives it back; None if all are taken."""
    for name in names:
        lock = FileLock(folder / f"ecgcore-gpu-{name.replace('/', '_')}.lock")
        with contextlib.suppress(Timeout):
            return name, lock.acquire(timeout=0)
    return None

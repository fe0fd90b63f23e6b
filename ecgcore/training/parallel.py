"""One training shared out to several processes: one GPU each, or cores of a CPU.

Data parallel, and exact: every process has the whole model and takes its share of each batch.
Batch norm sees the statistics of the whole batch, dropout its own rows of the mask that the whole
batch would have drawn, the loss the logits of all; so the outcome is that of one process, but for
rounding.  A last, smaller batch that cannot be shared evenly is computed by all of them in full.
"""

import functools
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import (
    ProcessExitedException,
    ProcessRaisedException,
    start_processes,
)

from ecgcore.errors import EcgcoreError
from ecgcore.models import EcgModel, IMNOutput
from ecgcore.training.config import TrainConfig
from ecgcore.training.device import resolve_device
from ecgcore.training.fold import Data, Fold
from ecgcore.training.steps import Group
from ecgcore.training.streams import Masks, set_masks
from ecgcore.training.weights import load_model, load_weights, save_weights

START_METHOD = "spawn"
"""Of the processes; a CUDA device cannot be used in a forked one."""

_SILENCE = timedelta(minutes=30)
"""How long a process waits for the others; compiling or a stall may take minutes."""


@dataclass
class Share:
    """Which part of the present batch is this process's."""

    rank: int
    world: int
    n_records: int = 0
    """Of the whole batch; 0 where each process computes all of it."""

    @property
    def rows(self) -> slice:
        """The rows of the whole batch that are this process's."""
        each = self.n_records // self.world
        return slice(self.rank * each, (self.rank + 1) * each)


class SharedGroup(Group):
    """Folds whose batches are computed as one, by several processes."""

    def __init__(
        self, folds: Sequence[Fold], data: Data, device: torch.device, *, rank: int, world: int
    ) -> None:
        super().__init__(folds, data, device)
        self.share = Share(rank, world)
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.__dict__["share"] = self.share
                kind = type("Shared", (SharedNorm, type(module)), {})
                module.__class__ = kind  # the same parameters, buffers and name
        masks = [functools.partial(_masks, self.share, fold.masks) for fold in self.folds]
        set_masks(self.model, masks)
        self.whole, self.forward = self.forward, self._shared

    def _shared(self, x: Tensor) -> Any:
        """Outputs for the whole batch, of which this process computes its share."""
        if len(x) % self.share.world:
            return self.whole(x)
        self.share.n_records = len(x)
        try:
            output = self.whole(x[self.share.rows])
        finally:
            self.share.n_records = 0
        if isinstance(output, IMNOutput):
            return IMNOutput(*(_Gather.apply(part) for part in output))  # type: ignore[no-untyped-call]
        return _Gather.apply(output)  # type: ignore[no-untyped-call]

    def backward(self, losses: Tensor, n_records: int) -> None:
        """Gradients of the whole batch, in every process."""
        super().backward(losses, n_records)
        if n_records % self.share.world:
            return
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        together = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(together)
        parts = torch.split(together, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


class SharedNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm with the statistics of the whole batch.

    :class:`torch.nn.SyncBatchNorm` does this on GPUs only, where it cannot be tested without some.
    """

    share: Share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.share.n_records:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        shape, rest = (1, -1, *[1] * (x.dim() - 2)), (0, *range(2, x.dim()))
        wide = x.float()
        mean = _Sum.apply(wide.mean(rest)) / self.share.world  # type: ignore[no-untyped-call]
        centred = wide - mean.view(shape)
        spread = centred.square().mean(rest)
        variance = _Sum.apply(spread) / self.share.world  # type: ignore[no-untyped-call]
        n = x.numel() // x.shape[1] * self.share.world
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum or 0.0)
            self.running_var.lerp_(variance * n / (n - 1), self.momentum or 0.0)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        normed: Tensor = centred * scale.view(shape) + self.bias.view(shape)
        return normed.to(x.dtype)


class _Sum(torch.autograd.Function):
    """Sum over processes; so is the gradient, as each uses the sum."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


class _Gather(torch.autograd.Function):
    """Rows of all processes; each computes the same loss of them, so the gradient is at hand."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format)
                 for _ in range(dist.get_world_size())]  # fmt: skip
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        own: Tensor = torch.chunk(gradient, dist.get_world_size())[dist.get_rank()]
        return own


def _masks(share: Share, masks: Masks, shape: torch.Size, p: float, where: torch.device) -> Tensor:
    """This process's rows of the mask that one process would have drawn."""
    if not share.n_records:
        return masks(shape, p, where)
    return masks(torch.Size([share.n_records, *shape[1:]]), p, where)[share.rows]


# Starting the processes and bringing home what they found

Arrays = tuple[Any, Any, Any, Any]


def fit_in_processes(
    models: Sequence[EcgModel],
    arrays: Arrays,
    splits: Sequence[tuple[Any, Any]],
    config: TrainConfig,
    seeds: Sequence[int] | None,
    directory: Path | None,
) -> list[dict[str, Any]]:
    """Train in ``config.processes`` processes; the models here get the weights that were found.

    Returns
    -------
    list of dict
        What :class:`ecgcore.train.FitResult` holds, one a fold.

    Raises
    ------
    EcgcoreError
        Fewer GPUs than processes, or what one of the processes raised.
    """
    device = resolve_device(config.device)
    if device.type == "cuda" and torch.cuda.device_count() < config.processes:
        raise EcgcoreError(
            f"processes: {config.processes} were asked for, one GPU each, but there are "
            f"{torch.cuda.device_count()} GPUs here."
        )
    with tempfile.TemporaryDirectory(prefix="ecgcore-") as name:
        place = Path(name)
        for key, value in zip(_KEYS, arrays, strict=True):
            np.save(place / f"{key}.npy", np.asarray(value))
        for number, model in enumerate(models):
            save_weights(model, place / f"model_{number}.safetensors")
        job = _Job(place, device.type, config, splits, seeds, directory)
        context = start_processes(  # type: ignore[no-untyped-call]
            _work, args=(job,), nprocs=config.processes, join=False, start_method=START_METHOD
        )
        try:
            while not context.join():
                pass
        except (ProcessRaisedException, ProcessExitedException) as error:
            raise _told(place, error) from None
        for number, model in enumerate(models):
            load_weights(model, place / f"found_{number}.safetensors")
        return list(json.loads((place / "found.json").read_text(encoding="utf-8")))


_KEYS = ("x_train", "y_train", "x_valid", "y_valid")


@dataclass(frozen=True)
class _Job:
    place: Path
    device: str
    config: TrainConfig
    splits: Sequence[tuple[Any, Any]]
    seeds: Sequence[int] | None
    directory: Path | None


def _work(rank: int, job: _Job) -> None:
    """One process: the ordinary loop, on shared batches."""
    from ecgcore import train

    world = job.config.processes
    device = torch.device(f"cuda:{rank}" if job.device == "cuda" else job.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    else:
        torch.set_num_threads(max(1, torch.get_num_threads() // world))
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo", init_method=f"file://{job.place}/meeting",
        rank=rank, world_size=world, timeout=_SILENCE,
    )  # fmt: skip
    try:
        arrays = [np.load(job.place / f"{key}.npy", mmap_mode="c") for key in _KEYS]
        files = [job.place / f"model_{number}.safetensors" for number in range(len(job.splits))]
        models = [load_model(file) for file in files]
        group = functools.partial(SharedGroup, rank=rank, world=world)
        results = train.fit_once(
            models, tuple(arrays), job.splits, job.config, job.seeds, job.directory,
            None if rank == 0 else False, device, group, is_first=rank == 0,
        )  # fmt: skip
        if rank == 0:
            for number, model in enumerate(models):
                save_weights(model, job.place / f"found_{number}.safetensors")
            text = json.dumps([train.as_plain(result) for result in results])
            (job.place / "found.json").write_text(text, encoding="utf-8")
    except EcgcoreError as error:
        told = {"sentence": str(error), "fits": getattr(error, "fits", None)}
        (job.place / f"error_{rank}.json").write_text(json.dumps(told), encoding="utf-8")
        raise
    finally:
        dist.destroy_process_group()


def _told(place: Path, error: Exception) -> EcgcoreError:
    from ecgcore.training.memory import OutOfMemory

    for file in sorted(place.glob("error_*.json")):
        told = json.loads(file.read_text(encoding="utf-8"))
        if told["fits"] is not None:
            return OutOfMemory(told["sentence"], told["fits"])
        return EcgcoreError(told["sentence"])
    return EcgcoreError(f"processes: one of them ended early ({str(error).splitlines()[-1]}).")

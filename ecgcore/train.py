"""One training loop for every model, on CPU, CUDA and MPS, for one fold or for several at once.

Read :func:`fit_folds` from top to bottom for the whole of it.  The signals lie on the device,
batches are positions in them, and nothing waits for the device inside an epoch.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from tqdm import tqdm

from ecgcore.errors import EcgcoreError
from ecgcore.models import EcgModel
from ecgcore.training import checkpoint
from ecgcore.training.config import (
    IMN_PLUS,
    PAPER_A,
    PAPER_A_CATEGORICAL,
    PAPER_B,
    TrainConfig,
)
from ecgcore.training.device import device_summary, keep_heap, numerics, resolve_device
from ecgcore.training.fold import Data, Fold, Row, make_fold
from ecgcore.training.graphs import Graphs
from ecgcore.training.inference import predict, predict_logits
from ecgcore.training.memory import told_in_words, with_batches_that_fit
from ecgcore.training.steps import Group, GroupKind, plan_epoch
from ecgcore.training.streams import epoch_order, set_masks
from ecgcore.training.weights import load_model, load_weights, save_weights

__all__ = [
    "IMN_PLUS",
    "PAPER_A",
    "PAPER_A_CATEGORICAL",
    "PAPER_B",
    "FitResult",
    "TrainConfig",
    "device_summary",
    "epoch_order",
    "fit",
    "fit_folds",
    "keep_heap",
    "load_model",
    "load_weights",
    "predict",
    "predict_logits",
    "recipe",
    "resolve_device",
    "save_weights",
]


def recipe(name: str) -> TrainConfig:
    """How study A trains a network of that name, unless it is asked for something else."""
    known = {"imn": PAPER_A, "imn_plus": IMN_PLUS}
    return known.get(name, PAPER_A_CATEGORICAL)


Signals = NDArray[np.generic] | Tensor
Progress = bool | Callable[[int, Row], None] | None
Positions = tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True)
class FitResult:
    """How a training went; the model itself holds the weights of ``best_epoch``."""

    history: pd.DataFrame
    """A row an epoch: losses, validation metrics, learning rate, seconds, records a second."""
    best_epoch: int
    seconds: float
    records_per_s: float
    """Training records, validation time included."""
    device: str
    batch_size: int
    """What was asked for, or less where ``halve_batch`` made it so."""


def fit(
    model: EcgModel,
    x_train: Signals,
    y_train: ArrayLike,
    x_valid: Signals,
    y_valid: ArrayLike,
    config: TrainConfig,
    *,
    checkpoint_dir: str | Path | None = None,
    progress: Progress = None,
) -> FitResult:
    """Train one model; afterwards it holds the weights of its best epoch on the validation part.

    Parameters
    ----------
    model
        From :func:`ecgcore.models.build`; it is moved to the device.
    x_train, x_valid
        Shape ``(record, lead, sample)``; float32, or int16 in units of the converter.
    y_train, y_valid
        0 or 1, shape ``(record,)``.
    config
        See :class:`TrainConfig`; :data:`PAPER_A`, :data:`PAPER_A_CATEGORICAL`, :data:`PAPER_B`.
    checkpoint_dir
        Where the state is kept after each epoch.  If one is there the training goes on from it and
        ends with the same bytes as if it had never stopped.
    progress
        None: a bar with records/s and time left in a terminal, silent elsewhere (papermill); True
        or False: always or never; a function: called with (fold, row of the history) each epoch.

    Raises
    ------
    EcgcoreError
        When the device is not there, a class is missing, signals or loss are not finite, memory
        does not suffice, or the checkpoint is of another training.
    """
    data = (x_train, y_train, x_valid, y_valid)
    positions = (np.arange(len(x_train)), np.arange(len(x_valid)))
    return _fit([model], data, [positions], config, None, checkpoint_dir, progress)[0]


def fit_folds(
    models: Sequence[EcgModel],
    x: Signals,
    y: ArrayLike,
    splits: Sequence[Positions],
    config: TrainConfig,
    *,
    seeds: Sequence[int] | None = None,
    checkpoint_dir: str | Path | None = None,
    progress: Progress = None,
) -> list[FitResult]:
    """Train the folds of one cross-validation at once, as one batched model.

    Equal, within floating-point tolerance, to calling :func:`fit` for one after another.

    Parameters
    ----------
    models
        One a fold, of one architecture and size.
    x, y
        All records, ``(record, lead, sample)`` and ``(record,)``.
    splits
        For each fold the positions (not ecg_ids) of its train and valid records in ``x``.
    config
        Of all folds.
    seeds
        One a fold; by default ``config.seed`` for each, as paper B does.
    checkpoint_dir, progress
        As in :func:`fit`.

    Returns
    -------
    list of FitResult
        In the order of ``models``; seconds and rates are those of the whole.
    """
    return _fit(models, (x, y, x, y), splits, config, seeds, checkpoint_dir, progress)


def _fit(
    models: Sequence[EcgModel],
    arrays: tuple[Signals, ArrayLike, Signals, ArrayLike],
    splits: Sequence[Positions],
    config: TrainConfig,
    seeds: Sequence[int] | None,
    checkpoint_dir: str | Path | None,
    progress: Progress,
) -> list[FitResult]:
    if len(models) != len(splits) or len({(m.spec.name, m.n_samples) for m in models}) != 1:
        raise EcgcoreError(
            f"fit_folds: {len(models)} models for {len(splits)} splits; expected one model a "
            "split, all of one architecture and size."
        )
    device = resolve_device(config.device)
    directory = None if checkpoint_dir is None else Path(checkpoint_dir)

    def once(config: TrainConfig, directory: Path | None) -> list[FitResult]:
        if config.processes == 1:
            return fit_once(models, arrays, splits, config, seeds, directory, progress, device)
        from ecgcore.training.parallel import fit_in_processes

        found = fit_in_processes(models, arrays, splits, config, seeds, directory)
        return [FitResult(**{**one, "history": pd.DataFrame(one["history"])}) for one in found]

    return with_batches_that_fit(models, config, directory, once)


def fit_once(
    models: Sequence[EcgModel],
    arrays: tuple[Signals, ArrayLike, Signals, ArrayLike],
    splits: Sequence[Positions],
    config: TrainConfig,
    seeds: Sequence[int] | None,
    directory: Path | None,
    progress: Progress,
    device: torch.device,
    make_group: GroupKind = Group,
    *,
    is_first: bool = True,
) -> list[FitResult]:
    """Train as :func:`fit_folds` says, in this process.

    Parameters
    ----------
    make_group
        What computes a step; :mod:`ecgcore.training.parallel` has one that shares batches.
    is_first
        Whether this process, of those that share a training, writes the checkpoints.
    """
    with numerics(deterministic=config.deterministic, tf32=config.tf32):
        data = _to_device(arrays, device)
        labels = (data.y_train.cpu().numpy(), data.y_valid.cpu().numpy())
        folds = []
        for number, (model, split) in enumerate(zip(models, splits, strict=True)):
            train, valid = (np.asarray(part, dtype=np.int64) for part in split)
            seed = config.seed if seeds is None else seeds[number]
            folds.append(make_fold(number, model, config, seed, labels, (train, valid), device))
        with _bar(folds, config, progress) as bar:
            tell = partial(_tell, bar, progress)
            kind = lambda active: make_group(active, data, device)  # noqa: E731
            _loop(folds, data, directory, kind, tell, saves=is_first)
    return [_close(fold, device) for fold in folds]


def _loop(
    folds: Sequence[Fold],
    data: Data,
    directory: Path | None,
    make_group: Callable[[Sequence[Fold]], Group],
    tell: Callable[[Row, Fold], None],
    *,
    saves: bool,
) -> None:
    """Epoch after epoch, until every fold has finished."""
    who = checkpoint.identity(folds, data) if directory else {}
    epoch = checkpoint.load(directory, folds, who) if directory else 0
    group, alone, graphs = None, {}, Graphs()
    while active := [fold for fold in folds if not fold.finished]:
        if group is None or group.folds != active:  # finished folds are taken out
            group, graphs = make_group(active), Graphs()
            alone = {f.number: group if len(active) == 1 else make_group([f]) for f in active}
        epoch += 1
        start = time.perf_counter()
        losses = _train_epoch(group, alone, graphs, epoch)
        logits = group.valid_logits()
        seconds = time.perf_counter() - start
        for fold, fold_logits in zip(active, logits, strict=True):
            tell(fold.close_epoch(epoch, losses[fold.number], fold_logits, seconds), fold)
        if directory and saves:
            checkpoint.save(directory, folds, epoch, who)


def _train_epoch(
    group: Group, alone: dict[int, Group], graphs: Graphs, epoch: int
) -> dict[int, float]:
    """All steps of an epoch; returns the mean training loss of each fold."""
    blocks = plan_epoch(group, alone, epoch)
    with told_in_words(group):
        if group.can_be_recorded:
            runs = [graphs.get(*block).run for block in blocks]
        else:
            runs = [block[0].run for block in blocks]
        for fold in group.folds:
            fold.model.train()
            fold.masks.start(fold.seed, epoch)
        group.model.train()
        parts = [run(order) for run, (_, order) in zip(runs, blocks, strict=True)]
        parts = [part.cpu() for part in parts]  # the one wait for the device
    means = {}
    for fold in group.folds:
        own = [
            (part[:, members.index(fold.number)].double(), order.shape[1])
            for part, (members, order) in zip(
                parts, [([f.number for f in g.folds], o) for g, o in blocks], strict=True
            )
            if fold.number in members
        ]
        _check_finite(fold, epoch, torch.cat([losses for losses, _ in own]))
        n_records = sum(len(losses) * size for losses, size in own)
        means[fold.number] = float(sum(losses.sum() * size for losses, size in own) / n_records)
    return means


def _check_finite(fold: Fold, epoch: int, losses: Tensor) -> None:
    bad = (~losses.isfinite()).nonzero()
    if len(bad):
        step = int(bad[0])
        raise EcgcoreError(
            f"fold {fold.number}: the training loss became {float(losses[step])} in epoch {epoch}, "
            f"step {step + 1} of {len(losses)}, at learning rate "
            f"{fold.schedule.learning_rate:g}; try a smaller learning_rate or clip_norm=1.0."
        )


def _to_device(arrays: tuple[Signals, ArrayLike, Signals, ArrayLike], device: torch.device) -> Data:
    x_train, y_train, x_valid, y_valid = arrays
    for part, x, y in (("train", x_train, y_train), ("valid", x_valid, y_valid)):
        if x.ndim != 3 or len(x) != len(np.asarray(y)):
            raise EcgcoreError(
                f"{part} part: signals of shape {tuple(x.shape)} and {len(np.asarray(y))} labels; "
                "expected (record, lead, sample) and one label a record."
            )
    train = _resident(x_train, device, "train")
    valid = train if x_valid is x_train else _resident(x_valid, device, "valid")
    labels = [torch.from_numpy(np.array(y, dtype=np.int64)).to(device) for y in (y_train, y_valid)]
    return Data(train, labels[0], valid, labels[1])


def _resident(x: Signals, device: torch.device, part: str) -> Tensor:
    kept = (torch.int16, torch.float32)
    tensor = torch.as_tensor(x).to(device)
    tensor = tensor if tensor.dtype in kept else tensor.float()
    if tensor.dtype == torch.float32 and not math.isfinite(float(tensor.sum())):
        bad = (~tensor.isfinite().all(2).all(1)).nonzero().flatten().tolist()
        raise EcgcoreError(
            f"{part} part: the signals of {len(bad)} record(s) hold NaN or infinity, the first at "
            f"position {bad[0]}; ecgcore.signals.preprocess removes them."
        )
    return tensor


def _close(fold: Fold, device: torch.device) -> FitResult:
    """Give the model its best weights, in memory of its own, and plain dropout again."""
    for name, tensor in [*fold.model.named_parameters(), *fold.model.named_buffers()]:
        tensor.data = fold.best[name].clone()
        tensor.grad = None
    set_masks(fold.model, None)
    fold.model.eval()
    history = pd.DataFrame(fold.history).astype({"epoch": int})
    seconds = float(history["seconds"].sum())
    return FitResult(
        history=history,
        best_epoch=fold.stopping.best_epoch,
        seconds=seconds,
        records_per_s=len(fold.train_index) * len(history) / seconds,
        device=device_summary(str(device)),
        batch_size=fold.config.batch_size,
    )


def as_plain(result: FitResult) -> dict[str, object]:
    """A result as JSON can hold it."""
    return {**asdict(result), "history": result.history.to_dict("list")}


def _bar(folds: Sequence[Fold], config: TrainConfig, progress: Progress) -> "tqdm[None]":
    total = config.epochs * sum(len(fold.train_index) for fold in folds)
    hidden = None if progress is None else progress is not True
    return tqdm(total=total, unit="record", unit_scale=True, disable=hidden)


def _tell(bar: "tqdm[None]", progress: Progress, row: Row, fold: Fold) -> None:
    bar.set_postfix(epoch=int(row["epoch"]), loss=f"{row['train_loss']:.3f}", refresh=False)
    bar.update(len(fold.train_index))
    if callable(progress):
        progress(fold.number, row)

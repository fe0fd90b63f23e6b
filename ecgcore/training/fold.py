"""One network in training: its optimiser, its streams, its history."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Adam, AdamW

from ecgcore.errors import EcgcoreError
from ecgcore.metrics import balanced_subset, evaluate, positive_probability
from ecgcore.models import EcgModel
from ecgcore.models.layers import arrange_weights
from ecgcore.training.config import TrainConfig
from ecgcore.training.losses import class_weights, fold_losses
from ecgcore.training.schedule import EarlyStopping, Schedule
from ecgcore.training.streams import Masks, epoch_order, masks_for, set_masks

Ints = NDArray[np.int64]
Row = dict[str, float]


@dataclass
class Data:
    """Signals and labels on the device; folds hold positions in them."""

    x_train: Tensor
    y_train: Tensor
    x_valid: Tensor
    y_valid: Tensor


@dataclass
class Fold:
    """One network in training; what a checkpoint keeps of it is said in ``checkpoint.py``."""

    number: int
    model: EcgModel
    config: TrainConfig
    seed: int
    train_index: Ints
    valid_index: Ints
    y_valid: Ints
    class_weights: NDArray[np.float32]
    masks: Masks
    optimiser: Adam
    schedule: Schedule
    stopping: EarlyStopping = field(default_factory=EarlyStopping)
    history: list[Row] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    finished: bool = False

    def order(self, epoch: int) -> Ints:
        """Positions of the training records in the order of that epoch."""
        return self.train_index[epoch_order(self.seed, epoch, len(self.train_index))]

    def close_epoch(self, epoch: int, train_loss: float, logits: Tensor, seconds: float) -> Row:
        """Write the history, keep the best weights, set the learning rate, decide to go on."""
        config, rate = self.config, self.schedule.learning_rate
        scores = evaluate(self.y_valid, positive_probability(logits.numpy()))
        valid_loss = self._valid_loss(logits)
        row: Row = {
            "epoch": epoch,
            "train_loss": train_loss,
            "valid_loss": valid_loss,
            **{f"valid_{name}": scores[name] for name in ("accuracy", "f1", "auroc")},
            "learning_rate": rate,
            "seconds": seconds,
            "records_per_s": len(self.train_index) / seconds,
        }
        self.history.append(row)
        value = -valid_loss if config.monitor == "loss" else scores[config.monitor]
        if self.stopping.better(epoch, value):
            self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        tired = config.patience is not None and self.stopping.waited >= config.patience
        self.finished = tired or epoch >= config.epochs
        set_learning_rate(self.optimiser, self.schedule.after(epoch, valid_loss, config))
        return row

    def _valid_loss(self, logits: Tensor) -> float:
        weights = torch.from_numpy(self.class_weights)[None]
        y = torch.from_numpy(self.y_valid)[:, None]
        return float(fold_losses(logits[:, None], y, weights, self.config.loss, 0.0))


def set_learning_rate(optimiser: Adam, value: float) -> None:
    """Of every parameter group; in place where the rate lives on the device."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(value)
        else:
            group["lr"] = value


def make_fold(
    number: int,
    model: EcgModel,
    config: TrainConfig,
    seed: int,
    labels: tuple[Ints, Ints],
    index: tuple[Ints, Ints],
    device: torch.device,
) -> Fold:
    """Check one fold's labels and make everything that its training needs."""
    train_index, valid_index = index
    y_train, y_valid = labels[0][train_index], labels[1][valid_index]
    _check_classes(number, y_train, y_valid)
    _check_outputs(model, config)
    if config.balance == "downsample":
        kept = balanced_subset(y_train, seed)
        train_index, y_train = train_index[kept], y_train[kept]
    model.to(device)
    model.plain = config.arithmetic == "plain"
    if not model.plain:
        arrange_weights(model)
    masks = masks_for(device, fast=config.arithmetic == "fast")
    set_masks(model, [masks])
    return Fold(
        number=number,
        model=model,
        config=config,
        seed=seed,
        train_index=train_index,
        valid_index=valid_index,
        y_valid=y_valid,
        class_weights=class_weights(y_train, config.loss, balance=config.balance == "weights"),
        masks=masks,
        optimiser=make_optimiser(model, config, device),
        schedule=Schedule(config.learning_rate),
    )


def make_optimiser(model: EcgModel, config: TrainConfig, device: torch.device) -> Adam:
    """Adam or AdamW, fused where the device has it, fit for CUDA graphs on CUDA."""
    kind = AdamW if config.optimiser == "adamw" else Adam
    fused = config.arithmetic == "fast" and device.type in ("cpu", "cuda")
    on_cuda = device.type == "cuda"
    rate = torch.tensor(config.learning_rate, device=device) if on_cuda else config.learning_rate
    return kind(
        model.parameters(),
        lr=rate,
        weight_decay=config.weight_decay,
        fused=fused or None,
        foreach=None if fused else True,
        capturable=on_cuda,
    )


def _check_classes(number: int, y_train: Ints, y_valid: Ints) -> None:
    for part, y in (("train", y_train), ("valid", y_valid)):
        if len(y) == 0:
            raise EcgcoreError(f"fold {number}: the {part} part has no records.")
        odd = sorted(set(np.unique(y).tolist()) - {0, 1})
        if odd:
            raise EcgcoreError(f"fold {number}: labels must be 0 or 1, the {part} part has {odd}.")
        for value, name in ((0, "negative"), (1, "positive")):
            if not (y == value).any():
                raise EcgcoreError(
                    f"fold {number}: the {part} part has no {name} record among {len(y)}; take "
                    "more records, fewer folds or another task."
                )


def _check_outputs(model: EcgModel, config: TrainConfig) -> None:
    needed = 1 if config.loss == "bce_pos_weight" else 2
    if model.n_outputs != needed:
        fitting = "bce_pos_weight" if model.n_outputs == 1 else "cross_entropy"
        raise EcgcoreError(
            f"loss: {config.loss!r} needs a model with {needed} output(s), {model.spec.name} has "
            f"{model.n_outputs}; use loss {fitting!r}."
        )

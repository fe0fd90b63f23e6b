"""Optimisation steps of the folds that train together, and their validation."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ecgcore.models import EcgModel, logits_of
from ecgcore.models.layers import Dropout
from ecgcore.training import fidelity
from ecgcore.training.device import needs_compiler
from ecgcore.training.fold import Data, Fold
from ecgcore.training.folds import share_gradients, stack
from ecgcore.training.inference import batch_for, for_inference, to_mv
from ecgcore.training.losses import fold_losses
from ecgcore.training.streams import set_masks


class Group:
    """Folds whose batches are computed as one.

    A step takes one batch a fold.  The folds share nothing but the kernels: each has its own
    records, batch statistics, masks, gradient norm, learning rate and optimiser state.
    """

    def __init__(self, folds: Sequence[Fold], data: Data, device: torch.device) -> None:
        self.folds, self.data, self.device = list(folds), data, device
        self.config = self.folds[0].config
        self.model = stack([fold.model for fold in folds])
        set_masks(self.model, [fold.masks for fold in folds])
        self.forward = _compiled(self.model) if self.config.compile else self.model
        self.can_be_recorded = (
            device.type == "cuda"
            and self.config.cuda_graph
            and not self.config.compile
            and self.config.processes == 1
        )
        weights = np.stack([fold.class_weights for fold in folds])
        self.weights = None if (weights == 1).all() else torch.from_numpy(weights).to(device)

    def losses(self, index: Tensor) -> Tensor:
        """Loss of one batch a fold: positions ``(record, fold)`` to losses ``(fold,)``."""
        rows = index.flatten()
        x = self.data.x_train.index_select(0, rows)
        x = x.view(*index.shape, *x.shape[1:])
        y = self.data.y_train.index_select(0, rows).view(index.shape)
        x, config = to_mv(x, self.config.adu_per_mv), self.config
        if config.local_fidelity:
            return self._losses_with_fidelity(x, y)
        with autocast(self.device, config.precision):
            output = self.forward(x)
        return fold_losses(output, y, self.weights, config.loss, config.weight_l1)

    def _losses_with_fidelity(self, x: Tensor, y: Tensor) -> Tensor:
        """One pass over the records and their neighbours, so that both see the same statistics."""
        config = self.config
        masks = [fold.masks for fold in self.folds]
        near = fidelity.neighbours(x, masks, self.folds[0].model.spec.rate_hz)
        with autocast(self.device, config.precision):
            output, nearby = fidelity.halves(self.forward(torch.cat([x, near])))
        loss = fold_losses(output, y, self.weights, config.loss, config.weight_l1)
        return loss + config.local_fidelity * fidelity.penalty(output, nearby.logits, near)

    def step(self, index: Tensor) -> Tensor:
        """One optimiser step of every fold on its batch; returns the losses before it."""
        losses = self.losses(index)
        self.model.zero_grad(set_to_none=True)
        self.backward(losses, len(index))
        share_gradients(self.model, [fold.model for fold in self.folds])
        for fold in self.folds:
            if self.config.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(fold.model.parameters(), self.config.clip_norm)
            fold.optimiser.step()
        return losses.detach()

    def backward(self, losses: Tensor, n_records: int) -> None:
        """Gradients of the folds' losses on a batch of so many records."""
        losses.sum().backward()  # type: ignore[no-untyped-call]

    def run(self, order: Tensor) -> Tensor:
        """Steps over ``order (step, record, fold)``; losses ``(step, fold)``, on the device."""
        return torch.stack([self.step(index) for index in order])

    @torch.no_grad()
    def valid_logits(self) -> list[Tensor]:
        """Validation logits of every fold, ``(record, output)`` each, on the CPU."""
        ready = for_inference(self.model)
        size = batch_for(self.model, self.data.x_valid.shape[-1], self.device)
        longest = max(len(fold.valid_index) for fold in self.folds)
        size = min(size, longest)
        padded = [np.resize(fold.valid_index, longest) for fold in self.folds]
        index = torch.from_numpy(np.stack(padded, axis=1)).to(self.device)
        parts = []
        for rows in torch.split(index, size):
            x = self.data.x_valid.index_select(0, rows.flatten())
            x = x.view(*rows.shape, *x.shape[1:])
            with autocast(self.device, self.config.precision):
                parts.append(logits_of(ready(to_mv(x, self.config.adu_per_mv))).float())
        logits = torch.cat(parts).cpu()
        return [logits[: len(fold.valid_index), k] for k, fold in enumerate(self.folds)]

    def tensors(self) -> list[Tensor]:
        """Everything that a step changes: weights, statistics, optimiser state."""
        changed: list[Tensor] = [*self.model.parameters(), *self.model.buffers()]
        for fold in self.folds:
            for state in fold.optimiser.state.values():
                changed += [value for value in state.values() if isinstance(value, Tensor)]
        return changed


GroupKind = Callable[[Sequence[Fold], Data, torch.device], Group]
"""Makes what computes the steps of some folds."""


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """bfloat16 where PyTorch thinks it safe, if asked for."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


Block = tuple[Group, Tensor]
"""Steps that a group takes: positions ``(step, record, fold)``."""


def plan_epoch(group: Group, alone: dict[int, Group], epoch: int) -> list[Block]:
    """All steps of an epoch: whole batches together, then what is left of each fold by itself.

    A fold sees the batches that it would see alone, in the same order: sizes differ between folds,
    and a last, smaller batch must not share its statistics' size with others.
    """
    size = group.config.batch_size
    orders = [fold.order(epoch) for fold in group.folds]
    n_common = min(len(order) for order in orders) // size
    blocks: list[Block] = []
    if n_common:
        whole = [order[: n_common * size].reshape(n_common, size) for order in orders]
        blocks.append((group, _on(group, np.stack(whole, axis=2))))
    for fold, order in zip(group.folds, orders, strict=True):
        rest = order[n_common * size :]
        n_whole = len(rest) // size
        single = alone[fold.number]
        if n_whole:
            whole_batches = rest[: n_whole * size].reshape(n_whole, size, 1)
            blocks.append((single, _on(single, whole_batches)))
        if len(rest) % size:
            blocks.append((single, _on(single, rest[n_whole * size :].reshape(1, -1, 1))))
    return blocks


def _on(group: Group, order: np.ndarray) -> Tensor:  # type: ignore[type-arg]
    return torch.from_numpy(np.ascontiguousarray(order)).to(group.device)


def _compiled(model: EcgModel) -> Callable[[Tensor], Tensor]:
    needs_compiler()
    for module in model.modules():
        if isinstance(module, Dropout):
            module.outside_graph()
    return cast(Callable[[Tensor], Tensor], torch.compile(model))

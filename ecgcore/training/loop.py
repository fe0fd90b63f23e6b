"""One training loop for every model, on CPU, CUDA and MPS.

Read :func:`fit` from top to bottom to see all of it. Signals and labels are on the device, a batch
is a list of positions in them, and nothing waits for the device inside an epoch.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.optim import Adam, AdamW, lr_scheduler

from ecgcore import progress, statistics
from ecgcore.arrays import Floats32, Ints, Signals
from ecgcore.errors import EcgcoreError
from ecgcore.models import EcgModel
from ecgcore.models.base import arrange_weights
from ecgcore.statistics.scores import binary
from ecgcore.training import device as devices
from ecgcore.training.checkpoint import load_checkpoint, save_checkpoint, training_identity
from ecgcore.training.config import TrainConfig, resolve_precision
from ecgcore.training.losses import batch_loss, class_weights, fidelity_penalty, neighbours
from ecgcore.training.prediction import predict_logits
from ecgcore.training.randomness import Masks, epoch_order, set_mask_source

Row = dict[str, float]


class FitResult(NamedTuple):
    """How training went; the model itself holds the weights of ``best_epoch``."""

    history: pd.DataFrame  # per epoch: losses, metrics, learning rate, seconds, records per s
    best_epoch: int
    seconds: float
    records_per_s: float  # validation time included
    device: str
    precision: str  # fp32 or bf16, as used
    needs_more_epochs: bool  # the best epoch is among the last three: training was cut short


def fit(
    model: EcgModel,
    x_train: Signals | Tensor,
    y_train: ArrayLike,
    x_valid: Signals | Tensor,
    y_valid: ArrayLike,
    config: TrainConfig,
    *,
    checkpoint_dir: str | Path | None = None,
) -> FitResult:
    """Train one model; afterwards it holds the weights of its best epoch on the validation part.

    Signals have shape ``(record, lead, sample)``, labels ``(record,)`` are 0 or 1. The state is
    saved in ``checkpoint_dir`` after each epoch; a later call continues from it and ends with the
    same bytes as if training had never stopped. Raises ``EcgcoreError`` for a missing device or
    class, signals or loss that are not finite, too little memory, and a checkpoint of another
    training.
    """
    device = devices.resolve_device(config.device)
    precision = resolve_precision(config.precision, device.type, model.spec.name)
    config = replace(config, precision=precision)
    directory = None if checkpoint_dir is None else Path(checkpoint_dir)
    patience = math.inf if config.patience is None else config.patience
    with devices.numerics(tf32=True):
        t = Training(model, config, device, (x_train, y_train), (x_valid, y_valid))
        tensors = [t.x_train, t.y_train, t.x_valid, t.y_valid]
        identity = training_identity(model.spec, config, tensors) if directory else {}
        if directory and (saved := load_checkpoint(directory, identity, device)):
            t.restore(saved)
        recorded: dict[torch.Size, devices.RecordedSteps] = {}
        n = len(t.index)
        with devices.clear_errors(config, device):
            while t.epoch < config.epochs and (t.epoch == 0 or t.epoch - t.best_epoch < patience):
                began = time.perf_counter()
                t.epoch += 1
                order = t.index[epoch_order(config.seed, t.epoch, n)]
                batches = torch.split(torch.from_numpy(order).to(device), config.batch_size)
                runs = _steps(t, batches, recorded)
                model.train()
                t.masks.start_epoch(config.seed, t.epoch)
                losses = torch.cat([run() for run in runs]).cpu()  # the one wait for the device
                train_loss = _mean_loss(t, losses, [len(batch) for batch in batches])
                logits = predict_logits(model, t.x_valid, device=str(device), precision=precision)
                _close_epoch(t, train_loss, logits, time.perf_counter() - began)
                if directory:
                    save_checkpoint(directory, t.state(), identity)
                progress.show(t.progress())
        progress.show(t.progress(), is_last=True)
    t.model.load_state_dict(t.best)
    t.model.zero_grad(set_to_none=True)
    set_mask_source(t.model.eval(), None)
    history = pd.DataFrame(t.history).astype({"epoch": int})
    seconds = float(history["seconds"].sum())
    return FitResult(
        history=history,
        best_epoch=t.best_epoch,
        seconds=seconds,
        records_per_s=n * len(history) / seconds,
        device=devices.device_summary(str(device)),
        precision=precision,
        needs_more_epochs=t.best_epoch > config.epochs - 3,
    )


_STATE = ("model", "optimiser", "scheduler", "best", "history", "epoch", "best_epoch", "best_value")


class Training:
    """A training run; creating it checks outputs, signals and labels, and sets everything up."""

    def __init__(
        self,
        model: EcgModel,
        config: TrainConfig,
        device: torch.device,
        train: tuple[Signals | Tensor, ArrayLike],
        valid: tuple[Signals | Tensor, ArrayLike],
    ) -> None:
        needed, n = 1 if config.loss == "bce_pos_weight" else 2, model.n_outputs
        if n != needed:
            fitting = "bce_pos_weight" if n == 1 else "cross_entropy"
            why = f"needs n_outputs={needed}, but {model.spec.name} has n_outputs={n}"
            raise EcgcoreError(f"loss: {config.loss!r} {why}; use loss {fitting!r}.")
        self.model, self.config, self.device = model, config, device
        signals = [torch.as_tensor(x) for x, _ in (train, valid)]
        devices.check_memory(model, config, device, signals)
        self.x_train, self.y_train = _on_device("train", *train, device)
        self.x_valid, self.y_valid = _on_device("valid", *valid, device)
        y = self.y_train.cpu().numpy()
        self.index: Ints = np.arange(len(y))  # positions of the training records
        if config.balance == "downsample":
            self.index = statistics.balanced_subset(y, config.seed)
        self.weights = torch.from_numpy(class_weights(y[self.index], config.loss)).to(device)
        arrange_weights(model.to(device))
        is_cuda, rate = device.type == "cuda", config.learning_rate
        self.optimiser = (AdamW if config.optimiser == "adamw" else Adam)(
            model.parameters(),
            lr=torch.tensor(rate, device=device) if is_cuda else rate,
            weight_decay=config.weight_decay,
            fused=device.type in ("cpu", "cuda") or None,
            capturable=is_cuda,  # by a CUDA graph
        )
        self.scheduler: Any = None
        factor, patience = config.scheduler_factor, config.scheduler_patience
        if config.scheduler == "plateau":
            plateau = lr_scheduler.ReduceLROnPlateau
            self.scheduler = plateau(self.optimiser, factor=factor, patience=patience)
        elif config.scheduler == "step":
            self.scheduler = lr_scheduler.StepLR(self.optimiser, config.scheduler_every, factor)
        self.masks = Masks(device)
        set_mask_source(model, self.masks)
        self.epoch, self.best_epoch, self.best_value = 0, 0, -math.inf
        self.best: dict[str, Tensor] = {}
        self.history: list[Row] = []

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds: tensors and plain values."""
        values = {name: getattr(self, name) for name in _STATE}
        return {n: v.state_dict() if hasattr(v, "state_dict") else v for n, v in values.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a saved state."""
        for name in _STATE:
            if hasattr(part := getattr(self, name), "load_state_dict"):
                part.load_state_dict(state[name])
            else:
                setattr(self, name, state[name])

    def progress(self) -> str:
        """Return the epoch and the time left in words."""
        epoch_s = float(np.mean([row["seconds"] for row in self.history]))
        epoch, epochs = self.epoch, self.config.epochs
        return progress.in_words(epoch, epochs, (epochs - epoch) * epoch_s)


def _on_device(
    part: str, signals: Signals | Tensor, labels: ArrayLike, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Check the signals and labels of a part and put them on the device."""
    x, y = torch.as_tensor(signals), binary(labels, f"labels of the {part} part")
    if x.ndim != 3 or len(x) != len(y):
        why = f"signals {tuple(x.shape)} and {len(y)} labels; expected (record, lead, sample)"
        raise EcgcoreError(f"{part} part: {why} and one label per record.")
    if y.min() == y.max():
        why = f"no {'negative' if y[0] else 'positive'} record among {len(y)}; take more records"
        raise EcgcoreError(f"the {part} part has {why}, fewer folds or another task.")
    x = x.to(device, torch.float32)
    if not math.isfinite(float(x.sum())):
        bad = (~x.isfinite().all(2).all(1)).nonzero().flatten().tolist()
        why = f"{len(bad)} of {len(x)} records hold NaN or infinity, the first at position {bad[0]}"
        raise EcgcoreError(f"{part} part: {why}; ecgcore.preprocessing.preprocess removes them.")
    return x, torch.from_numpy(y).to(device)


def _loss(t: Training, index: Tensor) -> Tensor:
    """Return the loss, a scalar, of one batch, given as positions ``(record,)``."""
    x, y, c = t.x_train.index_select(0, index), t.y_train.index_select(0, index), t.config
    if c.local_fidelity:  # one pass for both, so that they see the same batch statistics
        near = neighbours(x, t.masks, t.model.spec.rate_hz)
        x = torch.cat([x, near])
    with torch.autocast(t.device.type, torch.bfloat16, enabled=c.precision == "bf16"):
        output = t.model(x)
    if not c.local_fidelity:
        return batch_loss(output, y, t.weights, c.loss, c.weight_l1)
    output, penalty = fidelity_penalty(output, near)
    return batch_loss(output, y, t.weights, c.loss, c.weight_l1) + c.local_fidelity * penalty


def _step(t: Training, index: Tensor) -> Tensor:
    """Take one optimiser step on a batch; return the loss before it."""
    loss = _loss(t, index)
    t.model.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if t.config.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(t.model.parameters(), t.config.clip_norm)
    t.optimiser.step()
    return loss.detach()


def _steps(
    t: Training, batches: tuple[Tensor, ...], recorded: dict[torch.Size, devices.RecordedSteps]
) -> list[Callable[[], Tensor]]:
    """Return functions that take the steps of an epoch and return their losses ``(step,)``."""
    if t.device.type != "cuda" or not t.config.cuda_graph:
        return [lambda: torch.stack([_step(t, batch) for batch in batches])]

    def changed_by_a_step() -> list[Tensor]:
        moments = [value for values in t.optimiser.state.values() for value in values.values()]
        return [*t.model.parameters(), *t.model.buffers(), *moments]

    whole = [batch for batch in batches if len(batch) == len(batches[0])]
    runs: list[Callable[[], Tensor]] = []
    for block in (torch.stack(whole), *(b[None] for b in batches[len(whole) :])):
        if block.shape not in recorded:
            pool = next((other.graph.pool() for other in recorded.values()), None)
            t.model.train()
            recorded[block.shape] = devices.RecordedSteps(
                partial(_step, t), block, changed_by_a_step, t.masks.generator, pool
            )
        runs.append(partial(recorded[block.shape].run, block))
    return runs


def _mean_loss(t: Training, losses: Tensor, sizes: list[int]) -> float:
    if not losses.isfinite().all():
        step, rate = int(losses.isfinite().int().argmin()), t.optimiser.param_groups[0]["lr"]
        raise EcgcoreError(
            f"the training loss became {float(losses[step])} in epoch {t.epoch}, step {step + 1} "
            f"of {len(losses)}, at learning rate {rate:g}; try a smaller one or clip_norm=1.0."
        )
    n_records = torch.tensor(sizes, dtype=torch.float64)
    return float((losses.double() * n_records).sum() / n_records.sum())


def _close_epoch(t: Training, train_loss: float, logits: Floats32, seconds: float) -> None:
    """Write the history, keep the best weights, set the learning rate of the next epoch."""
    y, config = t.y_valid.cpu(), t.config
    scores = statistics.evaluate(y.numpy(), statistics.positive_probability(logits))
    # Probabilities of large logits round to 1 and tie; the logits themselves still order.
    scores["auroc"] = statistics.evaluate(y.numpy(), statistics.ranking(logits))["auroc"]
    valid_loss = float(batch_loss(torch.from_numpy(logits), y, t.weights.cpu(), config.loss))
    row: Row = {
        "epoch": t.epoch,
        "train_loss": train_loss,
        "valid_loss": valid_loss,
        **{f"valid_{name}": scores[name] for name in ("accuracy", "f1", "auroc")},
        "learning_rate": float(t.optimiser.param_groups[0]["lr"]),
        "seconds": seconds,
        "records_per_s": len(t.index) / seconds,
    }
    t.history.append(row)
    value = -valid_loss if config.monitor == "loss" else scores[config.monitor]
    if t.best_epoch == 0 or value > t.best_value:  # nan is never better
        t.best_epoch, t.best_value = t.epoch, -math.inf if math.isnan(value) else value
        t.best = {k: v.detach().clone() for k, v in t.model.state_dict().items()}
    if t.scheduler is not None:
        t.scheduler.step(*([valid_loss] if config.scheduler == "plateau" else []))

"""How to train: one frozen description, and those of the two papers."""

import difflib
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from ecgcore.errors import EcgcoreError
from ecgcore.training.losses import Loss

_POSITIVE = ("epochs", "batch_size", "processes", "learning_rate", "scheduler_every", "adu_per_mv")
_NOT_NEGATIVE = (
    "weight_decay", "weight_l1", "local_fidelity", "scheduler_patience", "patience", "clip_norm",
    "seed",
)  # fmt: skip


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the outcome of a training, except model and data.

    The defaults are paper B's (arXiv 2604.16437) but for its down-sampling of the training set.
    """

    epochs: int = 50
    batch_size: int = 8
    optimiser: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    loss: Loss = "cross_entropy"
    weight_l1: float = 0.0
    """Factor of mean |W| in the loss of an IMN."""
    local_fidelity: float = 0.0
    """Factor of the local fidelity penalty of an IMN; see :mod:`ecgcore.training.fidelity`."""
    balance: Literal["none", "downsample", "weights"] = "none"
    """Of the training part: draw as many of the larger class as there are of the smaller one
    (once, by ``seed``), or weigh the classes in the loss."""
    scheduler: Literal["none", "plateau", "step", "cosine"] = "none"
    """``plateau`` watches the validation loss."""
    scheduler_factor: float = 0.5
    scheduler_patience: int = 3
    """Epochs without a better validation loss, for ``plateau``."""
    scheduler_every: int = 10
    """Epochs, for ``step``."""
    patience: int | None = 10
    """Stop after so many epochs without a better ``monitor``; None: never."""
    monitor: Literal["f1", "auroc", "loss"] = "f1"
    """Validation metric that chooses the epoch."""
    clip_norm: float | None = None
    seed: int = 42
    """Of the order of records, of dropout and of down-sampling; weights are drawn by ``build``."""
    device: str = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    tf32: bool = True
    """On CUDA let matrix products and convolutions round their inputs to TF32."""
    deterministic: bool = True
    arithmetic: Literal["fast", "plain"] = "fast"
    """``fast``: channels-last memory, fused optimiser, dropout from 16 random bits (CPU);
    ``plain``: the bits of a loop written with PyTorch's 1-D layers and its default Adam."""
    compile: bool = False
    """``torch.compile`` the model: tens of seconds of work before the first step; needs g++."""
    cuda_graph: bool = True
    """On CUDA record a step once and replay it: small models spend their time in launches."""
    processes: int = 1
    """Processes that share each batch, on CUDA one GPU each; the outcome is that of one process,
    but for rounding (:mod:`ecgcore.training.parallel`)."""
    halve_batch: bool = False
    """Where memory does not suffice, begin anew with half the batch, or half of that; else that is
    an error which names the size that fits."""
    adu_per_mv: float = 1000.0
    """Gain, for signals given as int16."""

    def __post_init__(self) -> None:
        for name, annotation in self.__annotations__.items():
            value, choices = getattr(self, name), get_args(annotation)
            if choices and all(isinstance(c, str) for c in choices) and value not in choices:
                raise EcgcoreError(f"{name}: {value!r} is unknown{_nearest(value, choices)}")
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise EcgcoreError(f"{name}: {getattr(self, name)} is not possible; expected > 0.")
        for name in _NOT_NEGATIVE:
            value = getattr(self, name)
            if value is not None and value < 0:
                raise EcgcoreError(f"{name}: {value} is not possible; expected 0 or more.")
        if self.batch_size % self.processes:
            raise EcgcoreError(
                f"processes: {self.processes} cannot share batches of {self.batch_size} records "
                "evenly; choose a batch_size that is a multiple of it."
            )
        if not 0 < self.scheduler_factor < 1:
            raise EcgcoreError("scheduler_factor: expected a number between 0 and 1.")


def _nearest(value: Any, choices: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"{hint} Allowed: {', '.join(choices)}."


PAPER_A = TrainConfig(
    epochs=100,
    batch_size=64,
    optimiser="adamw",
    weight_decay=1e-4,
    loss="bce_pos_weight",
    weight_l1=1e-4,
    scheduler="step",
    scheduler_factor=0.1,
    scheduler_every=10,
    monitor="auroc",
)
"""ECG-IMN with one output (arXiv 2602.09566, its run scripts)."""

PAPER_A_CATEGORICAL = TrainConfig(
    epochs=100,
    batch_size=64,
    optimiser="adamw",
    weight_decay=1e-4,
    loss="weighted_cross_entropy",
    weight_l1=1e-4,
    scheduler="step",
    scheduler_factor=0.1,
    scheduler_every=10,
    monitor="auroc",
)
"""ECG-IMN with two outputs, and the black box that it is compared with."""

IMN_PLUS = replace(PAPER_A, weight_l1=0.0, local_fidelity=1.0)
"""This study's own IMN: as ECG-IMN, with local fidelity in the place of the L1 penalty."""

PAPER_B = TrainConfig(balance="downsample", scheduler="plateau", clip_norm=1.0)
"""Sampling Matters (arXiv 2604.16437)."""

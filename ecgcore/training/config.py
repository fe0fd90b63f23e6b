"""Training settings: one frozen class, and the configurations of the two papers."""

from dataclasses import dataclass, replace
from typing import Literal

import torch

from ecgcore.errors import EcgcoreError
from ecgcore.models.base import check_option

Loss = Literal["cross_entropy", "weighted_cross_entropy", "bce_pos_weight"]
_ABOVE_0 = "epochs batch_size learning_rate scheduler_every scheduler_factor"
_AT_LEAST_0 = "weight_decay weight_l1 local_fidelity scheduler_patience patience clip_norm seed"

BF16_SHOWN = frozenset({("cpu", "cnn1d"), ("cpu", "cnn_lstm")})
"""``(device type, network)`` for which bf16 was shown to be as good as fp32 and faster.

Decided by the rule in ``results/plans/precision.md`` from ``results/precision.csv``. On the GPU
bf16 is as good for these two networks, but not 1.1 times as fast.
"""


def resolve_precision(precision: str, device_type: str, network: str) -> Literal["fp32", "bf16"]:
    """Return what ``auto`` stands for: bf16 only where :data:`BF16_SHOWN` says so.

    A CPU without avx512_bf16 emulates bf16 slowly, so there ``auto`` is fp32.
    """
    is_shown = precision == "auto" and (device_type, network) in BF16_SHOWN
    if is_shown and device_type == "cpu":
        is_shown = bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    return "bf16" if is_shown or precision == "bf16" else "fp32"


@dataclass(frozen=True)
class TrainConfig:
    """Settings that decide the outcome of training; see also :data:`PAPER_B`."""

    epochs: int = 50
    batch_size: int = 8
    optimiser: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    loss: Loss = "cross_entropy"
    weight_l1: float = 0.0  # factor of mean |W| in the loss of an IMN
    local_fidelity: float = 0.0  # factor of an IMN's penalty, see ecgcore.training.losses
    balance: Literal["none", "downsample"] = "none"  # draw, once, as many records of each class
    scheduler: Literal["none", "plateau", "step"] = "none"  # plateau: of the validation loss
    scheduler_factor: float = 0.5
    scheduler_patience: int = 3  # epochs without a better validation loss, for "plateau"
    scheduler_every: int = 10  # epochs, for "step"
    patience: int | None = 10  # stop after this many epochs without a better monitor; None: never
    monitor: Literal["f1", "auroc", "loss"] = "f1"  # validation metric that chooses the epoch
    clip_norm: float | None = None
    seed: int = 42  # of the order of records, dropout and down-sampling; build() draws weights
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "fp32"  # auto: see resolve_precision
    cuda_graph: bool = True  # on CUDA, record a step once, to avoid slow launches

    def __post_init__(self) -> None:
        for name, annotation in self.__annotations__.items():
            value = getattr(self, name)
            check_option(name, value, annotation)
            if name in _ABOVE_0.split() and not value > 0:
                raise EcgcoreError(f"{name}: {value}; expected a number above 0.")
            if name in _AT_LEAST_0.split() and value is not None and not value >= 0:
                raise EcgcoreError(f"{name}: {value}; expected 0 or more.")
        if self.scheduler_factor >= 1:
            raise EcgcoreError(f"scheduler_factor: {self.scheduler_factor}; expected below 1.")


PAPER_A = TrainConfig(
    epochs=100,
    batch_size=64,
    optimiser="adamw",
    weight_decay=1e-4,
    loss="bce_pos_weight",
    weight_l1=1e-4,
    scheduler="step",
    scheduler_factor=0.1,
    monitor="auroc",
)
"""ECG-IMN with one output (arXiv 2602.09566, its run scripts)."""
PAPER_A_CATEGORICAL = replace(PAPER_A, loss="weighted_cross_entropy")
"""ECG-IMN with two outputs, and the black box that it is compared with."""
IMN_PLUS = replace(PAPER_A, weight_l1=0.0, local_fidelity=1.0)
"""This study's own IMN: ECG-IMN with the local fidelity penalty in place of the L1 penalty."""
PAPER_B = TrainConfig(balance="downsample", scheduler="plateau", clip_norm=1.0)
"""Sampling Matters (arXiv 2604.16437)."""


def recipe(model_name: str) -> TrainConfig:
    """Return the configuration with which study A trains the network of that name."""
    return {"imn": PAPER_A, "imn_plus": IMN_PLUS}.get(model_name, PAPER_A_CATEGORICAL)

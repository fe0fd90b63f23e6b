"""Explicit randomness of training: the order of records and the masks of dropout.

Every stream is drawn from ``(seed, epoch, purpose)`` alone.  So an epoch needs nothing of the one
before, a resumed run draws what the uninterrupted one would have drawn, and a fold draws the same
alone and among others.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgcore.models.layers import Dropout, MaskSource

Ints = NDArray[np.int64]
_ORDER, _DROPOUT = 0, 1


def epoch_order(seed: int, epoch: int, n_records: int) -> Ints:
    """The order in which a fold's training records are seen in that epoch (from 1)."""
    return np.random.default_rng([seed, epoch, _ORDER]).permutation(n_records)


class FastMasks:
    """Dropout masks from 16 random bits an element, on the CPU.

    PyTorch's own CPU dropout draws 64 bits an element one by one, which is a third of the
    CNN-LSTM's training step.  16 bits of a SFC64 generator are some twenty times faster.  The
    probability is rounded to 1/65,536, and the scale follows the rounded one, so the mean is kept.
    """

    def __init__(self) -> None:
        self.generator = np.random.Generator(np.random.SFC64(0))

    def __deepcopy__(self, memo: object) -> "FastMasks":
        return self  # a copy of a model draws from the same stream

    def start(self, seed: int, epoch: int) -> None:
        self.generator = np.random.Generator(np.random.SFC64([seed, epoch, _DROPOUT]))

    def __call__(self, shape: torch.Size, p: float, device: torch.device) -> Tensor:
        dropped = round(p * 65536)
        n = shape.numel()
        words = self.generator.integers(0, 2**64, -(-n // 4), dtype=np.uint64)
        keep = torch.from_numpy(words.view(np.uint16)[:n] >= dropped)
        mask = keep.to(torch.float32).mul_(65536 / (65536 - dropped))
        return mask.view(shape).to(device)


class TorchMasks:
    """Dropout masks from a :class:`torch.Generator` of the device: exact, and fast on a GPU."""

    def __init__(self, device: torch.device) -> None:
        self.generator = torch.Generator(device)

    def __deepcopy__(self, memo: object) -> "TorchMasks":
        return self

    def start(self, seed: int, epoch: int) -> None:
        words = np.random.SeedSequence([seed, epoch, _DROPOUT]).generate_state(2, np.uint32)
        self.generator.manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)

    def __call__(self, shape: torch.Size, p: float, device: torch.device) -> Tensor:
        mask = torch.empty(shape, device=device)
        return mask.bernoulli_(1 - p, generator=self.generator).div_(1 - p)


Masks = FastMasks | TorchMasks


def masks_for(device: torch.device, *, fast: bool) -> Masks:
    """The stream for a device; PyTorch's own on a GPU, where it is fast enough."""
    return FastMasks() if fast and device.type == "cpu" else TorchMasks(device)


def set_masks(model: nn.Module, masks: Sequence[MaskSource] | None) -> None:
    """Let all dropout layers of ``model`` draw from these streams, one a fold (None: PyTorch's)."""
    for module in model.modules():
        if isinstance(module, Dropout):
            module.sources = None if masks is None else list(masks)

"""Layers that the architectures share.

Every activation has the shape ``(record, channel, row, sample)``: one row for the 1-D networks, one
row per lead for the image-like ones. A 1-D convolution runs as a 2-D one in the memory format
``channels_last``, which is faster on CPUs and GPUs.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.errors import EcgcoreError


def channels_last(x: Tensor) -> Tensor:
    """Return ``(record, channel, row, sample)`` in memory where channels are neighbours."""
    return x.contiguous(memory_format=torch.channels_last)


class SampleConv(nn.Conv1d):
    """A 1-D convolution of ``(record, channel, 1, sample)``; its weights are those of a Conv1d.

    Padded by half of the kernel's span; an even span makes a record one sample longer.
    """

    def __init__(
        self, n_in: int, n_out: int, kernel: int, *, stride: int = 1, dilation: int = 1, bias: bool
    ) -> None:
        padding = (dilation * (kernel - 1) + 1) // 2
        super().__init__(n_in, n_out, kernel, stride, padding, dilation, bias=bias)

    def forward(self, x: Tensor, *, with_bias: bool = True) -> Tensor:
        stride, padding = (1, self.stride[0]), (0, int(self.padding[0]))
        bias, dilation = self.bias if with_bias else None, (1, self.dilation[0])
        return F.conv2d(x, self.weight.unsqueeze(2), bias, stride, padding, dilation)


def arrange_weights(model: nn.Module) -> None:
    """Put weights into channels-last memory, so that gradients need not be transposed."""
    for module in model.modules():
        if isinstance(module, SampleConv):
            module.weight.data = channels_last(module.weight.data.unsqueeze(2)).squeeze(2)
        elif isinstance(module, nn.Conv2d):
            module.weight.data = channels_last(module.weight.data)


class Dropout(nn.Module):
    """Dropout whose masks, of factors 0 or 1 / (1 - p), come from ``source`` if training sets one.

    Without a source it behaves as :class:`torch.nn.Dropout`, with PyTorch's global generator.
    """

    source: Callable[[torch.Size, float, torch.device], Tensor] | None = None

    def __init__(self, p: float) -> None:
        super().__init__()
        if not isinstance(p, int | float) or not 0 <= p < 1:
            raise EcgcoreError(f"dropout: {p!r} is not a share; expected a number from 0 up to 1.")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if self.source is None:
            return F.dropout(x, self.p)
        mask = self.source(x.shape, self.p, x.device)
        if x.dim() == 4:  # drawn in the order of channels-last memory
            n, channels, rows, samples = x.shape
            mask = mask.view(n, rows, samples, channels).permute(0, 3, 1, 2)
        return x * mask

"""Layers that the architectures share, in channels-last memory.

Every activation has the shape ``(record, channel, row, sample)``: one row for the 1-D networks, one
row per lead for the image-like ones. A 1-D convolution runs as a 2-D one in the memory format
``channels_last``, which is faster on CPUs and GPUs.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.errors import EcgcoreError
from ecgcore.models.receptive_field import Stage


def as_row(x: Tensor) -> Tensor:
    """Return ``(record, lead, sample)`` as one row: ``(record, lead, 1, sample)``."""
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def as_image(x: Tensor) -> Tensor:
    """Return ``(record, lead, sample)`` as an image: ``(record, 1, lead, sample)``."""
    return x.unsqueeze(1).contiguous(memory_format=torch.channels_last)


class SampleConv(nn.Conv1d):
    """A 1-D convolution of ``(record, channel, 1, sample)``; its weights are those of a Conv1d."""

    @classmethod
    def of_stage(cls, n_in: int, n_out: int, stage: Stage, *, bias: bool = True) -> "SampleConv":
        """Return a convolution with the kernel, dilation and padding of a stage."""
        return cls(n_in, n_out, stage.kernel, 1, stage.padding, stage.dilation, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x, self.bias)

    def convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return the convolution with another bias, or without one."""
        stride, padding = (1, self.stride[0]), (0, int(self.padding[0]))
        return F.conv2d(x, self.weight.unsqueeze(2), bias, stride, padding, (1, self.dilation[0]))


def arrange_weights(model: nn.Module) -> None:
    """Put weights into channels-last memory, so that gradients need not be transposed."""
    for module in model.modules():
        if isinstance(module, SampleConv):
            image = module.weight.data.unsqueeze(2)
            module.weight.data = image.contiguous(memory_format=torch.channels_last).squeeze(2)
        elif isinstance(module, nn.Conv2d):
            data = module.weight.data
            module.weight.data = data.contiguous(memory_format=torch.channels_last)


def conv_norm(conv: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    """Return the batch norm of a convolution.

    In training the norm subtracts the batch mean, and the bias with it. The bias therefore only
    enters the running mean: its gradient would be rounding errors that Adam scales up.
    """
    if not norm.training or not isinstance(conv, SampleConv) or conv.bias is None:
        normed: Tensor = norm(conv(x))
        return normed
    assert isinstance(norm.running_mean, Tensor)
    norm.running_mean.data.sub_(conv.bias.data)
    normed = norm(conv.convolve(x, None))
    norm.running_mean.data.add_(conv.bias.data)
    return normed


class Dropout(nn.Module):
    """Dropout whose masks, of factors 0 or 1 / (1 - p), come from ``source`` if training sets one.

    Without a source it behaves as :class:`torch.nn.Dropout`, with PyTorch's global generator.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not isinstance(p, int | float) or not 0 <= p < 1:
            raise EcgcoreError(f"dropout: {p!r} is not a share; expected a number from 0 up to 1.")
        self.p = p
        self.source: Callable[[torch.Size, float, torch.device], Tensor] | None = None

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

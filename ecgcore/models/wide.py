"""Convolutions with wide kernels, trained at the speed of narrow ones on CPUs."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_MOST_TAPS = 14
"""oneDNN's fast gradient of a convolution's weights takes no wider kernel (seen with AVX-512: 15
taps run at a third of the speed of 13)."""


class WideConv(nn.Conv2d):
    """:class:`torch.nn.Conv2d` that takes the gradient of a wide kernel's weights in two halves.

    Same parameters, same output.  Only models whose weights lie channels-last, as
    :func:`~ecgcore.models.layers.arrange_weights` leaves them, take this way; others compute with
    the very operations of PyTorch.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self._in_halves(x):
            return super().forward(x)
        rows = int(self.padding[0])
        found: Tensor = _InHalves.apply(x, self.weight, rows, self.groups)  # type: ignore[no-untyped-call]
        return found

    def _in_halves(self, x: Tensor) -> bool:
        taps = self.kernel_size[1]
        plain_geometry = self.padding[1] == taps // 2 and self.dilation == self.stride == (1, 1)
        arranged = not self.weight.is_contiguous() and self.weight.is_contiguous(
            memory_format=torch.channels_last
        )
        wide = _MOST_TAPS < taps <= 2 * _MOST_TAPS and taps % 2 == 1
        return wide and plain_geometry and arranged and self.bias is None and not x.is_cuda


class _InHalves(torch.autograd.Function):
    """Convolution with an odd kernel, centred in time; gradients of its weights in two halves."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, rows: int, groups: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.rows, ctx.groups = rows, groups
        return F.conv2d(x, weight, None, padding=(rows, weight.shape[-1] // 2), groups=groups)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (grad,), (x, weight) = grads, ctx.saved_tensors
        taps = weight.shape[-1]
        reach, half = taps // 2, taps // 2 + 1

        def part(signal: Tensor, kernel: Tensor, pad: int, wanted: tuple[bool, bool]) -> Any:
            how = ((1, 1), (ctx.rows, pad), (1, 1), False, (0, 0), ctx.groups, (*wanted, False))
            return torch.ops.aten.convolution_backward(grad, signal, kernel, None, *how)

        dx = part(x, weight, reach, (True, False))[0] if ctx.needs_input_grad[0] else None
        dw = None
        if ctx.needs_input_grad[1]:
            n_samples, padded = x.shape[-1], F.pad(x, (reach, reach))
            first = part(padded[..., : n_samples + half - 1], weight[..., :half], 0, (False, True))
            second = part(padded[..., half:], weight[..., half:], 0, (False, True))
            dw = torch.cat([first[1], second[1]], dim=-1)
        return dx, dw, None, None

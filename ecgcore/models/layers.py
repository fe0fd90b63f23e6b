"""Layers that all architectures share: rows of samples, channels last, several folds at once.

Inside a model every activation has the shape ``(batch, fold * channel, row, sample)``: one row for
the 1-D networks, one row a lead for the image-like ones.  That lets a 1-D convolution run as a 2-D
one in PyTorch's ``channels_last`` memory format, which is faster on CPUs, while its weights keep
the shape of :class:`torch.nn.Conv1d` and published state dicts load.

``folds`` > 1 holds that many independent networks in one: their channels lie side by side and every
layer works on groups, so K small networks cost one set of larger kernels.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.errors import EcgcoreError
from ecgcore.models.wide import WideConv

MaskSource = Callable[[torch.Size, float, torch.device], Tensor]
"""Draws a keep mask for dropout: (shape, probability to drop, device) -> factors 0 or 1/(1-p)."""


class SampleConv(nn.Conv1d):
    """A 1-D convolution along samples, on ``(batch, fold * channel, 1, sample)``.

    Parameters, their shapes ``(fold * out, in, kernel)`` and initialisation are those of
    :class:`torch.nn.Conv1d` with ``groups=folds``.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int,
        *,
        padding: int,
        stride: int = 1,
        dilation: int = 1,
        bias: bool = True,
        folds: int = 1,
    ) -> None:
        how = {"stride": stride, "padding": padding, "dilation": dilation, "bias": bias}
        super().__init__(n_in * folds, n_out * folds, kernel, groups=folds, **how)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x, self.bias)

    def convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution with another bias, or none."""
        stride, padding = (1, self.stride[0]), (0, int(self.padding[0]))
        dilation = (1, self.dilation[0])
        weight = self.weight.unsqueeze(2)
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups=self.groups)


def arrange_weights(model: nn.Module) -> None:
    """Put the weights of convolutions into channels-last memory; shapes and values stay.

    Gradients then arrive in the parameters' own layout instead of being transposed every step.
    """
    for module in model.modules():
        if isinstance(module, SampleConv):
            image = module.weight.data.unsqueeze(2)
            module.weight.data = image.contiguous(memory_format=torch.channels_last).squeeze(2)
        elif isinstance(module, nn.Conv2d):
            data = module.weight.data
            module.weight.data = data.contiguous(memory_format=torch.channels_last)


def conv_norm(conv: nn.Module, norm: nn.Module, x: Tensor, *, plain: bool) -> Tensor:
    """A convolution and the batch norm after it.

    In training the norm subtracts the batch mean, and the convolution's bias with it.  So, unless
    ``plain``, the bias is left out and only enters the running mean.  The function is the same;
    the bias gets no gradient, which would be nothing but rounding errors that Adam scales up to
    whole steps.
    """
    normed: Tensor
    known = isinstance(conv, SampleConv) and isinstance(norm, nn.BatchNorm2d)
    if plain or not known or not norm.training or conv.bias is None:
        normed = norm(conv(x))
        return normed
    assert isinstance(conv, SampleConv)
    assert isinstance(conv.bias, Tensor)
    assert isinstance(norm.running_mean, Tensor)
    norm.running_mean.data.sub_(conv.bias.data)
    normed = norm(conv.convolve(x, None))
    norm.running_mean.data.add_(conv.bias.data)
    return normed


def image_conv(
    n_in: int,
    n_out: int,
    kernel: tuple[int, int],
    *,
    dilation: int = 1,
    bias: bool = False,
    folds: int = 1,
) -> nn.Conv2d:
    """A convolution over leads and samples that keeps their numbers; kernel sizes are odd.

    ``dilation`` is along time.
    """
    return WideConv(
        n_in * folds,
        n_out * folds,
        kernel,
        padding=(kernel[0] // 2, dilation * (kernel[1] // 2)),
        dilation=(1, dilation),
        bias=bias,
        groups=folds,
    )


class FoldLinear(nn.Module):
    """A linear layer, one a fold: ``(batch, fold, in)`` to ``(batch, fold, out)``.

    Weights ``(fold * out, in)`` and initialisation as :class:`torch.nn.Linear`.
    """

    def __init__(self, n_in: int, n_out: int, *, folds: int = 1) -> None:
        super().__init__()
        self.folds = folds
        plain = nn.Linear(n_in, n_out * folds)
        self.weight, self.bias = plain.weight, plain.bias

    def forward(self, x: Tensor) -> Tensor:
        if self.folds == 1:
            return F.linear(x[:, 0], self.weight, self.bias).unsqueeze(1)
        weight = self.weight.view(self.folds, -1, self.weight.shape[1])
        bias = self.bias.view(self.folds, 1, -1)
        return torch.baddbmm(bias, x.transpose(0, 1), weight.transpose(1, 2)).transpose(0, 1)


class FoldLSTM(nn.Module):
    """One LSTM layer, one a fold: ``(batch, fold, step, in)`` to ``(batch, fold, step, hidden)``.

    Parameters are named, shaped (``fold`` times along the first axis) and initialised as those of
    a one-layer :class:`torch.nn.LSTM`.
    """

    def __init__(self, n_in: int, n_hidden: int, *, folds: int = 1) -> None:
        super().__init__()
        self.folds, self.n_hidden = folds, n_hidden
        shapes = {
            "weight_ih_l0": (4 * n_hidden * folds, n_in),
            "weight_hh_l0": (4 * n_hidden * folds, n_hidden),
            "bias_ih_l0": (4 * n_hidden * folds,),
            "bias_hh_l0": (4 * n_hidden * folds,),
        }
        bound = n_hidden**-0.5
        self.order = tuple(shapes)
        for name, shape in shapes.items():
            value = torch.empty(shape).uniform_(-bound, bound)
            self.register_parameter(name, nn.Parameter(value))

    def forward(self, x: Tensor) -> Tensor:
        if self.folds == 1 and not x.is_cuda:
            return self._plain(x[:, 0]).unsqueeze(1)
        return self._batched(x)

    def _weights(self) -> tuple[Tensor, ...]:
        named = dict(self.named_parameters(recurse=False))
        return tuple(named[name] for name in self.order)

    def _plain(self, x: Tensor) -> Tensor:
        zeros = x.new_zeros(1, x.shape[0], self.n_hidden)
        weights = [w.to(x.dtype) for w in self._weights()]
        states = torch.lstm(x, (zeros, zeros), weights, True, 1, 0.0, self.training, False, True)
        return states[0]

    def _batched(self, x: Tensor) -> Tensor:
        n_batch, folds, n_steps, n_in = x.shape
        w_ih, w_hh, b_ih, b_hh = (w.view(folds, 4 * self.n_hidden, -1) for w in self._weights())
        rows = x.permute(1, 2, 0, 3).reshape(folds, n_steps * n_batch, n_in)
        from_input = torch.baddbmm((b_ih + b_hh).transpose(1, 2), rows, w_ih.transpose(1, 2))
        from_input = from_input.view(folds, n_steps, n_batch, -1)
        hidden = from_input.new_zeros(folds, n_batch, self.n_hidden)
        cell, w_hh, steps = hidden, w_hh.transpose(1, 2), []
        for step in range(n_steps):
            hidden, cell = lstm_cell(from_input[:, step], torch.bmm(hidden, w_hh), cell)
            steps.append(hidden)
        return torch.stack(steps, dim=2).transpose(0, 1)  # (batch, fold, step, hidden)


def lstm_cell(from_input: Tensor, from_hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """New hidden and cell state from the gates' two summands, each ``(fold, batch, 4 * hidden)``.

    Gates in PyTorch's order (input, forget, cell, output).  On CUDA the fused kernel behind
    :class:`torch.nn.LSTMCell` does it in one launch.
    """
    if from_input.is_cuda:
        flat = [t.reshape(-1, t.shape[-1]) for t in (from_input, from_hidden.to(from_input.dtype))]
        fused = torch.ops.aten._thnn_fused_lstm_cell
        hidden, new_cell, _ = fused(*flat, cell.reshape(-1, cell.shape[-1]), None, None)
        return hidden.view_as(cell), new_cell.view_as(cell)
    gate_in, gate_forget, gate_cell, gate_out = (from_input + from_hidden).chunk(4, dim=-1)
    new_cell = gate_forget.sigmoid() * cell + gate_in.sigmoid() * gate_cell.tanh()
    return gate_out.sigmoid() * new_cell.tanh(), new_cell


class Dropout(nn.Module):
    """Dropout whose masks come from explicit streams, one a fold, when training gives it some.

    ``sources`` is set by :mod:`ecgcore.train`; without it the layer behaves as
    :class:`torch.nn.Dropout`, drawing from PyTorch's global generator.
    """

    def __init__(self, p: float, *, folds: int = 1) -> None:
        super().__init__()
        if not isinstance(p, int | float) or not 0 <= p < 1:
            raise EcgcoreError(f"dropout: {p!r} is no share; expected a number from 0 up to 1.")
        self.p, self.folds = p, folds
        self.sources: list[MaskSource] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if self.sources is None:
            return F.dropout(x, self.p)
        mask: Tensor = self._mask(x)
        return x * mask

    def outside_graph(self) -> None:
        """Keep the drawing of masks out of ``torch.compile``.

        Done on demand: the decorator would import the compiler, seconds, for every user.
        """
        self._mask = torch.compiler.disable(self._mask)  # type: ignore[method-assign,no-untyped-call]

    def _mask(self, x: Tensor) -> Tensor:
        assert self.sources is not None
        shape = torch.Size([x.shape[0], x.shape[1] // self.folds, *x.shape[2:]])
        masks = [_channels_last(draw(shape, self.p, x.device), shape) for draw in self.sources]
        return masks[0] if self.folds == 1 else torch.cat(masks, dim=1)

    def extra_repr(self) -> str:
        return f"p={self.p}"


def _channels_last(mask: Tensor, shape: torch.Size) -> Tensor:
    # Drawn in this order whatever the memory of x, so that a fold sees the same mask alone and
    # among others.
    if len(shape) == 4:
        n, c, h, w = shape
        return mask.view(n, h, w, c).permute(0, 3, 1, 2)
    return mask


def by_fold(x: Tensor, folds: int) -> Tensor:
    """``(batch, fold * channel, …)`` to ``(batch, fold, channel, …)``."""
    return x.view(x.shape[0], folds, x.shape[1] // folds, *x.shape[2:])

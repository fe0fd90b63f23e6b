"""What all architectures share: their description, input check and outputs, and their layers.

Inside, every activation has the shape ``(record, channel, row, sample)``: one row for the 1-D
networks, one row per lead for the image-like ones. A 1-D convolution runs as a 2-D one in the
memory format ``channels_last``, which is faster on CPUs and GPUs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, get_args, get_origin

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.errors import EcgcoreError, check_choice
from ecgcore.models.receptive_field import Stage, Widen, field_samples, stages_for, to_ms


@dataclass(frozen=True)
class ModelSpec:
    """Everything that is needed to build a model again; it is stored beside the weights."""

    name: str
    rate_hz: float
    n_samples: int
    n_leads: int = 12
    options: dict[str, Any] = field(default_factory=dict)


class IMNOutput(NamedTuple):
    """Logits ``(record, output)`` of an interpretable mesomorphic network and its linear models.

    ``logits[r, k] == (weights[r, k] * x[r]).sum() + bias[r, k]`` for record ``r`` and output ``k``.
    """

    logits: Tensor
    weights: Tensor  # (record, output, lead, sample)
    bias: Tensor  # (record, output)


class EcgModel(nn.Module):
    """Base class of all architectures: maps ``(record, lead, sample)`` to ``(record, output)``.

    A subclass defines :meth:`compute` and these attributes, either ``stages`` or
    ``receptive_field_samples``; :func:`stages_for` explains ``receptive_field_ms`` and ``widen``.
    """

    spec: ModelSpec  # set by build()
    writes_weights: ClassVar[bool] = False  # whether the output is an IMNOutput
    last_conv_name: ClassVar[str]
    stages: Sequence[Stage] = ()  # empty where the receptive field cannot be set
    decoder_samples: ClassVar[int] = 0  # what layers after the stages add to the receptive field
    receptive_field_samples: int  # of a unit of the last convolution, or of a weight W
    widest_units: int  # numbers per input sample in the largest activation; limits batches

    def __init__(
        self,
        *,
        n_leads: int,
        n_samples: int,
        rate_hz: float,
        n_outputs: int,
        receptive_field_ms: float | None = None,
        widen: Widen = "dilation",
    ) -> None:
        super().__init__()
        self.n_leads, self.n_samples, self.rate_hz = n_leads, n_samples, rate_hz
        self.n_outputs = n_outputs
        if self.stages:
            later = self.decoder_samples
            self.stages = stages_for(self.stages, receptive_field_ms, rate_hz, widen, later)
            self.receptive_field_samples = field_samples(self.stages) + later
        elif receptive_field_ms is not None:
            name = type(self).__name__
            raise EcgcoreError(f"receptive_field_ms: the field of {name} cannot be set; use None.")

    @property
    def receptive_field_ms(self) -> float:
        """The receptive field [ms] at the model's sampling rate."""
        return to_ms(self.receptive_field_samples, self.rate_hz)

    @property
    def last_conv(self) -> nn.Module:
        """The last convolution of the feature extractor, which Grad-CAM reads."""
        return self.get_submodule(self.last_conv_name)

    def compute(self, x: Tensor) -> Any:
        """Return logits ``(record, output)`` or an :class:`IMNOutput` for valid signals."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Any:
        """Check the shape of the signals, then call :meth:`compute`."""
        if x.dim() != 3 or x.shape[1] != self.n_leads:
            why = f"expected (record, lead, sample) with {self.n_leads} leads"
            raise EcgcoreError(f"{self.spec.name}: the input has shape {tuple(x.shape)}, {why}.")
        return self.compute(x)


def logits_of(output: Tensor | IMNOutput) -> Tensor:
    """Return the logits ``(record, output)`` of a model's output."""
    return output.logits if isinstance(output, IMNOutput) else output


def check_option(name: str, value: object, annotation: Any) -> None:
    """Raise ``EcgcoreError`` unless a ``Literal`` type allows the value; other types allow any."""
    if get_origin(annotation) is Literal:
        check_choice(name, value, get_args(annotation))


def channels_last(x: Tensor) -> Tensor:
    """Return ``(record, channel, row, sample)`` with channels adjacent in memory."""
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


class WideConv(nn.Conv2d):
    """An odd convolution that on a CPU takes the gradient of its weights in two halves.

    oneDNN's fast gradient takes at most 14 taps per row; 15 run at a third of the speed of 13.
    """

    def forward(self, x: Tensor) -> Tensor:
        is_plain = x.is_cuda or self.in_channels == 1 or self.dilation != (1, 1)
        if is_plain or not 14 < self.kernel_size[1] <= 28 or not torch.is_grad_enabled():
            return super().forward(x)
        uses_bf16 = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if uses_bf16 else x.dtype
        y: Tensor = _InHalves.apply(x.to(dtype), self.weight.to(dtype))  # type: ignore[no-untyped-call]
        return y


class _InHalves(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, padding="same")

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor]:
        (grad,), (x, weight) = grads, ctx.saved_tensors
        rows, reach = (size // 2 for size in weight.shape[2:])

        def part(signal: Tensor, kernel: Tensor, pad: int, of: tuple[bool, bool]) -> Any:
            how = ((1, 1), (rows, pad), (1, 1), False, (0, 0), 1, (*of, False))
            return torch.ops.aten.convolution_backward(grad, signal, kernel, None, *how)

        of_x = part(x, weight, reach, (True, False))[0] if ctx.needs_input_grad[0] else None
        padded, half = F.pad(x, (reach, reach)), reach + 1
        first = part(padded[..., : x.shape[-1] + reach], weight[..., :half], 0, (False, True))[1]
        second = part(padded[..., half:], weight[..., half:], 0, (False, True))[1]
        return of_x, torch.cat([first, second], dim=-1)


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
            raise EcgcoreError(f"dropout: {p!r} is not a share; expected at least 0, below 1.")
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

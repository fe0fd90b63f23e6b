"""ECG-IMN (paper A, arXiv 2602.09566): a hypernetwork writes one linear model for every ECG.

``W * x`` is the explanation. Also here: the paper's first attempt, and the black box that the IMN
is compared with. The options are this study's ablations; the defaults are the paper's.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.errors import EcgcoreError
from ecgcore.models.base import Dropout, EcgModel, IMNOutput, WideConv, channels_last
from ecgcore.models.receptive_field import Stage

CHANNELS = (16, 32, 64)
LeadMixing = Literal["image", "none", "full"]
"""``image``: kernels span 3 neighbouring rows, as published. ``none``: the same kernels read every
lead separately, so that its weights depend on that lead alone; a scale and a shift per lead and
channel distinguish the leads. ``full``: as ``none``, plus a learnt mixture of all leads."""


class LeadIdentity(nn.Module):
    """A scale and a shift for each lead and channel."""

    def __init__(self, n_channels: int, n_leads: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_channels, n_leads))
        self.shift = nn.Parameter(torch.zeros(n_channels, n_leads))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale[..., None] + self.shift[..., None]


class LeadMixture(nn.Module):
    """Adds to every lead a learnt mixture of all leads, the same for every channel."""

    def __init__(self, n_leads: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(n_leads, n_leads, 1)

    def forward(self, x: Tensor) -> Tensor:
        mixture: Tensor = self.mix(x.transpose(1, 2)).transpose(1, 2)
        return x + mixture


class Encoder(nn.Module):
    """Three convolutions: ``(record, 1, lead, sample)`` to ``(record, 64, lead, sample / 4)``."""

    def __init__(self, n_leads: int, stages: Sequence[Stage], lead_mixing: LeadMixing) -> None:
        super().__init__()
        self.pools = [stage.pool for stage in stages]
        rows = 3 if lead_mixing == "image" else 1
        self.layers = nn.ModuleList()
        for stage, (n_in, n_out) in zip(stages, pairwise((1, *CHANNELS)), strict=True):
            kernel, dilation = (rows, stage.kernel), (1, stage.dilation)
            conv = WideConv(n_in, n_out, kernel, padding="same", dilation=dilation, bias=False)
            self.layers.extend([conv, nn.BatchNorm2d(n_out)])
        self.identity = LeadIdentity(CHANNELS[0], n_leads) if rows == 1 else nn.Identity()
        self.mixing = LeadMixture(n_leads) if lead_mixing == "full" else nn.Identity()

    def forward(self, x: Tensor) -> Any:
        for depth, pool in enumerate(self.pools):
            x = self.layers[2 * depth + 1](self.layers[2 * depth](x))
            x = F.gelu(x if depth else self.identity(x))
            x = F.max_pool2d(x, (1, pool)) if pool > 1 else x
        return self.mixing(x)


class Transition(nn.Module):
    """Decoder from the encoder's features to maps of weights ``(record, output, lead, sample)``.

    *Differs from the paper* for lengths that are not divisible by 4: it up-samples to the size of
    the encoder's stage, not by a factor of two.
    """

    def __init__(self, n_outputs: int, n_leads: int, lead_mixing: LeadMixing) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        kernel = (3 if lead_mixing == "image" else 1, 3)
        for n_in, n_out in pairwise(reversed(CHANNELS)):
            conv = nn.Conv2d(n_in, n_out, kernel, padding="same", bias=False)
            self.layers.extend([conv, nn.BatchNorm2d(n_out)])
        self.layers.append(nn.Conv2d(CHANNELS[0], n_outputs, kernel, padding="same"))
        is_image = lead_mixing == "image"
        self.identity = nn.Identity() if is_image else LeadIdentity(CHANNELS[0], n_leads)

    def forward(self, features: Tensor, n_samples: int) -> Any:
        conv_1, norm_1, conv_2, norm_2, head = self.layers
        n_leads = features.shape[2]
        h = F.interpolate(F.gelu(norm_1(conv_1(features))), size=(n_leads, n_samples // 2))
        h = F.interpolate(F.gelu(norm_2(conv_2(h))), size=(n_leads, n_samples))
        return head(self.identity(h))


class EncoderModel(EcgModel):
    """Base class of the networks that begin with the encoder, for records of 4 samples or more."""

    stages = (Stage(15), Stage(15, pool=2), Stage(15, pool=2))
    last_conv_name = "encoder.layers.4"

    def __init__(
        self, n_outputs: int, dropout: float = 0.2, lead_mixing: LeadMixing = "image", **size: Any
    ) -> None:
        super().__init__(n_outputs=n_outputs, **size)
        self.widest_units = CHANNELS[1] * self.n_leads
        self.encoder = Encoder(self.n_leads, self.stages, lead_mixing)
        self.dropout = Dropout(dropout)

    def features(self, x: Tensor) -> Any:
        """Return the encoder's features ``(record, 64, lead, sample / 4)``."""
        return self.encoder(channels_last(x.unsqueeze(1)))


class BlackBoxCNN2D(EncoderModel):
    """Paper A's black box: the IMN's encoder, global average pooling and a linear head.

    116,274 parameters, as published, with any number of leads. Receptive field 60 samples.
    """

    def __init__(self, *, n_outputs: int = 2, **size: Any) -> None:
        super().__init__(n_outputs, **size)
        self.classifier = nn.Linear(CHANNELS[-1], n_outputs)

    def compute(self, x: Tensor) -> Any:
        return self.classifier(self.dropout(self.features(x).mean(dim=(2, 3))))


class IMN(EncoderModel):
    """The transition network of paper A: ``imn`` (one output), ``imn_categorical`` (two).

    139,490 and 139,700 parameters, as published, with any number of leads. One weight ``W[lead,
    sample]`` sees 72 to 76 samples, depending on its place among the poolings.
    ``bias`` is ``generated`` by the same kind of head as the black box's output (paper), one learnt
    ``constant``, or ``none``. ``logit_scale`` multiplies W by 1 (paper), 1 / sqrt(leads * samples)
    or 1 / (leads * samples). With ``zero_head`` training starts with W = 0 everywhere.
    """

    writes_weights = True
    decoder_samples = 16

    def __init__(
        self,
        *,
        n_outputs: int = 1,
        bias: Literal["generated", "constant", "none"] = "generated",
        logit_scale: Literal["none", "sqrt", "mean"] = "none",
        zero_head: bool = False,
        lead_mixing: LeadMixing = "image",
        **size: Any,
    ) -> None:
        super().__init__(n_outputs, lead_mixing=lead_mixing, **size)
        self.exponent = {"none": 0.0, "sqrt": 0.5, "mean": 1.0}[logit_scale]
        self.transition = Transition(n_outputs, self.n_leads, lead_mixing)
        if zero_head:
            for parameter in self.transition.layers[-1].parameters():
                nn.init.zeros_(parameter)
        self.bias_head = nn.Linear(CHANNELS[-1], n_outputs) if bias == "generated" else None
        self.constant = nn.Parameter(torch.zeros(n_outputs)) if bias == "constant" else None

    def compute(self, x: Tensor) -> IMNOutput:
        features = self.dropout(self.features(x))
        if self.bias_head is not None:  # before W, so that gradients keep the memory format
            bias = self.bias_head(features.mean(dim=(2, 3)))
        else:
            bias = features.new_zeros(self.n_outputs) if self.constant is None else self.constant
            bias = bias.expand(len(x), -1)
        weights = self.transition(features, x.shape[2])
        if self.exponent:
            weights = weights / (x.shape[1] * x.shape[2]) ** self.exponent
        return linear_model(x, weights, bias)


class IMNDirect(EncoderModel):
    """Paper A's first attempt: one linear layer writes W and b from the pooled features.

    The pooling loses the position of beats, so W cannot follow them; the paper's checkpoint
    is at chance. The number of parameters grows with the record (7.92 M for 5,000 samples).
    """

    writes_weights = True

    def __init__(self, *, n_outputs: int = 2, **size: Any) -> None:
        super().__init__(n_outputs, **size)
        self.writer = nn.Linear(CHANNELS[-1], n_outputs * (self.n_leads * self.n_samples + 1))

    def compute(self, x: Tensor) -> IMNOutput:
        if x.shape[2] != self.n_samples:
            why = f"the records have {x.shape[2]} samples; this network is built for"
            raise EcgcoreError(f"{self.spec.name}: {why} {self.n_samples}; build it again.")
        pooled = self.dropout(self.features(x).mean(dim=(2, 3)))
        written = self.writer(pooled).unflatten(1, (self.n_outputs, -1))
        weights = written[..., :-1].unflatten(2, (self.n_leads, self.n_samples))
        return linear_model(x, weights, written[..., -1])


def linear_model(x: Tensor, weights: Tensor, bias: Tensor) -> IMNOutput:
    """Return ``logit = sum(W * x) + b`` (paper A, equation 1) for ``x (record, lead, sample)``.

    The sum is taken in float32 at least: under bfloat16 it would lose the identity that makes ``W *
    x`` an explanation.
    """
    weights, bias = weights.float(), bias.float()
    logits = (weights * x.float().unsqueeze(1)).sum(dim=(2, 3)) + bias
    return IMNOutput(logits, weights, bias)

"""The image-like encoder of paper A (arXiv 2602.09566), its ablations, and the black box."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.models.base import EcgModel
from ecgcore.models.layers import Dropout, as_image
from ecgcore.models.receptive_field import Stage

CHANNELS = (16, 32, 64)
LeadMixing = Literal["image", "none", "full"]
"""``image``: kernels span 3 neighbouring rows, as published. ``none``: the same kernels read every
lead separately, so that its weights depend on that lead alone; a scale and a shift per lead and
channel distinguish the leads. ``full``: as ``none``, plus a learnt mixture of all leads."""


class Encoder(nn.Module):
    """Three convolutions: ``(record, 1, lead, sample)`` to ``(record, 64, lead, sample / 4)``."""

    def __init__(self, n_leads: int, stages: Sequence[Stage], lead_mixing: LeadMixing) -> None:
        super().__init__()
        self.pools = [stage.pool for stage in stages]
        rows = 3 if lead_mixing == "image" else 1
        self.layers = nn.ModuleList()
        for stage, n_in, n_out in zip(stages, (1, *CHANNELS[:-1]), CHANNELS, strict=True):
            kernel, dilation = (rows, stage.kernel), (1, stage.dilation)
            conv = nn.Conv2d(n_in, n_out, kernel, padding="same", dilation=dilation, bias=False)
            self.layers.extend([conv, nn.BatchNorm2d(n_out)])
        self.identity = LeadIdentity(CHANNELS[0], n_leads) if rows == 1 else None
        self.mixing = LeadMixture(n_leads) if lead_mixing == "full" else None

    def forward(self, x: Tensor) -> Tensor:
        for depth, pool in enumerate(self.pools):
            x = self.layers[2 * depth + 1](self.layers[2 * depth](x))
            if depth == 0 and self.identity is not None:
                x = self.identity(x)
            x = F.gelu(x)
            if pool > 1:
                x = F.max_pool2d(x, (1, pool))
        return x if self.mixing is None else self.mixing(x)


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


class EncoderModel(EcgModel):
    """Base class of the networks that begin with the encoder, for records of 4 samples or more."""

    stages = (Stage(15), Stage(15, pool=2), Stage(15, pool=2))
    last_conv_name = "encoder.layers.4"

    def __init__(
        self, n_outputs: int, dropout: float = 0.2, lead_mixing: LeadMixing = "image", **size: Any
    ) -> None:
        super().__init__(**size)
        self.n_outputs = n_outputs
        self.widest_units = CHANNELS[1] * self.n_leads
        self.encoder = Encoder(self.n_leads, self.stages, lead_mixing)
        self.dropout = Dropout(dropout)


class BlackBoxCNN2D(EncoderModel):
    """Paper A's black box: the IMN's encoder, global average pooling and a linear head.

    116,274 parameters, as published, with any number of leads. Receptive field 60 samples.
    """

    def __init__(self, *, n_outputs: int = 2, **size: Any) -> None:
        super().__init__(n_outputs, **size)
        self.classifier = nn.Linear(CHANNELS[-1], n_outputs)

    def compute(self, x: Tensor) -> Tensor:
        pooled = self.encoder(as_image(x)).mean(dim=(2, 3))
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits

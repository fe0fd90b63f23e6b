"""The image-like encoder that paper A's networks share, and what its ablations change in it."""

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.errors import EcgcoreError
from ecgcore.models.layers import image_conv

ENCODER = (16, 32, 64)
ROWS, TAPS = 3, 15
"""Leads x samples of the published kernels."""

LeadMixing = Literal["image", "none", "full"]
LEAD_MIXINGS: tuple[LeadMixing, ...] = get_args(LeadMixing)

DECODED_SAMPLES = 16
"""How far the decoder widens the receptive field of the encoder."""


class Encoded(NamedTuple):
    """Features ``(record, fold * 64, lead, sample / 4)`` and the lengths on the way there."""

    features: Tensor
    n_samples: int
    n_half: int


class Kernel(NamedTuple):
    """Taps along time, and samples from one tap to the next."""

    taps: int = TAPS
    dilation: int = 1

    @property
    def receptive_field(self) -> int:
        """Samples that one feature of the encoder sees."""
        return 4 + 4 * (self.taps - 1) * self.dilation


def kernel_for(receptive_field_ms: float | None, rate_hz: float) -> Kernel:
    """The kernel with which one weight W[lead, sample] sees about so much of the record.

    Taps are 15 at most and spread out beyond the published span, so that a longer view costs
    neither time nor parameters.

    Parameters
    ----------
    receptive_field_ms
        In milliseconds, decoder included; None is the published kernel whatever the rate (76
        samples: 760 ms at 100 Hz, 152 ms at 500 Hz).

    Raises
    ------
    EcgcoreError
        Shorter than the decoder alone sees.
    """
    if receptive_field_ms is None:
        return Kernel()
    reach = receptive_field_ms * rate_hz / 1000 - DECODED_SAMPLES - 4
    if reach < 0:
        least_ms = (DECODED_SAMPLES + 4) * 1000 / rate_hz
        raise EcgcoreError(
            f"receptive_field_ms: {receptive_field_ms:g} ms is not possible at {rate_hz:g} Hz; "
            f"the decoder alone sees {least_ms:g} ms."
        )
    dilation = max(1, -int(-reach // (4 * (TAPS - 1))))
    return Kernel(1 + 2 * round(reach / (8 * dilation)), dilation)


class Encoder(nn.Module):
    """Three convolutions over leads and samples with batch norm and GELU; time halved twice.

    Published: receptive field 60 samples and 7 leads.

    Parameters
    ----------
    n_leads
        Rows of the image.
    kernel
        See :func:`kernel_for`.
    lead_mixing
        ``image``: kernels span 3 neighbouring rows, as published; which leads are neighbours
        follows from their order.  ``none``: every lead is read by itself with the same kernels,
        so that a lead's weights depend on that lead alone; a scale and a shift of its own for
        every channel, first thing in the encoder and last in the decoder, tell leads apart.
        ``full``: as ``none``, then every lead gets a learnt mixture of all leads added.
    """

    def __init__(
        self,
        *,
        n_leads: int,
        folds: int,
        kernel: Kernel | None = None,
        lead_mixing: LeadMixing = "image",
    ) -> None:
        super().__init__()
        if lead_mixing not in LEAD_MIXINGS:
            raise EcgcoreError(
                f"lead_mixing: expected one of {', '.join(LEAD_MIXINGS)}, got {lead_mixing!r}."
            )
        kernel = kernel or Kernel()
        rows = ROWS if lead_mixing == "image" else 1
        layers: list[nn.Module] = []
        for n_in, n_out in zip((1, *ENCODER), ENCODER, strict=False):
            size = (rows, kernel.taps)
            layers.append(image_conv(n_in, n_out, size, dilation=kernel.dilation, folds=folds))
            layers.append(nn.BatchNorm2d(n_out * folds))
        self.layers = nn.ModuleList(layers)
        self.receptive_field = kernel.receptive_field
        self.identity = LeadIdentity(ENCODER[0] * folds, n_leads) if rows == 1 else None
        self.mixing = LeadMixture(n_leads, folds=folds) if lead_mixing == "full" else None

    def forward(self, x: Tensor) -> Encoded:
        lengths = []
        for depth, (conv, norm) in enumerate(zip(self.layers[::2], self.layers[1::2], strict=True)):
            x = norm(conv(x))
            if depth == 0 and self.identity is not None:
                x = self.identity(x)
            x = F.gelu(x)
            lengths.append(x.shape[-1])
            if depth > 0:
                x = F.max_pool2d(x, (1, 2))
        if self.mixing is not None:
            x = self.mixing(x)
        return Encoded(x, lengths[1], lengths[2])


class LeadIdentity(nn.Module):
    """A scale and a shift of its own for each lead and channel; starts as the identity."""

    def __init__(self, n_channels: int, n_leads: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_channels, n_leads))
        self.shift = nn.Parameter(torch.zeros(n_channels, n_leads))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale[..., None] + self.shift[..., None]


class LeadMixture(nn.Module):
    """Adds to every lead a learnt mixture of all leads, channel by channel."""

    def __init__(self, n_leads: int, *, folds: int) -> None:
        super().__init__()
        self.folds, self.n_leads = folds, n_leads
        self.mix = nn.Conv2d(n_leads * folds, n_leads * folds, 1, groups=folds)

    def forward(self, x: Tensor) -> Tensor:
        n_batch, _, n_leads, n_samples = x.shape
        by_lead = x.view(n_batch, self.folds, -1, n_leads, n_samples).transpose(2, 3)
        mixed = self.mix(by_lead.reshape(n_batch, self.folds * n_leads, -1, n_samples))
        back = mixed.view(n_batch, self.folds, n_leads, -1, n_samples).transpose(2, 3)
        mixture: Tensor = back.reshape(x.shape)
        return x + mixture

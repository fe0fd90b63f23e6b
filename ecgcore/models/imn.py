"""ECG-IMN (paper A, arXiv 2602.09566): a hypernetwork writes one linear model for every ECG.

``W * x`` is the explanation. The options are this study's ablations; the defaults are the paper's.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.errors import EcgcoreError
from ecgcore.models.base import IMNOutput
from ecgcore.models.encoder import CHANNELS, EncoderModel, LeadIdentity, LeadMixing
from ecgcore.models.layers import as_image


def linear_model(x: Tensor, weights: Tensor, bias: Tensor) -> IMNOutput:
    """Return ``logit = sum(W * x) + b`` (paper A, equation 1) for ``x (record, lead, sample)``.

    The sum is taken in float32 at least: under bfloat16 it would lose the identity that makes
    ``W * x`` an explanation.
    """
    weights, bias = weights.float(), bias.float()
    logits = (weights * x.float().unsqueeze(1)).sum(dim=(2, 3)) + bias
    return IMNOutput(logits, weights, bias)


class Transition(nn.Module):
    """Decoder from the encoder's features to one map of weights per output.

    *Differs from the paper* for lengths that are not divisible by 4: up-sampling is to the size
    of the encoder's stage instead of times two.
    """

    def __init__(self, n_outputs: int, n_leads: int, lead_mixing: LeadMixing) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        kernel = (3 if lead_mixing == "image" else 1, 3)
        for n_in, n_out in ((CHANNELS[2], CHANNELS[1]), (CHANNELS[1], CHANNELS[0])):
            conv = nn.Conv2d(n_in, n_out, kernel, padding="same", bias=False)
            self.layers.extend([conv, nn.BatchNorm2d(n_out)])
        self.layers.append(nn.Conv2d(CHANNELS[0], n_outputs, kernel, padding="same"))
        self.identity = None if lead_mixing == "image" else LeadIdentity(CHANNELS[0], n_leads)

    def forward(self, features: Tensor, n_samples: int) -> Tensor:
        conv_1, norm_1, conv_2, norm_2, head = self.layers
        n_leads = features.shape[2]
        h = F.gelu(norm_1(conv_1(features)))
        h = F.interpolate(h, size=(n_leads, n_samples // 2))
        h = F.gelu(norm_2(conv_2(h)))
        h = F.interpolate(h, size=(n_leads, n_samples))
        h = h if self.identity is None else self.identity(h)
        weights: Tensor = head(h)  # (record, output, lead, sample)
        return weights


class IMN(EncoderModel):
    """The transition network of paper A: ``imn`` (one output), ``imn_categorical`` (two).

    139,490 and 139,700 parameters, as published, with any number of leads. One weight
    ``W[lead, sample]`` depends on 72 to 76 samples, according to its place among the poolings.

    ``bias`` is ``generated`` by the same kind of head as the black box's answer (paper), one
    learnt ``constant``, or ``none``, so that the sum of W * x is the whole answer. ``logit_scale``
    multiplies W by 1 (paper), 1 / sqrt(leads * samples) or 1 / (leads * samples). With
    ``zero_head`` training starts with W = 0 everywhere.
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
        self.logit_scale = logit_scale
        self.transition = Transition(n_outputs, self.n_leads, lead_mixing)
        if zero_head:
            for parameter in self.transition.layers[-1].parameters():
                nn.init.zeros_(parameter)
        self.bias_head = nn.Linear(CHANNELS[-1], n_outputs) if bias == "generated" else None
        self.constant = nn.Parameter(torch.zeros(n_outputs)) if bias == "constant" else None

    def compute(self, x: Tensor) -> IMNOutput:
        features = self.dropout(self.encoder(as_image(x)))
        weights = self.transition(features, x.shape[2])
        if self.logit_scale != "none":
            n_terms = x.shape[1] * x.shape[2]
            weights = weights / (n_terms**0.5 if self.logit_scale == "sqrt" else n_terms)
        if self.bias_head is not None:
            return linear_model(x, weights, self.bias_head(features.mean(dim=(2, 3))))
        bias = features.new_zeros(self.n_outputs) if self.constant is None else self.constant
        return linear_model(x, weights, bias.expand(len(x), -1))


class IMNDirect(EncoderModel):
    """Paper A's first attempt: one linear layer writes W and b from the pooled features.

    The pooling loses where a beat is, so W cannot follow it; the paper's released checkpoint is
    at chance. The number of parameters grows with the record (7.92 M for 5,000 samples).
    """

    writes_weights = True

    def __init__(self, *, n_outputs: int = 2, **size: Any) -> None:
        super().__init__(n_outputs, **size)
        self.writer = nn.Linear(CHANNELS[-1], n_outputs * (self.n_leads * self.n_samples + 1))

    def compute(self, x: Tensor) -> IMNOutput:
        if x.shape[2] != self.n_samples:
            raise EcgcoreError(
                f"{self.spec.name}: the records have {x.shape[2]} samples, but this network is "
                f"built for {self.n_samples}; build it again with n_samples={x.shape[2]}."
            )
        pooled = self.encoder(as_image(x)).mean(dim=(2, 3))
        written = self.writer(self.dropout(pooled)).unflatten(1, (self.n_outputs, -1))
        weights = written[..., :-1].unflatten(2, (self.n_leads, self.n_samples))
        return linear_model(x, weights, written[..., -1])

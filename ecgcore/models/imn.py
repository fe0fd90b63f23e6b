"""ECG-IMN (arXiv 2602.09566): a hypernetwork writes one linear model for every ECG.

``logit = sum(W * x) + b``, so ``W * x`` is the explanation, of the record's own shape.  The
options are the ablations of this study; their defaults are the paper's.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.errors import EcgcoreError
from ecgcore.models.base import EcgModel, IMNOutput
from ecgcore.models.encoder import (
    DECODED_SAMPLES,
    ENCODER,
    ROWS,
    Encoded,
    Encoder,
    LeadIdentity,
    LeadMixing,
    kernel_for,
)
from ecgcore.models.layers import Dropout, FoldLinear, by_fold, image_conv

Bias = Literal["generated", "constant", "none"]
BIASES: tuple[Bias, ...] = get_args(Bias)
LogitScale = Literal["none", "sqrt", "mean"]
LOGIT_SCALES: tuple[LogitScale, ...] = get_args(LogitScale)


class Transition(nn.Module):
    """Decoder from the encoder's features to one map of weights an output.

    *Differs from the paper* in one point: each up-sampling goes to the size of the encoder's
    stage instead of times two, so that lengths which do not divide by 4 work.  Where they do
    divide, the two are the same.
    """

    def __init__(
        self,
        n_outputs: int,
        *,
        n_leads: int,
        folds: int,
        lead_mixing: LeadMixing = "image",
        zero_head: bool = False,
    ) -> None:
        super().__init__()
        kernel = (ROWS if lead_mixing == "image" else 1, 3)
        self.layers = nn.ModuleList(
            [
                image_conv(ENCODER[2], ENCODER[1], kernel, folds=folds),
                nn.BatchNorm2d(ENCODER[1] * folds),
                image_conv(ENCODER[1], ENCODER[0], kernel, folds=folds),
                nn.BatchNorm2d(ENCODER[0] * folds),
                image_conv(ENCODER[0], n_outputs, kernel, bias=True, folds=folds),
            ]
        )
        by_itself = lead_mixing != "image"
        self.identity = LeadIdentity(ENCODER[0] * folds, n_leads) if by_itself else None
        if zero_head:
            for parameter in self.layers[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(self, encoded: Encoded) -> Tensor:
        conv_1, norm_1, conv_2, norm_2, project = self.layers
        n_leads = encoded.features.shape[2]
        h = F.gelu(norm_1(conv_1(encoded.features)))
        h = F.interpolate(h, size=(n_leads, encoded.n_half))
        h = F.gelu(norm_2(conv_2(h)))
        h = F.interpolate(h, size=(n_leads, encoded.n_samples))
        h = h if self.identity is None else self.identity(h)
        weights: Tensor = project(h)  # (record, fold * output, lead, sample)
        return weights


class IMN(EcgModel):
    """The transition network of paper A: ``imn`` (one output), ``imn_categorical`` (two).

    139,490 and 139,700 parameters as published, with any number of leads.

    Parameters
    ----------
    n_leads, n_samples, rate_hz
        Shape of a record, any length of at least 4 samples, and its sampling rate.
    n_outputs
        1: sigmoid; 2: softmax over (negative, positive).
    dropout
        On the encoder's features (paper: 0.2).
    bias
        ``generated``: b is written by the very head that the black box answers with (paper);
        ``constant``: one learnt number for all records; ``none``: 0, so that the sum of W * x is
        the whole answer.
    logit_scale
        Factor of W: ``none`` (paper), ``sqrt`` for 1 / sqrt(leads * samples), ``mean`` for
        1 / (leads * samples).
    zero_head
        Start with W = 0 everywhere.
    receptive_field_ms, lead_mixing
        What one weight can see, in time (:func:`~ecgcore.models.encoder.kernel_for`) and of other
        leads (:class:`~ecgcore.models.encoder.Encoder`).
    """

    def __init__(
        self,
        *,
        n_leads: int,
        n_samples: int,
        rate_hz: float,
        n_outputs: int = 1,
        dropout: float = 0.2,
        bias: Bias = "generated",
        logit_scale: LogitScale = "none",
        zero_head: bool = False,
        receptive_field_ms: float | None = None,
        lead_mixing: LeadMixing = "image",
        folds: int = 1,
    ) -> None:
        super().__init__(n_leads=n_leads, n_samples=n_samples, folds=folds)
        for name, value, known in (
            ("bias", bias, BIASES),
            ("logit_scale", logit_scale, LOGIT_SCALES),
        ):
            if value not in known:
                raise EcgcoreError(f"{name}: expected one of {', '.join(known)}, got {value!r}.")
        kernel = kernel_for(receptive_field_ms, rate_hz)
        self.widest_units = ENCODER[1] * n_leads
        self.n_outputs, self.logit_scale = n_outputs, logit_scale
        self.encoder = Encoder(n_leads=n_leads, folds=folds, kernel=kernel, lead_mixing=lead_mixing)
        self.receptive_field = self.encoder.receptive_field + DECODED_SAMPLES
        self.dropout = Dropout(dropout, folds=folds)
        self.transition = Transition(
            n_outputs, n_leads=n_leads, folds=folds, lead_mixing=lead_mixing, zero_head=zero_head
        )
        self.bias_head = (
            FoldLinear(ENCODER[-1], n_outputs, folds=folds) if (bias == "generated") else None
        )
        constant = torch.zeros(n_outputs * folds)
        self.constant = nn.Parameter(constant) if bias == "constant" else None

    @property
    def last_conv(self) -> nn.Module:
        return self.encoder.layers[-2]

    def forward_folds(self, x: Tensor) -> IMNOutput:
        encoded = self.encoder(self.as_image(x))
        encoded = encoded._replace(features=self.dropout(encoded.features))
        weights = by_fold(self.transition(encoded), self.folds)
        return linear_model(x, self._scaled(weights), self._bias(encoded))

    def _scaled(self, weights: Tensor) -> Tensor:
        n_places = weights.shape[-2] * weights.shape[-1]
        if self.logit_scale == "none":
            return weights
        return weights / (n_places**0.5 if self.logit_scale == "sqrt" else n_places)

    def _bias(self, encoded: Encoded) -> Tensor:
        features = encoded.features
        if self.bias_head is not None:
            found: Tensor = self.bias_head(by_fold(features.mean(dim=(2, 3)), self.folds))
            return found
        shape = (features.shape[0], self.folds, self.n_outputs)
        if self.constant is not None:
            return self.constant.view(1, self.folds, self.n_outputs).expand(shape)
        return features.new_zeros(shape)


class IMNDirect(EcgModel):
    """Paper A's first attempt: the pooled features write all of W and b through one linear layer.

    The pooling forgets where a beat is, so W cannot follow it; the paper's released checkpoint is
    at chance.  The number of parameters grows with the record (7.92 M for 5,000 samples).

    Parameters as :class:`IMN`; ``n_samples`` is fixed at building.
    """

    receptive_field = 60

    def __init__(
        self,
        *,
        n_leads: int,
        n_samples: int,
        n_outputs: int = 2,
        dropout: float = 0.2,
        folds: int = 1,
    ) -> None:
        super().__init__(n_leads=n_leads, n_samples=n_samples, folds=folds)
        self.widest_units = ENCODER[1] * n_leads
        self.n_outputs = n_outputs
        self.encoder = Encoder(n_leads=n_leads, folds=folds)
        self.dropout = Dropout(dropout, folds=folds)
        self.writer = FoldLinear(ENCODER[-1], n_outputs * (n_leads * n_samples + 1), folds=folds)

    @property
    def last_conv(self) -> nn.Module:
        return self.encoder.layers[-2]

    def forward_folds(self, x: Tensor) -> IMNOutput:
        pooled = self.encoder(self.as_image(x)).features.mean(dim=(2, 3))
        written = self.writer(by_fold(self.dropout(pooled), self.folds))
        written = written.unflatten(2, (self.n_outputs, -1))
        weights = written[..., :-1].unflatten(3, (self.n_leads, self.n_samples))
        return linear_model(x, weights, written[..., -1])


def linear_model(x: Tensor, weights: Tensor, bias: Tensor) -> IMNOutput:
    """Apply ``logit = sum(W * x) + b`` (paper A, equation 1).

    ``x (record, fold, lead, sample)``, ``weights (record, fold, output, lead, sample)``,
    ``bias (record, fold, output)``.  The sum is taken in float32 at least: under bfloat16 it would
    lose the identity that makes W * x an explanation.
    """
    weights, bias = weights.float(), bias.float()
    logits = (weights * x.float().unsqueeze(2)).sum(dim=(3, 4)) + bias
    return IMNOutput(logits, weights, bias)

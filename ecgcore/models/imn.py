"""ECG-IMN (arXiv 2602.09566): a hypernetwork writes one linear model for every ECG.

``logit = sum(W * x) + b``, so ``W * x`` is the explanation, of the record's own shape.  The black
box that the paper compares with is the same encoder with a linear head.
"""

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.models.base import EcgModel, IMNOutput
from ecgcore.models.layers import Dropout, FoldLinear, by_fold, image_conv

ENCODER = (16, 32, 64)
KERNEL = (3, 15)
"""Leads x samples."""


class Encoded(NamedTuple):
    """Features ``(record, fold * 64, lead, sample / 4)`` and the lengths on the way there."""

    features: Tensor
    n_samples: int
    n_half: int


class Encoder(nn.Module):
    """Three convolutions over leads and samples with batch norm and GELU; time halved twice.

    Receptive field 60 samples, 7 leads.
    """

    def __init__(self, *, folds: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out in zip((1, *ENCODER), ENCODER, strict=False):
            layers.append(image_conv(n_in, n_out, KERNEL, folds=folds))
            layers.append(nn.BatchNorm2d(n_out * folds))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Encoded:
        lengths = []
        for depth, (conv, norm) in enumerate(zip(self.layers[::2], self.layers[1::2], strict=True)):
            x = F.gelu(norm(conv(x)))
            lengths.append(x.shape[-1])
            if depth > 0:
                x = F.max_pool2d(x, (1, 2))
        return Encoded(x, lengths[1], lengths[2])


class Transition(nn.Module):
    """Decoder from the encoder's features to one map of weights an output.

    *Differs from the paper* in one point: each up-sampling goes to the size of the encoder's
    stage instead of times two, so that lengths which do not divide by 4 work.  Where they do
    divide, the two are the same.
    """

    def __init__(self, n_outputs: int, *, folds: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                image_conv(ENCODER[2], ENCODER[1], (3, 3), folds=folds),
                nn.BatchNorm2d(ENCODER[1] * folds),
                image_conv(ENCODER[1], ENCODER[0], (3, 3), folds=folds),
                nn.BatchNorm2d(ENCODER[0] * folds),
                image_conv(ENCODER[0], n_outputs, (3, 3), bias=True, folds=folds),
            ]
        )

    def forward(self, encoded: Encoded) -> Tensor:
        conv_1, norm_1, conv_2, norm_2, project = self.layers
        n_leads = encoded.features.shape[2]
        h = F.gelu(norm_1(conv_1(encoded.features)))
        h = F.interpolate(h, size=(n_leads, encoded.n_half))
        h = F.gelu(norm_2(conv_2(h)))
        h = F.interpolate(h, size=(n_leads, encoded.n_samples))
        weights: Tensor = project(h)  # (record, fold * output, lead, sample)
        return weights


class IMN(EcgModel):
    """The transition network of paper A: ``imn`` (one output), ``imn_categorical`` (two).

    139,490 and 139,700 parameters with any number of leads.

    Parameters
    ----------
    n_leads, n_samples
        Shape of a record; any length of at least 4 samples.
    n_outputs
        1: sigmoid; 2: softmax over (negative, positive).
    dropout
        On the encoder's features (paper: 0.2).
    """

    receptive_field = 76

    def __init__(
        self,
        *,
        n_leads: int,
        n_samples: int,
        n_outputs: int = 1,
        dropout: float = 0.2,
        folds: int = 1,
    ) -> None:
        super().__init__(n_leads=n_leads, n_samples=n_samples, folds=folds)
        self.widest_units = ENCODER[1] * n_leads
        self.n_outputs = n_outputs
        self.encoder = Encoder(folds=folds)
        self.dropout = Dropout(dropout, folds=folds)
        self.transition = Transition(n_outputs, folds=folds)
        self.bias_head = FoldLinear(ENCODER[-1], n_outputs, folds=folds)

    @property
    def last_conv(self) -> nn.Module:
        return self.encoder.layers[-2]

    def forward_folds(self, x: Tensor) -> IMNOutput:
        encoded = self.encoder(self.as_image(x))
        encoded = encoded._replace(features=self.dropout(encoded.features))
        weights = by_fold(self.transition(encoded), self.folds)
        bias = self.bias_head(by_fold(encoded.features.mean(dim=(2, 3)), self.folds))
        return linear_model(x, weights, bias)


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
        self.encoder = Encoder(folds=folds)
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


class BlackBoxCNN2D(EcgModel):
    """The IMN's encoder with global average pooling and a linear head (paper A's baseline).

    116,274 parameters.  Parameters as :class:`IMN`.
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
        self.encoder = Encoder(folds=folds)
        self.dropout = Dropout(dropout, folds=folds)
        self.classifier = FoldLinear(ENCODER[-1], n_outputs, folds=folds)

    @property
    def last_conv(self) -> nn.Module:
        return self.encoder.layers[-2]

    def forward_folds(self, x: Tensor) -> Tensor:
        pooled = self.encoder(self.as_image(x)).features.mean(dim=(2, 3))
        logits: Tensor = self.classifier(by_fold(self.dropout(pooled), self.folds))
        return logits


def linear_model(x: Tensor, weights: Tensor, bias: Tensor) -> IMNOutput:
    """Apply ``logit = sum(W * x) + b`` (paper A, equation 1).

    ``x (record, fold, lead, sample)``, ``weights (record, fold, output, lead, sample)``,
    ``bias (record, fold, output)``.  The sum is taken in float32 at least: under bfloat16 it would
    lose the identity that makes W * x an explanation.
    """
    weights, bias = weights.float(), bias.float()
    logits = (weights * x.float().unsqueeze(2)).sum(dim=(3, 4)) + bias
    return IMNOutput(logits, weights, bias)

"""CNN1D: the plain convolutional network of *Sampling Matters* (arXiv 2604.16437)."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.models.base import EcgModel
from ecgcore.models.layers import Dropout, FoldLinear, SampleConv, by_fold, conv_norm
from ecgcore.models.sizes import Stage

WIDTH = 32
CHANNELS = (1, 2, 4, 8)
"""Of each stage, in multiples of the first one's."""
STAGES = (Stage(7, pool=2), Stage(5, pool=2), Stage(5, pool=2), Stage(3))
"""Samples; the paper keeps them whatever the rate, so the receptive field shrinks in ms."""


class CNN1D(EcgModel):
    """Four convolutions, each with batch norm and ReLU, three halvings, global average, linear.

    154,146 parameters with 12 leads and two outputs, receptive field 54 samples (paper B's code).

    Parameters
    ----------
    n_leads, n_samples
        Shape of a record; any length of at least 8 samples.
    n_outputs
        2: softmax over (negative, positive).
    dropout
        Before the linear layer (paper: 0.4).
    kernels, dilations
        Taps of the four convolutions and samples from tap to tap (paper: 7, 5, 5, 3 and 1).
        :func:`ecgcore.models.sizes_in_ms` finds them for a receptive field in ms.
    width
        Channels of the first convolution; the others have 2, 4 and 8 times as many (paper: 32).
    """

    stages = STAGES

    def __init__(
        self,
        *,
        n_leads: int,
        n_samples: int,
        n_outputs: int = 2,
        dropout: float = 0.4,
        kernels: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        width: int = WIDTH,
        folds: int = 1,
    ) -> None:
        super().__init__(n_leads=n_leads, n_samples=n_samples, folds=folds)
        self.n_outputs = n_outputs
        self.set_stages(kernels, dilations)
        self.widest_units = width
        layers: list[nn.Module] = []
        n_in = n_leads
        for stage, times in zip(self.stages, CHANNELS, strict=True):
            n_out = times * width
            pad, dilation = stage.padding, stage.dilation
            conv = SampleConv(
                n_in, n_out, stage.kernel, padding=pad, dilation=dilation, folds=folds
            )
            layers.append(conv)
            layers.append(nn.BatchNorm2d(n_out * folds))
            n_in = n_out
        self.features = nn.ModuleList(layers)
        self.dropout = Dropout(dropout, folds=folds)
        self.classifier = FoldLinear(n_in, n_outputs, folds=folds)

    @property
    def last_conv(self) -> nn.Module:
        return self.features[-2]

    def forward_folds(self, x: Tensor) -> Tensor:
        h = self.as_rows(x)  # (record, fold * lead, 1, sample)
        stages = list(zip(self.features[::2], self.features[1::2], strict=True))
        for depth, (conv, norm) in enumerate(stages):
            h = conv_norm(conv, norm, h, plain=self.plain)
            if depth < len(stages) - 1:
                h = F.max_pool2d(h, (1, 2))  # before ReLU: the same result, half the work
            h = F.relu(h, inplace=self.training)
        h = self.dropout(h.mean(dim=(2, 3)))
        logits: Tensor = self.classifier(by_fold(h, self.folds))  # (record, fold, output)
        return logits

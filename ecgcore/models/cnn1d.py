"""CNN1D: the plain convolutional network of *Sampling Matters* (arXiv 2604.16437)."""

from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.models.base import EcgModel
from ecgcore.models.layers import Dropout, FoldLinear, SampleConv, by_fold, conv_norm

CHANNELS = (32, 64, 128, 256)
KERNELS = (7, 5, 5, 3)
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
    """

    receptive_field = 54
    widest_units = 32

    def __init__(
        self,
        *,
        n_leads: int,
        n_samples: int,
        n_outputs: int = 2,
        dropout: float = 0.4,
        folds: int = 1,
    ) -> None:
        super().__init__(n_leads=n_leads, n_samples=n_samples, folds=folds)
        self.n_outputs = n_outputs
        layers: list[nn.Module] = []
        for n_in, n_out, kernel in zip((n_leads, *CHANNELS), CHANNELS, KERNELS, strict=False):
            layers.append(SampleConv(n_in, n_out, kernel, padding=kernel // 2, folds=folds))
            layers.append(nn.BatchNorm2d(n_out * folds))
        self.features = nn.ModuleList(layers)
        self.dropout = Dropout(dropout, folds=folds)
        self.classifier = FoldLinear(CHANNELS[-1], n_outputs, folds=folds)

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

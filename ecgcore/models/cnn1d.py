"""CNN1D: the convolutional network of *Sampling Matters* (paper B, arXiv 2604.16437)."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.models.base import Dropout, EcgModel, SampleConv, channels_last
from ecgcore.models.receptive_field import Stage

CHANNELS = (32, 64, 128, 256)


class CNN1D(EcgModel):
    """Four convolutions, each with batch norm and ReLU, three halvings, global average, linear.

    154,146 parameters with 12 leads and two outputs. Receptive field 54 samples: 540 ms at 100 Hz,
    108 ms at 500 Hz (paper B's code). The parameters have the order of the published weights.
    Dropout precedes the linear layer; records need at least 8 samples.
    """

    stages = (Stage(7, pool=2), Stage(5, pool=2), Stage(5, pool=2), Stage(3))
    widest_units = CHANNELS[0]
    last_conv_name = "features.6"

    def __init__(self, *, n_outputs: int = 2, dropout: float = 0.4, **size: Any) -> None:
        super().__init__(n_outputs=n_outputs, **size)
        self.features = nn.ModuleList()
        n_in = self.n_leads
        for stage, n_out in zip(self.stages, CHANNELS, strict=True):
            conv = SampleConv(n_in, n_out, stage.kernel, dilation=stage.dilation, bias=True)
            self.features.extend([conv, nn.BatchNorm2d(n_out)])
            n_in = n_out
        self.dropout = Dropout(dropout)
        self.classifier = nn.Linear(n_in, n_outputs)

    def compute(self, x: Tensor) -> Any:
        h = channels_last(x.unsqueeze(2))  # (record, lead, 1, sample)
        layers = zip(self.stages, self.features[::2], self.features[1::2], strict=True)
        for stage, conv, norm in layers:
            h = conv_norm(conv, norm, h)
            if stage.pool > 1:  # before ReLU: the same result, half the work
                h = F.max_pool2d(h, (1, stage.pool))
            h = F.relu(h, inplace=self.training)
        return self.classifier(self.dropout(h.mean(dim=(2, 3))))


def conv_norm(conv: Any, norm: Any, x: Tensor) -> Any:
    """Return the batch norm of a convolution.

    In training the norm subtracts the batch mean, and the bias with it. The bias therefore only
    enters the running mean: its gradient would be rounding errors that Adam scales up.
    """
    if not norm.training:
        return norm(conv(x))
    norm.running_mean.data.sub_(conv.bias.data)
    h = norm(conv(x, with_bias=False))
    norm.running_mean.data.add_(conv.bias.data)
    return h

"""xresnet1d101: the network that leads the published PTB-XL benchmark.

Architecture of Strodthoff, Wagner, Schaeffter & Samek (2021, IEEE J Biomed Health Inform 25:1519)
as their public code builds it: a 1-D form of the *Bag of Tricks* ResNet (arXiv 1812.01187).
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.models.base import Dropout, EcgModel, SampleConv, channels_last

STEM = (32, 32, 64)
N_BLOCKS, HALVING_BLOCKS = 33, (3, 7, 30)  # four stages of 3, 4, 23 and 3 blocks
WIDTH, N_OUT, KERNEL, HIDDEN = 64, 256, 5, 128


def conv_block(
    n_in: int, n_out: int, kernel: int, *, stride: int = 1, relu: bool = True
) -> nn.Sequential:
    """Return a convolution without bias, batch norm and, optionally, ReLU."""
    conv = SampleConv(n_in, n_out, kernel, stride=stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out), *([nn.ReLU()] if relu else []))


class Bottleneck(nn.Module):
    """Convolutions of 1, 5 and 1 taps and a shortcut, which averages pairs where time is halved."""

    def __init__(self, n_in: int, *, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            conv_block(n_in, WIDTH, 1),
            conv_block(WIDTH, WIDTH, KERNEL, stride=stride),
            conv_block(WIDTH, N_OUT, 1, relu=False),
        )
        self.stride = stride
        is_same = n_in == N_OUT
        self.shortcut = nn.Sequential() if is_same else conv_block(n_in, N_OUT, 1, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.avg_pool2d(x, (1, 2), ceil_mode=True) if self.stride > 1 else x
        return F.relu(self.path(x) + self.shortcut(pooled))


class RecordNorm(nn.BatchNorm1d):
    """Batch norm that uses its running statistics for a batch of one; fastai drops such a batch."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            return super().forward(x)
        mean, variance = self.running_mean, self.running_var
        return F.batch_norm(x, mean, variance, self.weight, self.bias, eps=self.eps)


class XResNet1d101(EcgModel):
    """101 layers in 33 bottleneck blocks, for records of at least 32 samples.

    1,871,874 parameters with 12 leads and two outputs (1,880,775 with the benchmark's 71). The
    receptive field of 1,945 samples cannot be set. Dropout precedes the last layer, and half as
    much the hidden one. *Differs from the paper*: trained here like the other networks, on
    whole records; the benchmark trains on crops of 2.5 s with a one-cycle schedule.
    """

    receptive_field_samples = 1945
    widest_units = STEM[-1]
    last_conv_name = "blocks.32.path.2.0"

    def __init__(self, *, n_outputs: int = 2, dropout: float = 0.5, **size: Any) -> None:
        super().__init__(n_outputs=n_outputs, **size)
        self.stem, self.blocks = nn.Sequential(), nn.Sequential()
        for depth, (n_in, n_out) in enumerate(pairwise((self.n_leads, *STEM))):
            self.stem.append(conv_block(n_in, n_out, KERNEL, stride=1 if depth else 2))
        for block in range(N_BLOCKS):
            n_in, stride = N_OUT if block else STEM[-1], 2 if block in HALVING_BLOCKS else 1
            self.blocks.append(Bottleneck(n_in, stride=stride))
        self.norm_1, self.dropout_1 = RecordNorm(2 * N_OUT), Dropout(dropout / 2)
        self.hidden = nn.Linear(2 * N_OUT, HIDDEN)
        self.norm_2, self.dropout_2 = RecordNorm(HIDDEN), Dropout(dropout)
        self.classifier = nn.Linear(HIDDEN, n_outputs)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.kaiming_normal_(parameter)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def compute(self, x: Tensor) -> Any:
        h = self.stem(channels_last(x.unsqueeze(2)))
        h = self.blocks(F.max_pool2d(h, (1, 3), (1, 2), (0, 1)))
        pooled = torch.cat([h.amax(dim=(2, 3)), h.mean(dim=(2, 3))], dim=1)
        h = F.relu(self.hidden(self.dropout_1(self.norm_1(pooled))))
        return self.classifier(self.dropout_2(self.norm_2(h)))

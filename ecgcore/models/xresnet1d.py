"""xresnet1d101: the network that leads the published PTB-XL benchmark.

Architecture of Strodthoff, Wagner, Schaeffter & Samek (2021, IEEE J Biomed Health Inform 25:1519),
a 1-D form of He et al.'s *Bag of Tricks* ResNet (arXiv 1812.01187), as the benchmark's public code
builds it: every stage is 64 channels wide (256 after expansion), kernels of 5 samples, a head of
one hidden layer on concatenated maximum and mean.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.models.base import EcgModel
from ecgcore.models.layers import Dropout, FoldLinear, SampleConv, by_fold

STEM = (32, 32, 64)
WIDTH, EXPANSION = 64, 4
BLOCKS = (3, 4, 23, 3)
KERNEL = 5
"""Samples, in the stem and in the blocks."""
HIDDEN = 128


class ConvNorm(nn.Module):
    """A convolution without bias and the batch norm after it; ReLU where asked."""

    def __init__(
        self, n_in: int, n_out: int, kernel: int, *, stride: int = 1, relu: bool = True, folds: int
    ) -> None:
        super().__init__()
        how = {"stride": stride, "padding": kernel // 2, "bias": False, "folds": folds}
        conv = SampleConv(n_in, n_out, kernel, **how)  # type: ignore[arg-type]
        self.layers = nn.ModuleList([conv, nn.BatchNorm2d(n_out * folds)])
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        conv, norm = self.layers
        x = norm(conv(x))
        return F.relu(x) if self.relu else x


class Bottleneck(nn.Module):
    """1 x 1, kernel, 1 x 1, and a way past them; a halving way averages pairs first."""

    def __init__(self, n_in: int, *, stride: int, folds: int) -> None:
        super().__init__()
        n_out = WIDTH * EXPANSION
        self.path = nn.Sequential(
            ConvNorm(n_in, WIDTH, 1, folds=folds),
            ConvNorm(WIDTH, WIDTH, KERNEL, stride=stride, folds=folds),
            ConvNorm(WIDTH, n_out, 1, relu=False, folds=folds),
        )
        self.stride = stride
        same = n_in == n_out
        self.past = None if same else ConvNorm(n_in, n_out, 1, relu=False, folds=folds)

    def forward(self, x: Tensor) -> Tensor:
        past = F.avg_pool2d(x, (1, 2), ceil_mode=True) if self.stride > 1 else x
        past = past if self.past is None else self.past(past)
        return F.relu(self.path(x) + past)


class RecordNorm(nn.BatchNorm1d):
    """Batch norm over records; one record alone has no spread and takes the running statistics.

    So a last batch of one can be trained on; fastai, where this head comes from, leaves it out.
    """

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1 or not self.training:
            return super().forward(x)
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


class XResNet1d101(EcgModel):
    """101 layers in 33 bottleneck blocks.

    1,871,874 parameters with 12 leads and two outputs (1,880,775 with the benchmark's 71).

    *Differs from the paper* in how it is trained here: like the other networks of this study, on
    whole records; the benchmark trains on crops of 2.5 s with a one-cycle schedule.

    Parameters
    ----------
    n_leads, n_samples
        Shape of a record; any length of at least 32 samples.
    n_outputs
        2: softmax over (negative, positive).
    dropout
        Before the last layer, and half as much before the hidden one (paper: 0.5).
    """

    receptive_field = 1945
    widest_units = STEM[-1]

    def __init__(
        self,
        *,
        n_leads: int,
        n_samples: int,
        n_outputs: int = 2,
        dropout: float = 0.5,
        folds: int = 1,
    ) -> None:
        super().__init__(n_leads=n_leads, n_samples=n_samples, folds=folds)
        self.n_outputs = n_outputs
        sizes = (n_leads, *STEM)
        self.stem = nn.Sequential(
            *[
                ConvNorm(sizes[i], sizes[i + 1], KERNEL, stride=2 if i == 0 else 1, folds=folds)
                for i in range(len(STEM))
            ]
        )
        blocks, n_in = [], STEM[-1]
        for stage, n_blocks in enumerate(BLOCKS):
            for place in range(n_blocks):
                stride = 2 if stage > 0 and place == 0 else 1
                blocks.append(Bottleneck(n_in, stride=stride, folds=folds))
                n_in = WIDTH * EXPANSION
        self.blocks = nn.Sequential(*blocks)
        self.norm_1 = RecordNorm(2 * n_in * folds)
        self.dropout_1 = Dropout(dropout / 2, folds=folds)
        self.hidden = FoldLinear(2 * n_in, HIDDEN, folds=folds)
        self.norm_2 = RecordNorm(HIDDEN * folds)
        self.dropout_2 = Dropout(dropout, folds=folds)
        self.classifier = FoldLinear(HIDDEN, n_outputs, folds=folds)
        for module in self.modules():
            if isinstance(module, SampleConv | FoldLinear):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @property
    def last_conv(self) -> nn.Module:
        block = self.blocks[-1]
        assert isinstance(block, Bottleneck)
        last = block.path[-1]
        assert isinstance(last, ConvNorm)
        return last.layers[0]

    def forward_folds(self, x: Tensor) -> Tensor:
        h = F.max_pool2d(self.stem(self.as_rows(x)), (1, 3), (1, 2), (0, 1))
        h = self.blocks(h)
        both = [by_fold(h.amax(dim=(2, 3)), self.folds), by_fold(h.mean(dim=(2, 3)), self.folds)]
        h = self.dropout_1(self.norm_1(torch.cat(both, dim=2).flatten(1)))
        h = F.relu(self.hidden(by_fold(h, self.folds)))
        h = self.dropout_2(self.norm_2(h.flatten(1)))
        logits: Tensor = self.classifier(by_fold(h, self.folds))
        return logits

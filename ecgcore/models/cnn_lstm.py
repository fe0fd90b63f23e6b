"""CNN-LSTM of *Sampling Matters* (arXiv 2604.16437), after PMC7348856's shortcut network."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.errors import EcgcoreError
from ecgcore.models.base import EcgModel
from ecgcore.models.layers import Dropout, FoldLinear, FoldLSTM, SampleConv, by_fold
from ecgcore.models.sizes import Stage

WIDTH = 32
CHANNELS = (1, 1, 2, 2, 4, 4, 8, 8)
"""Of each block, in multiples of the first one's."""
STAGES = (Stage(10, pool=2),) * len(CHANNELS)
HIDDEN = 128


class ShortcutBlock(nn.Module):
    """Batch norm, convolution, ReLU, dropout; half the channels average-, half max-pooled by 2.

    The even kernel with padding 5 makes a record one sample longer before it is halved.
    """

    def __init__(self, n_in: int, n_out: int, *, stage: Stage, dropout: float, folds: int) -> None:
        super().__init__()
        self.folds = folds
        self.norm = nn.BatchNorm2d(n_in * folds)
        how = {"padding": stage.padding, "dilation": stage.dilation, "folds": folds}
        self.conv = SampleConv(n_in, n_out, stage.kernel, bias=False, **how)
        self.dropout = Dropout(dropout, folds=folds)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(self.norm(x))
        h = self.dropout(F.relu(h, inplace=self.training))
        if self.folds == 1:
            mean_half, max_half = h.chunk(2, dim=1)
        else:
            mean_half, max_half = (t.flatten(1, 2) for t in by_fold(h, self.folds).chunk(2, dim=2))
        mean_half, max_half = F.avg_pool2d(mean_half, (1, 2)), F.max_pool2d(max_half, (1, 2))
        if self.folds == 1:
            return torch.cat([mean_half, max_half], dim=1)
        halves = [by_fold(mean_half, self.folds), by_fold(max_half, self.folds)]
        return torch.cat(halves, dim=2).flatten(1, 2)


class CNNLSTM(EcgModel):
    """Eight shortcut blocks, an LSTM over what is left of time, its mean, linear.

    1,503,642 parameters with 12 leads and two outputs; convolutional receptive field 2,551
    samples; 3, 4, 10, 20 LSTM steps for 10 s at 62, 100, 250, 500 Hz (paper B's code).

    Parameters
    ----------
    n_leads, n_samples
        Shape of a record.
    n_outputs
        2: softmax over (negative, positive).
    dropout
        In every block and before the linear layer (paper: 0.3).
    kernels, dilations
        Taps of the eight convolutions and samples from tap to tap (paper: 10 and 1).
        :func:`ecgcore.models.sizes_in_ms` finds them for a receptive field in ms.
    width
        Channels of the first block, an even number; the last has 8 times as many (paper: 32).
    """

    stages = STAGES
    width_step = 2

    def __init__(
        self,
        *,
        n_leads: int,
        n_samples: int,
        n_outputs: int = 2,
        dropout: float = 0.3,
        kernels: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        width: int = WIDTH,
        folds: int = 1,
    ) -> None:
        super().__init__(n_leads=n_leads, n_samples=n_samples, folds=folds)
        if width % self.width_step:
            raise EcgcoreError(
                f"width: {width}; the blocks halve their channels, take an even one."
            )
        self.n_outputs = n_outputs
        self.set_stages(kernels, dilations)
        self.widest_units = width
        channels = [times * width for times in CHANNELS]
        blocks = [
            ShortcutBlock(n_in, n_out, stage=stage, dropout=dropout, folds=folds)
            for n_in, n_out, stage in zip(
                (n_leads, *channels[:-1]), channels, self.stages, strict=True
            )
        ]
        self.blocks = nn.Sequential(*blocks)
        self.lstm = FoldLSTM(channels[-1], HIDDEN, folds=folds)
        self.dropout = Dropout(dropout, folds=folds)
        self.classifier = FoldLinear(HIDDEN, n_outputs, folds=folds)

    @property
    def last_conv(self) -> nn.Module:
        block = self.blocks[-1]
        assert isinstance(block, ShortcutBlock)
        return block.conv

    def forward_folds(self, x: Tensor) -> Tensor:
        h = self.blocks(self.as_rows(x)).squeeze(2)  # (record, fold * channel, step)
        h = by_fold(h, self.folds).transpose(2, 3)  # (record, fold, step, channel)
        h = self.lstm(h).mean(dim=2)  # (record, fold, hidden)
        h = self.dropout(h.flatten(1, 2))
        logits: Tensor = self.classifier(by_fold(h, self.folds))
        return logits

"""CNN-LSTM of *Sampling Matters* (paper B, arXiv 2604.16437), after that of PMC7348856."""

from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcore.models.base import Dropout, EcgModel, SampleConv, channels_last
from ecgcore.models.receptive_field import Stage

CHANNELS = (32, 32, 64, 64, 128, 128, 256, 256)
HIDDEN = 128


class ShortcutBlock(nn.Module):
    """Batch norm, convolution, ReLU, dropout; half the channels average-, half max-pooled by 2.

    The even kernel makes a record one sample longer before it is halved.
    """

    def __init__(self, n_in: int, n_out: int, stage: Stage, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(n_in)
        self.conv = SampleConv(n_in, n_out, stage.kernel, dilation=stage.dilation, bias=False)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(self.norm(x))
        h = self.dropout(F.relu(h, inplace=self.training))
        mean_half, max_half = h.chunk(2, dim=1)
        return torch.cat([F.avg_pool2d(mean_half, (1, 2)), F.max_pool2d(max_half, (1, 2))], dim=1)


class CNNLSTM(EcgModel):
    """Eight shortcut blocks, an LSTM over the remaining steps, the mean of its outputs, linear.

    1,503,642 parameters with 12 leads and two outputs; convolutional receptive field 2,551 samples;
    3, 4, 10, 20 LSTM steps for 10 s at 62, 100, 250, 500 Hz (paper B's code). Dropout is in every
    block and before the linear layer.
    """

    stages = (Stage(10, pool=2),) * len(CHANNELS)
    widest_units = CHANNELS[0]
    last_conv_name = "blocks.7.conv"

    def __init__(self, *, n_outputs: int = 2, dropout: float = 0.3, **size: Any) -> None:
        super().__init__(n_outputs=n_outputs, **size)
        self.blocks = nn.Sequential()
        sizes = pairwise((self.n_leads, *CHANNELS))
        for stage, (n_in, n_out) in zip(self.stages, sizes, strict=True):
            self.blocks.append(ShortcutBlock(n_in, n_out, stage, dropout))
        self.lstm = nn.LSTM(CHANNELS[-1], HIDDEN, batch_first=True)
        self.dropout = Dropout(dropout)
        self.classifier = nn.Linear(HIDDEN, n_outputs)

    def compute(self, x: Tensor) -> Any:
        h = self.blocks(channels_last(x.unsqueeze(2)))
        steps = h.squeeze(2).transpose(1, 2)  # (record, step, channel)
        # cuDNN has no gradient of an LSTM in evaluation mode, which attributions need
        refused = steps.is_cuda and not self.training and steps.requires_grad
        with torch.backends.cudnn.flags(enabled=False) if refused else nullcontext():
            hidden = self.lstm(steps)[0].mean(dim=1)
        return self.classifier(self.dropout(hidden))

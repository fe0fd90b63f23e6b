"""Local fidelity: the linear model written for a record must also answer for its neighbours.

After Hammer, Thambawita, Hellton & Halvorsen (arXiv 2606.29951), who see that an IMN is free to put
its whole answer into one weight, and that the L1 penalty makes this worse.  Their remedy ties the
weights to how the network's answer varies between a record and neighbours interpolated in the
manner of SMOTE.

*Differs from the paper*, which is on tables: two ECGs whose beats do not fall together have no
ECG between them.  Here a neighbour is the record itself with each lead's amplitude halved for
random stretches, the gain running smoothly from one stretch to the next.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ecgcore.errors import EcgcoreError
from ecgcore.models import IMNOutput
from ecgcore.models.layers import MaskSource

_LOWEST_GAIN, _STRETCH_S = 0.5, 0.2


def neighbours(x: Tensor, sources: Sequence[MaskSource], rate_hz: float) -> Tensor:
    """A neighbour of every record: amplitude halved in about half of its stretches.

    Parameters
    ----------
    x
        Shape ``(record, fold, lead, sample)``.
    sources
        Draw the stretches, one stream a fold.
    rate_hz
        Makes stretches of 0.2 s, about a wave of the ECG.
    """
    n_records, _, n_leads, n_samples = x.shape
    n_knots = max(2, 1 + math.ceil(n_samples / (_STRETCH_S * rate_hz)))
    shape = torch.Size([n_records, n_leads, n_knots])
    kept = torch.stack([draw(shape, 0.5, x.device) for draw in sources], dim=1) / 2  # 0 or 1
    gain = _LOWEST_GAIN + (1 - _LOWEST_GAIN) * kept
    smooth = F.interpolate(gain.flatten(1, 2), size=n_samples, mode="linear", align_corners=True)
    return x * smooth.view(x.shape)


def halves(output: Tensor | IMNOutput) -> tuple[IMNOutput, IMNOutput]:
    """Of a batch of records followed by their neighbours, the two parts.

    Raises
    ------
    EcgcoreError
        The model writes no linear model.
    """
    if not isinstance(output, IMNOutput):
        raise EcgcoreError("local_fidelity: expected a model of the IMN family, or 0.")
    parts = [part.chunk(2) for part in output]
    first, second = zip(*parts, strict=True)
    return IMNOutput(*first), IMNOutput(*second)


def penalty(output: IMNOutput, answers: Tensor, near: Tensor) -> Tensor:
    """Mean squared distance of the linear models' answers from the network's, one a fold.

    Parameters
    ----------
    output
        Of the records, with the fold axis.
    answers
        The network's logits of the neighbours, ``(record, fold, output)``.
    near
        The neighbours, ``(record, fold, lead, sample)``.
    """
    told = (output.weights * near.float().unsqueeze(2)).sum(dim=(3, 4)) + output.bias
    return (told - answers).square().mean(dim=(0, 2))

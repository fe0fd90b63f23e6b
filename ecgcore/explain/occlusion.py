"""Occlusion over lead x window: how far the logit falls when one window is taken out."""

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ecgcore.explain.forward import Floats32, positive_logits, rows_at_once
from ecgcore.fills import Fill, filled
from ecgcore.segments import window_starts


def occlusion(
    model: nn.Module,
    x: NDArray[np.floating],
    *,
    rate_hz: float,
    window_s: float,
    stride_s: float,
    fill: Fill,
    batch_size: int | None,
) -> Floats32:
    """Fall of the positive logit, averaged over the windows that hold a sample.

    The network is run again for every lead and window; rows of all of them share batches.
    """
    n_leads, n_samples = x.shape[1:]
    starts, size = window_starts(n_samples, rate_hz, window_s, stride_s)
    units = [(lead, start) for lead in range(n_leads) for start in starts]
    rows = batch_size or rows_at_once(model, n_samples)
    whole = positive_logits(model, x, batch_size=rows)
    found = np.zeros(x.shape, np.float32)
    covered = np.zeros(n_samples, np.float32)
    for start in starts:
        covered[start : start + size] += 1
    for record, signal in enumerate(np.asarray(x, np.float32)):
        for first in range(0, len(units), rows):
            chunk = units[first : first + rows]
            taken_out = np.zeros((len(chunk), n_leads, n_samples), bool)
            for row, (lead, start) in enumerate(chunk):
                taken_out[row, lead, start : start + size] = True
            changed = filled(np.broadcast_to(signal, taken_out.shape), taken_out, fill)
            fall = whole[record] - positive_logits(model, changed, batch_size=rows)
            for row, (lead, start) in enumerate(chunk):
                found[record, lead, start : start + size] += fall[row]
    return found / covered

"""Several networks of one architecture as one model, sharing memory with the single ones.

The stacked model computes all folds at once (grouped convolutions, batched matrix products).  The
single models stay what the rest of the code sees: their parameters are made views into the stacked
ones, so each has its own optimiser, and either can be used at any time.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ecgcore.models import EcgModel, build_from
from ecgcore.models.layers import arrange_weights


def stack(models: Sequence[EcgModel]) -> EcgModel:
    """One model that holds the given ones; theirs become views into its parameters and buffers.

    A single model is returned as it is.
    """
    if len(models) == 1:
        return models[0]
    first = models[0]
    stacked = build_from(first.spec, folds=len(models))
    stacked.plain = first.plain
    stacked.to(next(first.parameters()).device)
    if not stacked.plain:
        arrange_weights(stacked)
    states = [_tensors(model) for model in models]
    with torch.no_grad():
        for name, whole in _tensors(stacked).items():
            parts = [state[name] for state in states]
            if whole.dim() == 0:  # num_batches_tracked, the same in all
                continue
            torch.cat([part.detach() for part in parts], out=whole.data)
            for part, view in zip(parts, whole.data.chunk(len(models)), strict=True):
                part.data = view
    return stacked


def share_gradients(stacked: EcgModel, models: Sequence[EcgModel]) -> None:
    """Make each single model's gradients views into those of the stacked model."""
    if len(models) == 1:
        return
    singles = [dict(model.named_parameters()) for model in models]
    for name, whole in stacked.named_parameters():
        if whole.grad is None:
            continue
        for single, view in zip(singles, whole.grad.chunk(len(models)), strict=True):
            single[name].grad = view


def _tensors(model: EcgModel) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}

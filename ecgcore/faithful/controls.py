"""Maps and models that know nothing and must lose."""

import copy
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch import nn

Floats32 = NDArray[np.float32]


def derangement(n: int, seed: int) -> NDArray[np.int64]:
    """A permutation of ``n`` >= 2 positions that leaves none in place (one random cycle)."""
    order = np.random.default_rng(seed).permutation(n)
    partner = np.empty(n, dtype=np.int64)
    partner[order] = np.roll(order, 1)
    return partner


def control_maps(
    x: NDArray[np.floating],
    *,
    seed: int,
    weights: NDArray[np.floating] | None = None,
    bias: NDArray[np.floating] | None = None,
) -> dict[str, Floats32]:
    """Attributions that cannot know the class.

    Parameters
    ----------
    x
        Signals, shape ``(record, lead, sample)``.
    weights
        The IMN's W of the same records, for ``other_record``.
    bias
        The IMN's b of the same records, for ``bias_only``.

    Returns
    -------
    dict
        ``random`` (white noise), ``abs_signal`` (the signal's absolute value: an edge and peak
        detector) and, with weights, ``other_record`` (W of another record times this x), with
        bias, ``bias_only`` (b has no place, so it is spread evenly over the record).
    """
    signals = np.asarray(x, dtype=np.float32)
    rng = np.random.default_rng(seed)
    maps = {
        "random": rng.standard_normal(signals.shape, dtype=np.float32),
        "abs_signal": np.abs(signals),
    }
    if weights is not None and len(signals) > 1:
        other = np.asarray(weights, dtype=np.float32)[derangement(len(signals), seed)]
        maps["other_record"] = other * signals
    if bias is not None:
        share = np.asarray(bias, np.float32)[:, None, None] / signals[0].size
        maps["bias_only"] = np.broadcast_to(share, signals.shape).copy()
    return maps


def randomised(model: nn.Module, fresh: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Cascading randomisation (Adebayo et al. 2018): layers lose their training, output first.

    Parameters
    ----------
    fresh
        The same architecture with other, untrained weights (``models.build_from`` with a seed).

    Yields
    ------
    (name of the layer just randomised, model)
        The last one is wholly untrained.  Each model is the caller's own.
    """
    layers = [
        name
        for name, module in model.named_modules()
        if any(True for _ in module.parameters(recurse=False))
    ]
    current, untrained = copy.deepcopy(model), dict(fresh.named_modules())
    modules = dict(current.named_modules())
    for name in reversed(layers):
        modules[name].load_state_dict(untrained[name].state_dict())
        yield name, copy.deepcopy(current)

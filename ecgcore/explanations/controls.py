"""Maps and networks that know nothing and must lose."""

import copy
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ecgcore import models
from ecgcore.arrays import Floats32, Ints
from ecgcore.explanations.attribute import attribute
from ecgcore.explanations.forward import native_method


def derangement(n: int, seed: int) -> Ints:
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
    """Attributions that cannot know the class, by name, each of the shape of ``x``.

    ``random`` (white noise), ``abs_signal`` and ``squared_signal`` (they mark edges and peaks
    whatever the class is); with ``weights`` (W of the same records, or the gradient of a network
    without W) ``other_record``: W of another record times this x; with ``bias (record,)``
    ``bias_only``: b has no place, so it is spread evenly over the record.
    """
    signals, rng = np.asarray(x, dtype=np.float32), np.random.default_rng(seed)
    maps = {"random": rng.standard_normal(signals.shape, dtype=np.float32)}
    maps |= {"abs_signal": np.abs(signals), "squared_signal": signals**2}
    if weights is not None and len(signals) > 1:
        other = np.asarray(weights, dtype=np.float32)[derangement(len(signals), seed)]
        maps["other_record"] = other * signals
    if bias is not None:
        share = np.asarray(bias, np.float32)[:, None, None] / signals[0].size
        maps["bias_only"] = np.broadcast_to(share, signals.shape).copy()
    return maps


def untrained_map(model: models.EcgModel, x: Floats32, *, seed: int) -> Floats32:
    """W * x (or gradient * x, of a network without W) of the same network before any training."""
    method = "imn" if native_method(model) == "imn" else "input_x_gradient"
    return attribute(models.untrained(model, seed=seed), x, method)


def randomised(model: nn.Module, fresh: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Cascading randomisation (Adebayo et al. 2018): layers lose their training, output first.

    Yields the name of the layer just given the weights of ``fresh``, the same architecture
    untrained, and a copy of the model; the last copy is wholly untrained.
    """
    current = copy.deepcopy(model)
    for name, layer in reversed(list(current.named_modules())):
        if list(layer.parameters(recurse=False)):
            layer.load_state_dict(fresh.get_submodule(name).state_dict())
            yield name, copy.deepcopy(current)

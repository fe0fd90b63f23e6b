"""CUDA graphs: record one step, replay it.

These networks are small: a step is a few hundred kernels of a few microseconds, and launching them
one by one from Python costs more than computing them.
"""

import warnings
from typing import Any

import torch
from torch import Tensor

from ecgcore.training.steps import Group
from ecgcore.training.streams import TorchMasks

_WARM_UP_STEPS = 3
"""PyTorch asks for some before a capture: libraries choose their kernels and take workspace."""


class GraphedSteps:
    """Replays :meth:`Group.step` over an order of fixed shape, one launch a step.

    Recording leaves weights, statistics and optimiser state as they were.
    """

    def __init__(self, group: Group, order: Tensor, pool: Any) -> None:
        self.order = order.clone()
        self.at = torch.zeros(1, dtype=torch.int64, device=order.device)
        self.losses = torch.zeros(order.shape[0], order.shape[2], device=order.device)
        before = {id(tensor): tensor.clone() for tensor in group.tensors()}
        self._warm_up(group)
        self.graph = torch.cuda.CUDAGraph()
        _register_generators(self.graph, group)
        steps = torch.arange(len(order), device=order.device)[:, None]
        with torch.cuda.graph(self.graph, pool=pool):
            losses = group.step(self.order.index_select(0, self.at)[0])
            self.losses.copy_(torch.where(steps == self.at, losses, self.losses))
            self.at.add_(1)
        with torch.no_grad():
            for tensor in group.tensors():
                old = before.get(id(tensor))
                tensor.zero_() if old is None else tensor.copy_(old)

    def _warm_up(self, group: Group) -> None:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_STEPS):
                group.step(self.order[0])
        torch.cuda.current_stream().wait_stream(stream)

    def run(self, order: Tensor) -> Tensor:
        """As :meth:`Group.run`."""
        self.order.copy_(order)
        self.at.zero_()
        for _ in range(len(order)):
            self.graph.replay()
        return self.losses.clone()


def _register_generators(graph: torch.cuda.CUDAGraph, group: Group) -> None:
    with warnings.catch_warnings():  # newer versions of PyTorch do it by themselves, and say so
        warnings.simplefilter("ignore")
        for fold in group.folds:
            if isinstance(fold.masks, TorchMasks):
                graph.register_generator_state(fold.masks.generator)


class Graphs:
    """The recorded steps of one training, by group and shape of the order."""

    def __init__(self) -> None:
        self.recorded: dict[tuple[int, torch.Size], GraphedSteps] = {}
        self.pool: Any = None

    def get(self, group: Group, order: Tensor) -> GraphedSteps:
        """The recording for this group and shape, made if there is none."""
        key = (id(group), order.shape)
        if key not in self.recorded:
            self.recorded[key] = GraphedSteps(group, order, self.pool)
            self.pool = self.pool or self.recorded[key].graph.pool()
        return self.recorded[key]

"""CUDA graphs: record one training step, replay it.

These networks are small: a step is a few hundred kernels of a few microseconds, and launching them
one by one from Python costs more than computing them.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class RecordedSteps:
    """Replays a training step over batches of one fixed shape, one launch per step.

    ``step`` takes one optimiser step: positions ``(record,)`` to the loss before it. ``batches``
    are the positions ``(step, record)`` of an epoch; ``generator`` draws the dropout masks.
    Recording leaves every tensor of ``changed`` as it was.
    """

    def __init__(
        self,
        step: Callable[[Tensor], Tensor],
        batches: Tensor,
        changed: Callable[[], list[Tensor]],
        generator: torch.Generator,
        pool: Any,
    ) -> None:
        self.batches = batches.clone()
        self.position = torch.zeros(1, dtype=torch.int64, device=batches.device)
        self.losses = torch.zeros(len(batches), device=batches.device)
        before = {id(tensor): tensor.clone() for tensor in changed()}
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):  # PyTorch asks for some: libraries choose their kernels
                step(self.batches[0])
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with warnings.catch_warnings():  # newer versions of PyTorch do it themselves, and warn
            warnings.simplefilter("ignore")
            self.graph.register_generator_state(generator)
        steps = torch.arange(len(batches), device=batches.device)
        with torch.cuda.graph(self.graph, pool=pool):
            loss = step(self.batches.index_select(0, self.position)[0])
            self.losses.copy_(torch.where(steps == self.position, loss, self.losses))
            self.position.add_(1)
        with torch.no_grad():
            for tensor in changed():
                old = before.get(id(tensor))
                tensor.zero_() if old is None else tensor.copy_(old)

    def run(self, batches: Tensor) -> Tensor:
        """Take one step per row of ``batches``; return the losses, shape ``(step,)``."""
        self.batches.copy_(batches)
        self.position.zero_()
        for _ in range(len(batches)):
            self.graph.replay()
        return self.losses.clone()

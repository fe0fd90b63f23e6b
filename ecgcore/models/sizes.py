"""Sizes of convolutions in samples and in milliseconds, and the receptive field they make.

A kernel in samples is another kernel at another rate.  :func:`sizes_in_ms` gives a network the
receptive field that is asked for in ms at the rate at hand; :func:`at_rate` builds a network for
another rate with the receptive field in ms that it has.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from ecgcore.errors import EcgcoreError

Widen = Literal["dilation", "kernel"]
"""How a receptive field is made wider than the architecture's own: the same taps further apart
(parameters stay equal), or more taps (they grow)."""


@dataclass(frozen=True)
class Stage:
    """A convolution and the pooling after it, in samples of what reaches it."""

    kernel: int
    dilation: int = 1
    pool: int = 1

    @property
    def padding(self) -> int:
        """Half of what the kernel spans; an even span makes a record one sample longer."""
        return (self.dilation * (self.kernel - 1) + 1) // 2


def receptive_field_of(stages: Sequence[Stage]) -> int:
    """Samples of the input that one unit after the last stage depends on."""
    return 1 + sum(reach for _, reach in _reaches(stages)) + _pooled(stages)


def stretched(stages: Sequence[Stage], field: float, *, widen: Widen = "dilation") -> list[Stage]:
    """The same stages with a receptive field as near to ``field`` samples as can be.

    Poolings stay.  Narrower than the stages' own is made by fewer taps, wider as ``widen`` says:
    every stage grows in proportion and what is left over goes to single stages, deepest first.

    Raises
    ------
    EcgcoreError
        ``field`` is narrower than the poolings alone.
    """
    if widen not in get_args(Widen):
        raise EcgcoreError(f"widen: expected {' or '.join(get_args(Widen))}, got {widen!r}.")
    smallest = 1 + _pooled(stages)
    if field < smallest - 0.5:
        raise EcgcoreError(
            f"receptive field: {field:.1f} samples are not possible; the poolings alone see "
            f"{smallest}. Ask for a wider field or a higher rate."
        )
    wanted = max(0.0, field - smallest)
    native = sum(reach for _, reach in _reaches(stages))
    if wanted < native or widen == "kernel":
        return _with_taps(stages, round(wanted), wanted / native)
    return _with_dilation(stages, wanted, native)


def _reaches(stages: Sequence[Stage]) -> list[tuple[int, int]]:
    """For each stage the step between its inputs, and what its convolution adds to the field."""
    found, step = [], 1
    for stage in stages:
        found.append((step, (stage.kernel - 1) * stage.dilation * step))
        step *= stage.pool
    return found


def _pooled(stages: Sequence[Stage]) -> int:
    """What the poolings add to the field."""
    steps = (step for step, _ in _reaches(stages))
    return sum((stage.pool - 1) * step for stage, step in zip(stages, steps, strict=True))


def _with_taps(stages: Sequence[Stage], wanted: int, factor: float) -> list[Stage]:
    taps = [math.floor((stage.kernel - 1) * factor + 1e-9) for stage in stages]
    steps = [step for step, _ in _reaches(stages)]
    left = wanted - sum(n * step for n, step in zip(taps, steps, strict=True))
    for i in reversed(range(len(stages))):  # the first step is 1, so that nothing is left over
        more = left // steps[i]
        taps[i], left = taps[i] + more, left - more * steps[i]
    return [replace(s, kernel=n + 1, dilation=1) for s, n in zip(stages, taps, strict=True)]


def _with_dilation(stages: Sequence[Stage], wanted: float, native: int) -> list[Stage]:
    base = max(1, int(wanted // native))
    reaches = [reach for _, reach in _reaches(stages)]
    left = wanted - base * native

    def miss(more: tuple[int, ...]) -> float:
        return abs(left - sum(extra * reach for extra, reach in zip(more, reaches, strict=True)))

    # of equally near ones the first, which leaves early stages as they are
    more = min(itertools.product((0, 1), repeat=len(stages)), key=miss)
    return [replace(s, dilation=base + extra) for s, extra in zip(stages, more, strict=True)]


def options_of(stages: Sequence[Stage], native: Sequence[Stage]) -> dict[str, Any]:
    """Options for :func:`ecgcore.models.build` that make these stages; only what differs."""
    options: dict[str, Any] = {}
    kernels, dilations = [s.kernel for s in stages], [s.dilation for s in stages]
    if kernels != [s.kernel for s in native]:
        options["kernels"] = kernels
    if dilations != [s.dilation for s in native]:
        options["dilations"] = dilations
    return options

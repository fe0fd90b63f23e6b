"""Receptive fields: the only place where milliseconds become samples of a convolution.

A kernel set in samples spans a different time at every sampling rate. Every network therefore
takes the option ``receptive_field_ms``, which :func:`stages_for` converts once.
"""

import itertools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ecgcore.errors import EcgcoreError

Widen = Literal["dilation", "kernel"]
"""How a receptive field is widened: the same taps further apart, or more taps (and parameters)."""


@dataclass(frozen=True)
class Stage:
    """A convolution along time and the pooling after it, in samples of the stage's own input."""

    kernel: int
    dilation: int = 1
    pool: int = 1


def field_samples(stages: Sequence[Stage]) -> int:
    """Return how many input samples one unit after the last stage depends on."""
    return sum(_reaches(stages)) + math.prod(stage.pool for stage in stages)


def to_ms(n_samples: float, rate_hz: float) -> float:
    """Return the duration of ``n_samples`` in milliseconds."""
    return 1000 * n_samples / rate_hz


def stages_for(
    stages: Sequence[Stage],
    receptive_field_ms: float | None,
    rate_hz: float,
    widen: Widen = "dilation",
    decoder_samples: int = 0,
) -> tuple[Stage, ...]:
    """Return the stages with a receptive field as close to the requested one [ms] as possible.

    Poolings stay as they are. For ``widen="dilation"`` the taps stay as well: all stages are spread
    by the same whole factor, and single stages by one more. For ``widen="kernel"`` all stages get
    more taps in proportion; odd kernels stay odd. Later layers add ``decoder_samples``. None
    changes nothing. Raises ``EcgcoreError`` if the field is narrower than the taps allow: fewer
    taps would confound field and taps.
    """
    if receptive_field_ms is None:
        return tuple(stages)
    if not 0 < receptive_field_ms < math.inf:
        why = f"expected a positive number of milliseconds, or None, got {receptive_field_ms}"
        raise EcgcoreError(f"receptive_field_ms: {why}.")
    requested = receptive_field_ms * rate_hz / 1000
    narrowest = field_samples(stages) + decoder_samples
    if requested < narrowest - 0.5:
        enough_hz = math.ceil(1000 * narrowest / receptive_field_ms)
        raise EcgcoreError(
            f"receptive_field_ms: {receptive_field_ms:g} ms are {requested:.0f} samples at "
            f"{rate_hz:g} Hz, but the taps of this network span {narrowest} samples "
            f"({to_ms(narrowest, rate_hz):.0f} ms); keep the taps and interpolate the records to "
            f"a higher rate, {enough_hz} Hz or more: upsampled_from_hz."
        )
    reach = sum(_reaches(stages))
    reach_requested = max(reach, reach + requested - narrowest)
    return (_with_more_taps if widen == "kernel" else _spread)(stages, reach_requested)


def _steps(stages: Sequence[Stage]) -> list[int]:
    """Return the distance between neighbouring inputs of each stage, in samples of the record."""
    pools = [stage.pool for stage in stages[:-1]]
    return list(itertools.accumulate(pools, operator.mul, initial=1))


def _reaches(stages: Sequence[Stage]) -> list[int]:
    """Return how many samples each stage's convolution adds to the field."""
    steps = _steps(stages)
    return [(s.kernel - 1) * s.dilation * step for s, step in zip(stages, steps, strict=True)]


def _spread(stages: Sequence[Stage], reach: float) -> tuple[Stage, ...]:
    """Move taps apart until the convolutions add about ``reach`` samples to the field."""
    reaches = _reaches(stages)
    factor, missing = divmod(reach, sum(reaches))
    choices = itertools.product((0, 1), repeat=len(stages))
    # min takes the first of equally good ones, which leaves early stages as they are
    extra = min(choices, key=lambda e: abs(missing - sum(itertools.compress(reaches, e))))
    return tuple(replace(s, dilation=int(factor) + e) for s, e in zip(stages, extra, strict=True))


def _with_more_taps(stages: Sequence[Stage], reach: float) -> tuple[Stage, ...]:
    """Add taps until the convolutions add about ``reach`` samples to the field."""
    factor, steps = reach / sum(_reaches(stages)), _steps(stages)
    units = [1 + stage.kernel % 2 for stage in stages]  # an odd kernel stays centred
    gaps = [
        unit * math.floor((stage.kernel - 1) * factor / unit + 1e-9)
        for stage, unit in zip(stages, units, strict=True)
    ]
    missing = round(reach) - sum(map(operator.mul, gaps, steps))
    for i in reversed(range(len(stages))):  # the deepest stage first: its taps reach furthest
        more = missing // (units[i] * steps[i]) * units[i]
        gaps[i], missing = gaps[i] + more, missing - more * steps[i]
    return tuple(replace(stage, kernel=n + 1) for stage, n in zip(stages, gaps, strict=True))

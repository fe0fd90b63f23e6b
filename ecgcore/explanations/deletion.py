"""Deletion: does the logit of a network follow when evidence is removed from its input?

A record is cut into units of one lead x one window. Units are removed in the order of their summed
attribution: most relevant first (MoRF), which should lower the positive logit, and least relevant
first (LeRF), which should keep or raise it. What replaces them still looks like an ECG. The scores
say how the network decides, never where a disease is. *Differs from paper A's demo*, which zeroes
entries of W with W and b frozen: that is arithmetic and holds for any W.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from ecgcore.arrays import Bools, Floats, Floats32, Signals, sums_over
from ecgcore.errors import EcgcoreError, check_choice

Fill = Literal["bridge", "donor", "zero"]
FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.4, 1.0)
_MOST_VALUES = 2**24  # samples of signals in one block: 64 MB


def filled(
    x: Signals,
    removed: Bools,
    fill: Fill = "bridge",
    donor: Signals | None = None,
) -> Floats32:
    """Return the signals (float32, shape of ``x``) with the samples in ``removed`` replaced.

    ``x`` and ``removed`` have the shape ``(..., lead, sample)``. ``bridge`` is a straight line
    across the gap, level at the ends of the record, and 0 for a lead that is removed whole.
    ``donor`` is the same stretch of the signals ``donor``, which broadcast to ``x``, shifted and
    tilted to meet both ends of the gap. ``zero`` leaves steps that no ECG has, for comparison with
    other work only.
    """
    check_choice("fill", fill, get_args(Fill))
    values = np.asarray(x, dtype=np.float32)
    if fill == "zero":
        return np.where(removed, np.float32(0), values)
    if fill == "donor":
        if donor is None:
            raise EcgcoreError("donor: fill 'donor' needs signals of other records.")
        replacement = np.broadcast_to(np.asarray(donor, dtype=np.float32), values.shape)
        return np.where(removed, replacement + _bridged(values - replacement, removed), values)
    return _bridged(values, removed)


def _bridged(values: Floats32, removed: Bools) -> Floats32:
    """Return the values with every gap along the last axis interpolated linearly."""
    result, t = np.array(values, order="C"), np.arange(values.shape[-1])
    rows, gaps = result.reshape(-1, len(t)), removed.reshape(-1, len(t))
    for row in np.flatnonzero(gaps.any(axis=1)):
        gap = gaps[row]
        remaining = np.flatnonzero(~gap)
        rows[row, gap] = np.interp(t[gap], remaining, rows[row, remaining]) if remaining.size else 0
    return result


@dataclass(frozen=True)
class Units:
    """Records ``x (record, lead, sample)`` cut into units of one lead x one window of ``window_s``.

    ``logit_of`` runs the network: signals ``(row, lead, sample)`` to positive logits ``(row,)``.
    ``fill`` and ``donor`` (shape of ``x``) are those of :func:`filled`. A window of 0.1 to 0.2 s is
    about as long as a wave of the ECG.
    """

    logit_of: Callable[[Floats32], Floats]
    x: Signals
    rate_hz: float
    window_s: float = 0.2
    fill: Fill = "bridge"
    donor: Signals | None = None

    @property
    def size(self) -> int:
        """Number of samples in a unit; the last unit may be shorter."""
        return max(1, round(self.window_s * self.rate_hz))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of records, leads and windows."""
        return *self.x.shape[:2], -(-self.x.shape[2] // self.size)

    def sums(self, attribution: Signals) -> Floats:
        """Return the summed attribution of every unit, shape ``(record, lead, window)``."""
        if attribution.shape != self.x.shape:
            why = f"expected the shape of x {self.x.shape}, got {attribution.shape}"
            raise EcgcoreError(f"attribution: {why}.")
        return sums_over(attribution, self.size)

    def spread(self, values: Any) -> Any:
        """Give every sample the value of its unit: ``(..., window)`` to ``(..., sample)``."""
        return np.repeat(values, self.size, axis=-1)[..., : self.x.shape[-1]]

    def logits(self, removed: Iterable[Bools]) -> Floats:
        """Return logits ``(set, record)`` after removing sets of units ``(record, lead, window)``.

        Sets and records share batches of the network, within a fixed number of bytes.
        """
        sets, n_sets = iter(removed), max(1, _MOST_VALUES // max(1, self.x.size))
        parts: list[Floats] = [np.empty((0, len(self.x)))]
        while block := list(itertools.islice(sets, n_sets)):
            gaps = self.spread(np.stack(block))
            signals = filled(np.broadcast_to(self.x, gaps.shape), gaps, self.fill, self.donor)
            rows = signals.reshape(-1, *self.x.shape[1:])
            parts.append(self.logit_of(rows).reshape(gaps.shape[:2]))
        return np.concatenate(parts)

    @cached_property
    def whole(self) -> Floats:
        """Logits of the complete records."""
        return self.logit_of(np.asarray(self.x, dtype=np.float32))

    @cached_property
    def emptied(self) -> Floats:
        """Logits with all units removed."""
        return np.asarray(self.logits([np.ones(self.shape, bool)])[0])

    @cached_property
    def single_falls(self) -> Floats:
        """Fall of the logit when only that unit is removed, ``(record, lead, window)``; slow."""
        n_units = self.shape[1] * self.shape[2]
        units = np.eye(n_units, dtype=bool).reshape(n_units, 1, *self.shape[1:])
        after = self.logits(np.broadcast_to(unit, self.shape) for unit in units)
        return np.asarray((self.whole - after).T.reshape(self.shape))


class DeletionCurves(NamedTuple):
    """Positive logits ``(record, step)`` after removing a ``fraction (step,)`` of the units."""

    fraction: Floats
    morf: Floats
    lerf: Floats


def deletion_curves(
    units: Units, attribution: Signals, fractions: Sequence[float] = FRACTIONS
) -> DeletionCurves:
    """Run the network on every record with growing ``fractions`` of its units removed.

    ``attribution`` is signed, ``(record, lead, sample)`` or per unit ``(record, lead, window)``.
    """
    by_unit = attribution if attribution.shape == units.shape else units.sums(attribution)
    n_records, n_units = len(by_unit), by_unit[0].size
    counts = np.maximum(1, np.round(np.asarray(fractions) * n_units)).astype(int)
    is_partial, sets = counts < n_units, []
    for sign in (-1, 1):
        order = np.argsort(sign * by_unit.reshape(n_records, -1), axis=1, kind="stable")
        place = np.argsort(order, axis=1)
        sets += [(place < count).reshape(by_unit.shape) for count in counts[is_partial]]
    curves = np.empty((2, 1 + len(counts), n_records))
    curves[:, 0], curves[:, 1:] = units.whole, units.emptied
    curves[:, 1:][:, is_partial] = units.logits(sets).reshape(2, -1, n_records)
    return DeletionCurves(np.append(0.0, counts / n_units), curves[0].T, curves[1].T)


def lerf_minus_morf(curves: DeletionCurves) -> Floats:
    """Return the mean distance between the two curves, shape ``(record,)``, in units of the logit.

    Large is good; it is 0 on average for a map without information.
    """
    f = curves.fraction
    morf, lerf = (np.trapezoid(c, f, axis=1) / (f[-1] - f[0]) for c in (curves.morf, curves.lerf))
    return np.asarray(lerf - morf)


def attainable(units: Units, single_falls: Signals | None = None) -> Floats:
    """Return LeRF minus MoRF of the best single-unit order, shape ``(record,)``.

    Units are removed in the order of the fall of the logit that each causes alone. This is the
    scale for comparing networks, whose logits differ in size. Units interact, so another order may
    do better.
    """
    falls = units.single_falls if single_falls is None else single_falls
    return lerf_minus_morf(deletion_curves(units, falls))

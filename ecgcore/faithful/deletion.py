"""Deletion with the network run again: does the logit follow when evidence is taken out?

The record is cut into units of one lead x one window.  Units are taken out in the order of their
summed attribution: most relevant first (MoRF), which should lower the positive logit, and least
relevant first (LeRF), which should keep or raise it.  *Differs from paper A's demo*, which zeroes
entries of W with W and b frozen: that is arithmetic and holds for any W.

Insertion needs no run of its own: putting the k most relevant units back into an emptied record
is taking the other units out, least relevant first, so the LeRF curve read backwards is it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgcore.errors import EcgcoreError
from ecgcore.fills import Fill, filled

Floats = NDArray[np.float64]
LogitOf = Callable[[NDArray[np.float32]], Floats]
"""Signals ``(row, lead, sample)`` to positive logits ``(row,)``."""

FRACTIONS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)


@dataclass(frozen=True)
class DeletionCurves:
    """Positive logits after taking out a share of the units.

    ``fraction (step,)`` from 0 to 1; ``morf`` and ``lerf`` ``(record, step)``.
    """

    fraction: Floats
    morf: Floats
    lerf: Floats


@dataclass(frozen=True)
class Units:
    """Records cut into units of one lead x one window, and the network that is run on them.

    Parameters
    ----------
    logit_of
        For instance ``functools.partial(explain.positive_logits, model)``.
    x
        Shape ``(record, lead, sample)``.
    window_s
        Length of a unit, 0.1 to 0.2 s: about a wave of the ECG.
    fill, donor
        See :func:`~ecgcore.fills.filled`; ``donor`` of the shape of ``x``.
    """

    logit_of: LogitOf
    x: NDArray[np.floating]
    rate_hz: float
    window_s: float = 0.2
    fill: Fill = "bridge"
    donor: NDArray[np.floating] | None = None

    @property
    def size(self) -> int:
        """Samples in a unit."""
        return max(1, round(self.window_s * self.rate_hz))

    @property
    def shape(self) -> tuple[int, int]:
        """Leads and windows."""
        return self.x.shape[1], -(-self.x.shape[2] // self.size)

    def sums(self, attribution: NDArray[np.floating]) -> Floats:
        """Summed attribution of every unit, shape ``(record, lead, window)``."""
        if attribution.shape != self.x.shape:
            raise EcgcoreError(
                f"attribution: expected the shape of x {self.x.shape}, got {attribution.shape}."
            )
        starts = np.arange(0, self.x.shape[-1], self.size)
        return np.add.reduceat(np.asarray(attribution, np.float64), starts, axis=-1)

    def without(self, units: NDArray[np.bool_]) -> Floats:
        """Logits ``(record,)`` with units ``(record, lead, window)`` taken out."""
        taken_out = np.repeat(units, self.size, axis=-1)[..., : self.x.shape[-1]]
        return self.logit_of(filled(self.x, taken_out, self.fill, self.donor))

    @cached_property
    def whole(self) -> Floats:
        """Logits with nothing taken out."""
        return self.logit_of(np.asarray(self.x, dtype=np.float32))

    @cached_property
    def emptied(self) -> Floats:
        """Logits with everything taken out."""
        return self.without(np.ones((len(self.x), *self.shape), bool))


def curves_of(
    units: Units, attribution: NDArray[np.floating], fractions: Sequence[float] = FRACTIONS
) -> DeletionCurves:
    """Run the network on every record with growing shares of its units taken out.

    Parameters
    ----------
    units
        The cut records; what all attributions have in common is computed once.
    attribution
        Signed, shape ``(record, lead, sample)``.
    fractions
        Shares of the units to take out, above 0 and up to 1.
    """
    by_unit = units.sums(attribution)
    n_units = by_unit[0].size
    counts = np.maximum(1, np.round(np.asarray(fractions) * n_units)).astype(int)
    curves = {}
    for name, sign in (("morf", -1), ("lerf", 1)):
        order = np.argsort(sign * by_unit.reshape(len(by_unit), -1), axis=1, kind="stable")
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.arange(n_units)[None], axis=1)
        steps = [
            units.emptied
            if count == n_units
            else units.without((place < count).reshape(by_unit.shape))
            for count in counts
        ]
        curves[name] = np.stack([units.whole, *steps], axis=1)
    fraction = np.concatenate([[0.0], counts / n_units])
    return DeletionCurves(fraction, curves["morf"], curves["lerf"])


def deletion_curves(
    logit_of: LogitOf,
    x: NDArray[np.floating],
    attribution: NDArray[np.floating],
    *,
    rate_hz: float,
    window_s: float = 0.2,
    fill: Fill = "bridge",
    donor: NDArray[np.floating] | None = None,
    fractions: Sequence[float] = FRACTIONS,
) -> DeletionCurves:
    """:func:`curves_of` for one attribution; parameters as there and in :class:`Units`."""
    units = Units(logit_of, x, rate_hz, window_s, fill, donor)
    return curves_of(units, attribution, fractions)


def deletion_scores(curves: DeletionCurves) -> pd.DataFrame:
    """Areas of the curves, one row a record, in units of the logit.

    Returns
    -------
    DataFrame
        ``deletion``: mean fall of the logit, most relevant first (large is good); ``insertion``:
        mean height of the logit above that of the emptied record, least relevant first (large is
        good); ``lerf_minus_morf``: mean distance of the two curves, which a map without
        information has at 0 on average (large is good).
    """
    f = curves.fraction

    def area(values: Floats) -> Floats:
        return np.asarray(np.trapezoid(values, f, axis=1) / (f[-1] - f[0]))

    return pd.DataFrame(
        {
            "deletion": curves.morf[:, 0] - area(curves.morf),
            "insertion": area(curves.lerf) - curves.lerf[:, -1],
            "lerf_minus_morf": area(curves.lerf - curves.morf),
        }
    )

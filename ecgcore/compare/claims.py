"""Claims and what became of them: verdicts are computed, never typed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Claim:
    """A statement that a measurement can bear out or not.

    Parameters
    ----------
    claim
        In words, with whose it is.
    measured
        What was measured, in words with its unit.
    value, low, high
        The measurement and its interval.
    holds_above, holds_below
        The claim holds where the quantity lies between these; one of them may be left out.
    level
        Of the interval: .95, or .90 where the claim is that of no harm or of equivalence, which
        two one-sided tests at 5 % settle.
    """

    claim: str
    measured: str
    value: float
    low: float
    high: float
    holds_above: float = -np.inf
    holds_below: float = np.inf
    level: float = 0.95

    @property
    def verdict(self) -> str:
        """*supported*: the whole interval lies where the claim holds; *contradicted*: none of it
        does; *undecided* else; *not measured* without an interval."""
        if not np.isfinite([self.low, self.high]).all():
            return "not measured"
        if self.holds_above <= self.low and self.high <= self.holds_below:
            return "supported"
        outside = self.high < self.holds_above or self.low > self.holds_below
        return "contradicted" if outside else "undecided"


def claims_table(claims: Sequence[Claim], *, digits: int = 3) -> pd.DataFrame:
    """One row a claim: ``claim, measured, value, interval, holds where, verdict``.

    The interval says its level where that is not 95 %.
    """
    rows = []
    for one in claims:
        bounds = []
        if np.isfinite(one.holds_above):
            bounds.append(f"at least {one.holds_above:g}")
        if np.isfinite(one.holds_below):
            bounds.append(f"at most {one.holds_below:g}")
        known = np.isfinite([one.low, one.high]).all()
        level = "" if one.level == 0.95 else f" ({one.level:.0%})".replace("%", " %")
        interval = f"{one.low:.{digits}f} to {one.high:.{digits}f}{level}" if known else ""
        value = f"{one.value:.{digits}f}" if np.isfinite(one.value) else ""
        words = [one.claim, one.measured, value, interval, " and ".join(bounds), one.verdict]
        rows.append(words)
    columns = ["claim", "measured", "value", "interval", "holds where", "verdict"]
    return pd.DataFrame(rows, columns=columns)

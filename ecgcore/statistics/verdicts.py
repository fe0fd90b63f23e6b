"""Differences and claims: each verdict follows from an interval, with a reason.

A difference is *better*, *worse*, *equivalent* or *undecided*; a claim is *supported*,
*contradicted* or *undecided*. Intervals have level 95 %, those of equivalence 90 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from ecgcore.arrays import Floats
from ecgcore.statistics.metrics import LOWER_IS_BETTER

ALPHA = 0.05


class Minimum(NamedTuple):
    """Smallest sample that any verdict may rest on."""

    records: int = 30
    per_class: int = 10
    seeds: int = 3

    def shortfall(self, **sizes: float | None) -> str:
        """Return what the sample lacks, as a phrase; empty if it is large enough.

        ``sizes``: ``n_records``, ``n_per_class`` (the smaller), ``n_seeds``; ``None`` is no limit.
        """
        lacking = []
        for name, n in sizes.items():
            least = getattr(self, name.removeprefix("n_"))
            if n is not None and n < least:
                what = f"{'seed' if name == 'n_seeds' else 'record'}{'' if n == 1 else 's'}"
                what += " of the smaller class" if name == "n_per_class" else ""
                lacking.append(f"only {n:g} {what} (at least {least} are needed)")
        return "; ".join(lacking)


MINIMUM = Minimum()
"""The one rule for the smallest sample; nothing else in the project states these numbers."""
NO_WIDTH = "no interval: the estimates do not vary"


class Verdict(NamedTuple):
    """One of the words above, and the reason for it."""

    word: str
    reason: str


def difference_verdict(
    low: float,
    high: float,
    *,
    margin: float | None,
    equivalence: tuple[float, float] | None = None,
    p: float | None = None,
    lower_is_better: bool = False,
    **sizes: float | None,
) -> Verdict:
    """Judge a difference by its 95 % interval ``low, high`` and its 90 % one ``equivalence``.

    ``margin`` is the largest difference that counts as none, stated beforehand; ``p`` is corrected;
    ``sizes`` are those of :meth:`Minimum.shortfall`. *undecided* if the sample is too small or the
    interval has no width; else *equivalent* if the interval lies within the margin; else *better*
    or *worse* if ``low, high`` excludes 0 and ``p`` is below 0.05; else *undecided*.
    """
    lacking = MINIMUM.shortfall(**sizes)
    if lacking or not high - low > 0:
        return Verdict("undecided", lacking or NO_WIDTH)
    inner = equivalence or (low, high)
    if margin is not None and -margin < inner[0] and inner[1] < margin:
        return Verdict("equivalent", f"the interval lies within the margin of {margin:g}")
    if low > 0 or high < 0:
        if p is not None and not p < ALPHA:
            return Verdict("undecided", f"p = {p:.3g} after correction for several tests")
        word = "better" if (low > 0) != lower_is_better else "worse"
        return Verdict(word, f"the whole interval lies {'above' if low > 0 else 'below'} 0")
    beyond = "" if margin is None else f" and reaches beyond the margin of {margin:g}"
    return Verdict("undecided", f"the interval includes 0{beyond}")


def holm(p: ArrayLike) -> Floats:
    """Return Holm's (1979) adjusted p values in the given order; ``nan`` counts as no test."""
    from statsmodels.stats.multitest import multipletests

    adjusted = np.array(p, dtype=np.float64)
    if (tested := np.isfinite(adjusted)).any():
        adjusted[tested] = multipletests(adjusted[tested], method="holm")[1]
    return adjusted


@dataclass(frozen=True)
class Spread:
    """A contrast of mean values with the parts of its variance.

    ``shared`` comes from the patients and is the same for all seeds; ``unshared`` comes from them
    too and averages out over seeds; ``seeds`` comes from training.
    """

    value: float
    shared: float
    unshared: float = 0.0
    seeds: float = 0.0
    df_seeds: float = float("inf")
    df_patients: float = float("inf")

    @property
    def se(self) -> float:
        """Standard error; ``nan`` where nothing varies."""
        variance = self.shared + self.unshared + self.seeds
        return float(np.sqrt(variance)) if variance > 1e-20 else float("nan")

    @property
    def degrees_of_freedom(self) -> float:
        """Satterthwaite's, of the part that varies over seeds and the part that does not."""
        seeds = self.unshared + self.seeds
        parts = seeds**2 / self.df_seeds + self.shared**2 / self.df_patients
        return float((seeds + self.shared) ** 2 / parts) if parts > 0 else float("inf")

    @property
    def p(self) -> float:
        """Two-sided p value of a contrast of 0."""
        return float(2 * stats.t.sf(abs(self.value) / self.se, self.degrees_of_freedom))

    def interval(self, level: float = 1 - ALPHA) -> tuple[float, float]:
        """Return Student's interval of this level."""
        half = float(stats.t.ppf((1 + level) / 2, self.degrees_of_freedom)) * self.se
        return self.value - half, self.value + half


@dataclass(frozen=True)
class SeedDifference:
    """Difference ``a - b`` of a metric between two networks, or two sets of networks.

    ``n_seeds`` is ``None`` for two given networks, to which alone the result then applies. The
    bounds of the 95 % interval are NaN for a single seed and where nothing varies.
    """

    metric: str
    a: float
    b: float
    spread: Spread
    n_seeds: int | None
    n_records: int
    n_positive: int

    @property
    def difference(self) -> float:
        return self.spread.value

    @property
    def low(self) -> float:
        return self.spread.interval()[0]

    @property
    def high(self) -> float:
        return self.spread.interval()[1]

    @property
    def equivalence(self) -> tuple[float, float]:
        """The 90 % interval, of Schuirmann's two one-sided tests."""
        return self.spread.interval(1 - 2 * ALPHA)

    @property
    def sizes(self) -> dict[str, int | None]:
        """Sizes for :meth:`Minimum.shortfall`."""
        per_class = min(self.n_positive, self.n_records - self.n_positive)
        return {"n_records": self.n_records, "n_per_class": per_class, "n_seeds": self.n_seeds}

    @property
    def p(self) -> float:
        """Two-sided p value; ``nan`` below :data:`~ecgcore.statistics.MINIMUM`."""
        return float("nan") if MINIMUM.shortfall(**self.sizes) else self.spread.p

    def row(self) -> dict[str, float]:
        """Return ``difference, low, high, p, equivalence_low, equivalence_high``."""
        row = {name: float(getattr(self, name)) for name in ("difference", "low", "high", "p")}
        return row | {
            f"equivalence_{k}": v for k, v in zip(("low", "high"), self.equivalence, strict=True)
        }

    def verdict(self, margin: float | None, *, p: float | None = None) -> Verdict:
        """Judge the difference; ``p`` is its p value, corrected for several tests."""
        rule: dict[str, Any] = {"equivalence": self.equivalence, "p": self.p if p is None else p}
        rule |= {"lower_is_better": self.metric in LOWER_IS_BETTER, **self.sizes}
        return difference_verdict(self.low, self.high, margin=margin, **rule)


@dataclass(frozen=True)
class Claim:
    """A statement that a measurement can support or contradict.

    ``measured`` names the quantity with its unit. The claim holds where the quantity lies between
    ``holds_above`` and ``holds_below``. ``level`` is 0.90 where two one-sided tests at 5 % settle a
    claim of no harm or of equivalence.
    """

    claim: str
    measured: str
    value: float
    low: float
    high: float
    holds_above: float = -np.inf
    holds_below: float = np.inf
    level: float = 0.95
    n_records: float | None = None
    n_per_class: float | None = None
    n_seeds: float | None = None

    @property
    def verdict(self) -> Verdict:
        """*supported* if the whole interval lies where the claim holds, *contradicted* if none of
        it does, else *undecided*."""
        sizes = {name: getattr(self, name) for name in ("n_records", "n_per_class", "n_seeds")}
        is_measured = np.isfinite([self.low, self.high]).all()
        lacking = MINIMUM.shortfall(**sizes) or ("" if is_measured else "not measured")
        if lacking or not self.high - self.low > 0:
            return Verdict("undecided", lacking or NO_WIDTH)
        if self.holds_above <= self.low and self.high <= self.holds_below:
            return Verdict("supported", "the whole interval lies where the claim holds")
        if self.high < self.holds_above or self.low > self.holds_below:
            return Verdict("contradicted", "the whole interval lies where the claim fails")
        return Verdict("undecided", "the interval reaches both sides of the threshold")


CLAIM_COLUMNS = [
    "claim", "measured", "value", "interval", "level", "n", "holds where", "verdict", "reason",
]  # fmt: skip


def claims_table(claims: Sequence[Claim]) -> pd.DataFrame:
    """Return one row per claim, with the columns :data:`CLAIM_COLUMNS`."""
    rows = []
    for claim in claims:
        bounds = ((claim.holds_above, "at least"), (claim.holds_below, "at most"))
        sizes = ((claim.n_records, "record"), (claim.n_seeds, "seed"))
        is_known = np.isfinite([claim.low, claim.high]).all()
        value = f"{claim.value:.3f}" if np.isfinite(claim.value) else ""
        interval = f"{claim.low:.3f} to {claim.high:.3f}" if is_known else ""
        level = f"{100 * claim.level:g} %" if is_known else ""
        known = [(n, what) for n, what in sizes if n is not None]
        n = ", ".join(f"{n:,.0f} {what}{'' if n == 1 else 's'}" for n, what in known)
        holds = " and ".join(f"{words} {b:g}" for b, words in bounds if np.isfinite(b))
        verdict = (claim.verdict.word, claim.verdict.reason)
        rows.append((claim.claim, claim.measured, value, interval, level, n, holds, *verdict))
    return pd.DataFrame(rows, columns=CLAIM_COLUMNS)

"""Bootstrap of means over records, for scores that every record has (explanations, times)."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ecgcore.compare.resample import group_codes, two_sided_p
from ecgcore.errors import EcgcoreError
from ecgcore.metrics.checks import Floats


def bootstrap_mean(
    values: pd.DataFrame | ArrayLike,
    *,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    seed: int,
    level: float = 0.95,
) -> pd.DataFrame:
    """Mean over records of each column, with an interval from resampled patients.

    Parameters
    ----------
    values
        One row a record; ``nan`` (a record without that score) is left out of its column.  For a
        paired comparison pass the differences.
    groups
        Patient of every record.

    Returns
    -------
    DataFrame
        Indexed by column: ``n`` (records with a value), ``value``, ``low``, ``high``, ``se``, ``p``
        (two-sided, of a mean of 0).
    """
    frame = values if isinstance(values, pd.DataFrame) else pd.DataFrame(np.asarray(values))
    if frame.empty or n_resamples < 1:
        raise EcgcoreError(
            f"values: expected at least one record and n_resamples of at least 1, got shape "
            f"{frame.shape} and {n_resamples}."
        )
    data: Floats = frame.to_numpy(dtype=np.float64)
    group = group_codes(groups, len(data))
    n_groups = int(group.max()) + 1
    known = np.isfinite(data)
    sums, counts = np.zeros((n_groups, data.shape[1])), np.zeros((n_groups, data.shape[1]))
    np.add.at(sums, group, np.where(known, data, 0.0))
    np.add.at(counts, group, known)
    times = _times_drawn(n_groups, n_resamples, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = sums.sum(0) / counts.sum(0)
        means = (times @ sums) / (times @ counts)
    tails = [(1 - level) / 2, (1 + level) / 2]
    rows = []
    for column in means.T:
        defined = column[np.isfinite(column)]
        bounds = np.quantile(defined, tails) if defined.size else np.full(2, np.nan)
        se = defined.std() if defined.size else np.nan
        rows.append((*bounds, se, two_sided_p(column)))
    result = pd.DataFrame(rows, columns=["low", "high", "se", "p"], index=frame.columns)
    result.insert(0, "value", value)
    result.insert(0, "n", known.sum(0))
    return result


def _times_drawn(n_groups: int, n_resamples: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    draws = (rng.integers(0, n_groups, n_groups) for _ in range(n_resamples))
    return np.array([np.bincount(draw, minlength=n_groups) for draw in draws], dtype=np.float64)

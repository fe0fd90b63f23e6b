"""How cost grows with the number of records, from measurements, and where it would end.

The measurements are those of ``benchmarks/growth.py``, recorded in ``results/growth.csv``.
"""

import numpy as np
import pandas as pd

from ecgcore.errors import EcgcoreError

COSTS = ("seconds", "peak_mib", "disk_mib")


def slopes(measured: pd.DataFrame) -> pd.DataFrame:
    """Straight lines through the cost of each step: what it costs to begin, and what a record adds.

    Parameters
    ----------
    measured
        ``step``, ``rate_hz`` (0 where a step has none), ``records``, and the :data:`COSTS`.

    Returns
    -------
    pandas.DataFrame
        One row a step, rate and cost with at least three sizes: ``fixed`` and ``per_record`` by
        least squares of relative errors, so that small sizes count as much as large ones; and
        ``worst``, the largest relative error of the line among the measured sizes.

    Raises
    ------
    EcgcoreError
        A column is missing.
    """
    needed = ["step", "rate_hz", "records", *COSTS]
    if missing := [name for name in needed if name not in measured]:
        raise EcgcoreError(f"measured: has no column {', '.join(missing)}; expected {needed}.")
    rows = []
    for (step, rate_hz), group in measured.groupby(["step", "rate_hz"], sort=False):
        if group["records"].nunique() < 3:
            continue
        for cost in COSTS:
            n, value = (group[name].to_numpy(float) for name in ("records", cost))
            if (value <= 0).any():
                continue  # this step leaves nothing of that kind
            design = np.stack([1 / value, n / value], axis=1)
            (fixed, per_record), *_ = np.linalg.lstsq(design, np.ones(len(n)), rcond=None)
            worst = np.abs((fixed + per_record * n) / value - 1).max()
            rows.append((step, rate_hz, cost, fixed, per_record, worst))
    names = ["step", "rate_hz", "cost", "fixed", "per_record", "worst"]
    return pd.DataFrame(rows, columns=names)


def extrapolate(lines: pd.DataFrame, records: int) -> pd.DataFrame:
    """What so many records would cost if the lines went on: hours, GiB of memory, GiB of disk.

    Returns
    -------
    pandas.DataFrame
        One row a step and rate: ``hours``, ``memory_gib``, ``disk_gib`` (NaN where a step leaves
        nothing).
    """
    at = lines.assign(value=lines["fixed"] + lines["per_record"] * records)
    wide = at.pivot_table(index=["step", "rate_hz"], columns="cost", values="value", sort=False)
    wide = wide.reindex(columns=list(COSTS))
    scaled = {
        "hours": wide["seconds"] / 3600,
        "memory_gib": wide["peak_mib"] / 1024,
        "disk_gib": wide["disk_mib"] / 1024,
    }
    return pd.DataFrame(scaled).reset_index()

"""Several models against one, on the same records: difference, interval, test, verdict."""

from collections.abc import Hashable, Mapping

import pandas as pd

from ecgcore.compare.delong import delong
from ecgcore.compare.paired import holm
from ecgcore.compare.resample import paired_bootstrap
from ecgcore.errors import EcgcoreError


def against_reference(
    predictions: Mapping[Hashable, pd.DataFrame],
    reference: Hashable,
    *,
    margin: float,
    n_resamples: int = 1000,
    seed: int,
) -> pd.DataFrame:
    """Compare the AUROC of every set of predictions with that of one of them.

    Parameters
    ----------
    predictions
        By name, one row a record: ``ecg_id, patient_id, y_true, ranking`` (of the logits, see
        :func:`ecgcore.metrics.ranking`). Only records that both
        sets hold are compared, patient by patient.
    reference
        The name that the others are compared with.
    margin
        Largest difference of AUROC that still counts as none.

    Returns
    -------
    pandas.DataFrame
        ``name, reference, n, difference`` (name minus reference) with its 95 % interval ``low,
        high`` from resampled patients, DeLong's ``p``, Holm's ``p_holm``, and ``verdict``:
        *different* if the interval excludes 0 and ``p_holm`` < 0.05, else *equivalent* if the
        interval lies within the margin, else *undecided*. A difference that holds and is
        smaller than the margin is called different: the table shows how small.

    Raises
    ------
    EcgcoreError
        The reference is not among the predictions, or shares no record with one of them.
    """
    if reference not in predictions:
        raise EcgcoreError(f"No predictions of the reference {reference!r}; run it first.")
    base = predictions[reference].set_index("ecg_id")
    rows = []
    for name, frame in predictions.items():
        if name == reference:
            continue
        both = base.join(frame.set_index("ecg_id")[["ranking"]], rsuffix="_other", how="inner")
        if both.empty:
            raise EcgcoreError(f"{name!r} and {reference!r} were not tested on the same records.")
        y, groups = both["y_true"].to_numpy(), both["patient_id"].to_numpy()
        other, score = both["ranking_other"].to_numpy(), both["ranking"].to_numpy()
        interval = paired_bootstrap(
            y, other, score, metrics=("auroc",), groups=groups, n_resamples=n_resamples, seed=seed
        ).iloc[0]
        p = delong(y, other, score, groups=groups).p
        shown = {key: interval[key] for key in ("difference", "low", "high")}
        rows.append({"name": name, "reference": reference, "n": len(both), **shown, "p": p})
    table = pd.DataFrame(rows)
    if rows:
        table["p_holm"] = holm(table["p"])
        table["verdict"] = [verdict(row, margin) for _, row in table.iterrows()]
    return table


def verdict(row: "pd.Series[float]", margin: float) -> str:
    """*different*, *equivalent* or *undecided*, of a row with ``low, high, p_holm``."""
    if (row["low"] > 0 or row["high"] < 0) and row["p_holm"] < 0.05:
        return "different"
    return "equivalent" if -margin < row["low"] and row["high"] < margin else "undecided"

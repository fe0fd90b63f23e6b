"""Models trained several times: difference of their mean AUROCs on the same patients."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

from ecgcore.compare.resample import resample_metrics, two_sided_p
from ecgcore.errors import EcgcoreError
from ecgcore.metrics import evaluate
from ecgcore.metrics.checks import Floats


def over_seeds(
    predictions: Mapping[Hashable, Sequence[pd.DataFrame]],
    reference: Hashable,
    *,
    margin: float,
    n_resamples: int = 1000,
    seed: int,
    level: float = 0.95,
) -> pd.DataFrame:
    """Compare the AUROC of every model, mean over its seeds, with that of one of them.

    All see the same resampled patients, so a difference is formed resample by resample.  The
    interval speaks of other patients and these trainings; how far trainings differ is in
    ``sd_seeds``.

    Parameters
    ----------
    predictions
        By name, one table a seed: one row a record, ``ecg_id, patient_id, y_true, ranking``.
    reference
        The name that the others are compared with.
    margin
        Largest difference of AUROC that still counts as none, stated beforehand.

    Returns
    -------
    DataFrame
        ``name, n, n_seeds, auroc`` with its interval ``auroc_low, auroc_high``, ``sd_seeds``
        (standard deviation over seeds; nan for one seed), ``difference`` (name minus reference)
        with ``low, high`` and ``p``, the bounds of the equivalence test ``inner_low, inner_high``
        (level ``2 level - 1``: two one-sided tests), and ``verdict``: *equivalent* if the inner
        interval lies within the margin, else *better* or *worse* if ``low, high`` excludes 0,
        else *undecided*.  The reference has no difference.

    Raises
    ------
    EcgcoreError
        The reference is missing, or models were not tested on the same records.
    """
    if reference not in predictions:
        raise EcgcoreError(f"No predictions of the reference {reference!r}; run it first.")
    base = predictions[reference][0].sort_values("ecg_id")
    y, groups = base["y_true"].to_numpy(), base["patient_id"].to_numpy()
    values: dict[Hashable, Floats] = {}
    resampled: dict[Hashable, Floats] = {}
    for name, tables in predictions.items():
        scores = [_scores(table, base, name) for table in tables]
        how = {"metrics": ("auroc",), "groups": groups, "seed": seed}
        drawn = resample_metrics(y, scores, n_resamples=n_resamples, **how)  # type: ignore[arg-type]
        resampled[name] = np.mean([one["auroc"] for one in drawn], axis=0)
        values[name] = np.array([evaluate(y, score)["auroc"] for score in scores])
    tails = [(1 - level) / 2, (1 + level) / 2, 1 - level, level]
    rows = []
    for name, own in values.items():
        spread = float(own.std(ddof=1)) if len(own) > 1 else float("nan")
        row = {"name": name, "n": len(y), "n_seeds": len(own), "auroc": own.mean()}
        low, high = np.nanquantile(resampled[name], tails[:2])
        row |= {"auroc_low": low, "auroc_high": high, "sd_seeds": spread}
        if name != reference:
            difference = resampled[name] - resampled[reference]
            bounds = np.nanquantile(difference, tails)
            row["difference"] = own.mean() - values[reference].mean()
            row |= dict(zip(("low", "high", "inner_low", "inner_high"), bounds, strict=True))
            row["p"] = two_sided_p(difference)
            row["verdict"] = _verdict(bounds, margin)
        rows.append(row)
    return pd.DataFrame(rows)


def _scores(table: pd.DataFrame, base: pd.DataFrame, name: Hashable) -> Floats:
    own = table.sort_values("ecg_id")
    if own["ecg_id"].tolist() != base["ecg_id"].tolist():
        raise EcgcoreError(f"{name!r} was not tested on the reference's records; run both alike.")
    return own["ranking"].to_numpy()


def _verdict(bounds: Floats, margin: float) -> str:
    low, high, inner_low, inner_high = bounds
    if -margin < inner_low and inner_high < margin:
        return "equivalent"
    return "better" if low > 0 else "worse" if high < 0 else "undecided"

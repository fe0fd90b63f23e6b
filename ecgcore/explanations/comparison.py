"""Explanations against controls: a method counts only if it beats the strongest control."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ecgcore.errors import EcgcoreError
from ecgcore.statistics import MINIMUM, difference_verdict, holm, obuchowski_rockette

SUBJECTS = {
    **dict.fromkeys(
        ("mass_accuracy", "rank_accuracy", "auprc", "pointing_game", "lead_accuracy"), "place"
    ),
    **dict.fromkeys(("deletion", "insertion", "lerf_minus_morf"), "decision"),
    **dict.fromkeys(("faithfulness_correlation", "infidelity"), "decision"),
    "max_sensitivity": "stability",
}
"""What a metric is evidence about.  Only ``place`` says where something lies, and its metrics exist
only where a mask is known; ``decision`` says what the network reacts to, wherever a disease is."""

LOWER_IS_BETTER = ("infidelity", "max_sensitivity")


def subject_of(metric: str) -> str:
    """``place``, ``decision`` or ``stability``; empty for a column that is no score.

    Names of layers stand before a metric's name (``evidence_st_auprc``), names of fills after it.
    """
    for name, subject in SUBJECTS.items():
        if metric.endswith(name) or metric.startswith(f"{name}_"):
            return subject
    return ""


@dataclass(frozen=True)
class Comparison:
    """Result of :func:`compare_with_controls`.

    ``scores`` has one row per method and metric: ``method, metric, subject, control, n_records,
    n_seeds, value, low, high``.  ``duels`` has one row per method that is no control, and metric:
    ``method, metric, subject, strongest_control, n_records, n_seeds, difference`` (method minus
    control), ``low, high, p, p_holm, verdict`` (better, worse, undecided) and ``reason``.
    """

    scores: pd.DataFrame
    duels: pd.DataFrame


def compare_with_controls(
    records: pd.DataFrame, controls: Sequence[str], *, metrics: Sequence[str] | None = None
) -> Comparison:
    """Compare every method with the control that scores best in a metric, on the same records.

    Being above 0, or above a random map, is no evidence: |x| beats a random map too.  Patients
    and seeds are both random (:func:`ecgcore.statistics.obuchowski_rockette`).  p values are
    corrected by Holm over all duels of the table, so ask for the metrics you mean to judge.

    Parameters
    ----------
    records
        ``method``, ``record``, one column per metric, and where they exist ``seed`` (of the
        training) and ``group`` (the patient).  Without ``seed`` all rows come from one seed.
    controls
        Which of the methods are controls.
    metrics
        Columns to compare; by default all that :data:`SUBJECTS` names.

    Samples smaller than ``statistics.MINIMUM`` have values without intervals, and their verdicts
    are ``undecided`` with a reason.
    """
    names = list(dict.fromkeys(records["method"]))
    metrics = [c for c in records.columns if subject_of(c)] if metrics is None else list(metrics)
    if not metrics or not set(names) - set(controls):
        raise EcgcoreError("records: expected at least one method and one column with a metric.")
    frame = records.assign(
        seed=records.get("seed", 0), group=records.get("group", records["record"])
    )
    wide = frame.pivot_table(
        index=["group", "record"], columns=["method", "seed"], values=metrics, dropna=False
    )
    scores, duels = [], []
    for metric in metrics:
        values = {name: wide[metric][name].dropna(how="all") for name in names}
        for name in [name for name in names if len(values[name])]:
            row = {"method": name, "metric": metric, "subject": subject_of(metric)}
            estimate = _estimate(values[name])
            scores.append({**row, "control": name in controls, **estimate})
            if name in controls:
                continue
            duel = _strongest(
                {c: values[name] - values[c] for c in controls if c in values}, metric
            )
            if duel is not None:
                estimate = _estimate(duel[1])
                estimate["difference"] = estimate.pop("value")
                duels.append({**row, "strongest_control": duel[0], **estimate})
    return Comparison(pd.DataFrame(scores).drop(columns="p"), _judged(pd.DataFrame(duels)))


def _strongest(
    differences: dict[str, pd.DataFrame], metric: str
) -> tuple[str, pd.DataFrame] | None:
    """The control that leaves the method least, and the differences by record and seed."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    known = {name: d.dropna(how="all") for name, d in differences.items()}
    known = {name: d for name, d in known.items() if len(d)}
    if not known:
        return None
    name = min(known, key=lambda one: sign * known[one].mean(axis=1).mean())
    return name, known[name]


def _estimate(values: pd.DataFrame) -> dict[str, float]:
    """Mean over records and seeds of ``values``: rows (group, record), one column per seed."""
    whole = values.dropna(axis=1, how="all").dropna()
    sizes = {"n_records": len(values), "n_seeds": values.notna().any().sum()}
    result = {**sizes, "value": values.mean(axis=1).mean()}
    result |= dict.fromkeys(("low", "high", "p"), np.nan)
    if MINIMUM.shortfall(n_records=len(whole), n_seeds=sizes["n_seeds"]):
        return result
    influence = (whole - whole.mean()).groupby(level="group").sum().to_numpy() / len(whole)
    n = len(influence)
    covariance = influence.T @ influence * n / (n - 1)
    means = whole.mean().to_numpy()
    spread = obuchowski_rockette([means], covariance, [1.0], df_patients=n - 1)
    law = stats.t(spread.degrees_of_freedom, spread.value, spread.se)
    low, high = law.interval(0.95)
    return result | {"low": low, "high": high, "p": 2 * min(law.cdf(0), law.sf(0))}


def _judged(duels: pd.DataFrame) -> pd.DataFrame:
    if duels.empty:
        return duels
    duels["p_holm"] = holm(duels["p"])
    verdicts = []
    for row in duels.to_dict("records"):
        lower = row["metric"] in LOWER_IS_BETTER
        sizes = {"n_records": row["n_records"], "n_per_class": None, "n_seeds": row["n_seeds"]}
        bounds = row["low"], row["high"]
        verdicts.append(
            difference_verdict(
                *bounds, margin=None, p=row["p_holm"], lower_is_better=lower, **sizes
            )
        )
    words = {"verdict": [v.word for v in verdicts], "reason": [v.reason for v in verdicts]}
    order = ["method", "metric", "subject", "strongest_control", "n_records", "n_seeds"]
    return duels.assign(**words)[[*order, "difference", "low", "high", "p", "p_holm", *words]]

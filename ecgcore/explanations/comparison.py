"""Explanations against controls: a method counts only if it beats the strongest control."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ecgcore.errors import EcgcoreError
from ecgcore.statistics import MINIMUM, difference_verdict, holm, obuchowski_rockette

SUBJECTS = {
    "place": "mass_accuracy rank_accuracy auprc pointing_game lead_accuracy",
    "decision": "deletion insertion lerf_minus_morf faithfulness_correlation infidelity",
    "stability": "max_sensitivity",
}
"""What metrics are evidence about.  Only ``place`` says where something lies, and its metrics exist
only where a mask is known; ``decision`` says what the network reacts to, wherever a disease is."""

LOWER_IS_BETTER = ("infidelity", "max_sensitivity")


def subject_of(metric: str) -> str:
    """``place``, ``decision`` or ``stability``; empty for a column that is no score.

    Names of layers stand before a metric's name (``evidence_st_auprc``), names of fills after it.
    """
    for subject, names in SUBJECTS.items():
        for name in names.split():
            if metric.endswith(name) or metric.startswith(f"{name}_"):
                return subject
    return ""


@dataclass(frozen=True)
class Comparison:
    """Result of :func:`compare_with_controls`."""

    scores: pd.DataFrame
    """Per method and metric: ``subject, control, n_records, n_seeds, value, low, high``."""
    duels: pd.DataFrame
    """Per method that is no control, and metric: ``subject, strongest_control, n_records, n_seeds,
    difference`` (method minus control), ``low, high, p, p_holm, verdict, reason``."""


def compare_with_controls(
    records: pd.DataFrame, controls: Sequence[str], *, metrics: Sequence[str] | None = None
) -> Comparison:
    """Compare every method with the control that scores best in a metric, on the same records.

    ``records`` has ``method``, ``record``, one column per metric, and where they exist ``seed`` (of
    the training) and ``group`` (the patient), both random
    (:func:`ecgcore.statistics.obuchowski_rockette`).  p values are corrected by Holm over all
    ``metrics``, by default all that :data:`SUBJECTS` names, so ask for those you mean to judge.
    Samples smaller than ``statistics.MINIMUM`` have values without intervals, and their verdicts
    are ``undecided`` with a reason.  Without a method or a metric, :class:`EcgcoreError`.
    """
    methods = list(dict.fromkeys(records["method"]))
    metrics = [c for c in records.columns if subject_of(c)] if metrics is None else list(metrics)
    if not metrics or not set(methods) - set(controls):
        raise EcgcoreError("records: expected at least one method and one column with a metric.")
    frame = records.assign(
        seed=records.get("seed", 0), group=records.get("group", records["record"])
    )
    wide = frame.pivot_table(
        index=["group", "record"], columns=["method", "seed"], values=metrics, dropna=False
    )
    scores, duels = [], []
    for metric in metrics:
        values = {name: wide[metric][name].dropna(how="all") for name in methods}
        for name in [name for name in methods if len(values[name])]:
            row = {"method": name, "metric": metric, "subject": subject_of(metric)}
            scores.append({**row, "control": name in controls, **_estimate(values[name])})
            differences = {c: values[name] - values[c] for c in controls if c in values}
            differences = {c: d.dropna(how="all") for c, d in differences.items()}
            means = pd.Series({c: d.mean(axis=1).mean() for c, d in differences.items()}).dropna()
            if name not in controls and len(means):
                strongest = str(means.idxmax() if metric in LOWER_IS_BETTER else means.idxmin())
                estimate = _estimate(differences[strongest])
                duels.append({**row, "strongest_control": strongest, **estimate})
    for row, p in zip(duels, holm([row["p"] for row in duels]), strict=True):
        sizes = {"n_records": row["n_records"], "n_seeds": row["n_seeds"]}
        lower = row["metric"] in LOWER_IS_BETTER
        verdict = difference_verdict(
            row["low"], row["high"], margin=None, p=p, lower_is_better=lower, **sizes
        )
        row |= {"p_holm": p, "verdict": verdict.word, "reason": verdict.reason}
    table = pd.DataFrame(duels).rename(columns={"value": "difference"})
    return Comparison(pd.DataFrame(scores).drop(columns="p"), table)


def _estimate(values: pd.DataFrame) -> dict[str, float]:
    """Mean over records and seeds of ``values``: rows (group, record), one column per seed."""
    whole = values.dropna(axis=1, how="all").dropna()
    sizes = {"n_records": len(values), "n_seeds": values.notna().any().sum()}
    result = {**sizes, "value": values.mean(axis=1).mean()}
    if MINIMUM.shortfall(n_records=len(whole), n_seeds=sizes["n_seeds"]):
        return result | dict.fromkeys(("low", "high", "p"), np.nan)
    influence = (whole - whole.mean()).groupby(level="group").sum().to_numpy() / len(whole)
    n = len(influence)
    covariance = influence.T @ influence * n / (n - 1)
    spread = obuchowski_rockette([whole.mean().to_numpy()], covariance, [1.0], df_patients=n - 1)
    law = stats.t(spread.degrees_of_freedom, spread.value, spread.se)
    low, high = law.interval(0.95)
    return result | {"low": low, "high": high, "p": 2 * min(law.cdf(0), law.sf(0))}

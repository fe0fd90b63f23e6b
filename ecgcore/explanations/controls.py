"""Controls: uninformative maps, the strongest of which a method must beat."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ecgcore.arrays import Floats32, Signals
from ecgcore.errors import EcgcoreError
from ecgcore.statistics import MINIMUM, difference_verdict, holm, obuchowski_rockette


def control_maps(
    x: Signals,
    *,
    seed: int,
    weights: Signals | None = None,
    bias: Signals | None = None,
) -> dict[str, Floats32]:
    """Return attributions that cannot know the class, by name, each with the shape of ``x``.

    ``random`` is white noise; ``abs_signal`` and ``squared_signal`` mark edges and peaks. With
    ``weights`` (W of the same records, or the gradient of a network without W) ``other_record`` is
    W of another record times this x; with ``bias (record,)`` ``bias_only`` is b spread evenly.
    """
    signals, rng = np.asarray(x, dtype=np.float32), np.random.default_rng(seed)
    maps = {"random": rng.standard_normal(signals.shape, dtype=np.float32)}
    maps |= {"abs_signal": np.abs(signals), "squared_signal": signals**2}
    if weights is not None and len(signals) > 1:
        order = np.random.default_rng(seed).permutation(len(signals))  # one cycle: none keeps its W
        maps["other_record"] = np.empty_like(signals)
        maps["other_record"][order] = weights[np.roll(order, 1)] * signals[order]
    if bias is not None:
        share = np.asarray(bias, np.float32)[:, None, None] / signals[0].size
        maps["bias_only"] = np.broadcast_to(share, signals.shape).copy()
    return maps


class Comparison(NamedTuple):
    """Result of :func:`compare_with_controls`."""

    scores: pd.DataFrame
    """Per method and metric: ``control, n_records, n_seeds, value, low, high``."""
    duels: pd.DataFrame
    """Per method that is not a control, and metric: ``strongest_control, n_records, n_seeds,
    difference`` (method minus control), ``low, high, p, p_holm, verdict, reason``."""


def compare_with_controls(
    records: pd.DataFrame, controls: Sequence[str], *, metrics: Sequence[str]
) -> Comparison:
    """Compare every method with the control that scores best in a metric, on the same records.

    ``records`` has ``method``, ``record``, one column per metric (large is good), and optionally
    ``seed`` (of the training) and ``group`` (the patient), both random
    (:func:`ecgcore.statistics.obuchowski_rockette`). Holm's correction covers all ``metrics``.
    Samples below ``statistics.MINIMUM`` get no interval, and their verdict is ``undecided``. Raises
    ``EcgcoreError`` without a method or a metric.
    """
    methods = list(dict.fromkeys(records["method"]))
    if not metrics or not set(methods) - set(controls):
        raise EcgcoreError("records: expected at least one method and one column with a metric.")
    frame = records.assign(
        seed=records.get("seed", 0), group=records.get("group", records["record"])
    )
    wide = frame.pivot_table(
        index=["group", "record"], columns=["method", "seed"], values=list(metrics), dropna=False
    )
    scores, duels = [], []
    for metric in metrics:
        values = {name: wide[metric][name].dropna(how="all") for name in methods}
        for name in [name for name in methods if len(values[name])]:
            row = {"method": name, "metric": metric}
            scores.append({**row, "control": name in controls, **_estimate(values[name])})
            differences = {c: values[name] - values[c] for c in controls if c in values}
            differences = {c: d.dropna(how="all") for c, d in differences.items()}
            means = pd.Series({c: d.mean(axis=1).mean() for c, d in differences.items()}).dropna()
            if name not in controls and len(means):
                strongest = str(means.idxmin())
                estimate = _estimate(differences[strongest])
                duels.append({**row, "strongest_control": strongest, **estimate})
    for row, p in zip(duels, holm([row["p"] for row in duels]), strict=True):
        sizes = {"n_records": row["n_records"], "n_seeds": row["n_seeds"]}
        verdict = difference_verdict(row["low"], row["high"], margin=None, p=p, **sizes)
        row |= {"p_holm": p, "verdict": verdict.word, "reason": verdict.reason}
    table = pd.DataFrame(duels).rename(columns={"value": "difference"})
    return Comparison(pd.DataFrame(scores).drop(columns="p"), table)


def _estimate(values: pd.DataFrame) -> dict[str, float]:
    """Return the mean of ``values``: rows (group, record), one column per seed."""
    whole = values.dropna(axis=1, how="all").dropna()
    sizes = {"n_records": len(values), "n_seeds": values.notna().any().sum()}
    result = {**sizes, "value": values.mean(axis=1).mean()}
    if MINIMUM.shortfall(n_records=len(whole), n_seeds=sizes["n_seeds"]):
        return result | dict.fromkeys(("low", "high", "p"), np.nan)
    influence = (whole - whole.mean()).groupby(level="group").sum().to_numpy() / len(whole)
    n = len(influence)
    covariance = influence.T @ influence * n / (n - 1)
    spread = obuchowski_rockette([whole.mean().to_numpy()], covariance, [1.0], df_patients=n - 1)
    low, high = spread.interval()
    return result | {"low": low, "high": high, "p": spread.p}

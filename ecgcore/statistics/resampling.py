"""Bootstrap of every metric, by patient, and closed-form intervals where it gives one point.

One resample is a vector of counts at the distinct scores, so no score is sorted again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import optimize, stats

from ecgcore.arrays import Floats, Ints, ratio
from ecgcore.errors import check_choice
from ecgcore.statistics.metrics import LOWER_IS_BETTER, METRICS, RANK_METRICS, ScoreTable, Settings
from ecgcore.statistics.scores import binary, finite, group_codes, probabilities
from ecgcore.statistics.verdicts import MINIMUM, difference_verdict

DEFAULT_METRICS = tuple(name for name in METRICS if name not in {"n", "n_positive"})[:-4]
_BLOCK_BYTES = 1 << 19  # counts of one block stay in the second-level cache


@dataclass(frozen=True)
class Resampling(Settings):
    """Options of the bootstrap; ``groups`` is the patient of each record; ``None``: all differ."""

    metrics: Sequence[str] = DEFAULT_METRICS
    groups: ArrayLike | None = None


class Sample(NamedTuple):
    """Labels ``(record,)``, scores ``(score, record)`` and patients numbered from 0."""

    y: Ints
    scores: Floats
    group: Ints

    def n_patients(self, records: Ints) -> int:
        """Return the number of distinct patients among the records marked as not 0."""
        return int(np.unique(self.group[records.astype(bool)]).size)

    @property
    def df_patients(self) -> float:
        """Number of patients of the smaller class, minus one."""
        return min(self.n_patients(self.y), self.n_patients(1 - self.y)) - 1.0


def bootstrap(
    y: ArrayLike, score: ArrayLike, *, ranking: ArrayLike | None = None, **options: Any
) -> pd.DataFrame:
    """Return 95 % percentile intervals of metrics: ``metric, value, low, high, se``.

    ``y`` contains labels of 0 or 1 and ``score`` probabilities of the positive class, both of shape
    ``(record,)``; anything else raises ``EcgcoreError``. ``ranking``, that of the logits, replaces
    ``score`` for AUROC and AUPRC.
    ``options`` are ``metrics, groups, n_resamples, seed, prevalence`` and those of
    :func:`~ecgcore.statistics.evaluate`. Values of exactly 0 or 1 get :func:`closed_form`.
    """
    settings, rows = Resampling(**options), []
    if ranking is not None:
        by_rank = [name for name in settings.metrics if name in RANK_METRICS]
        by_score = [name for name in settings.metrics if name not in RANK_METRICS]
        parts = [(ranking, by_rank), (score, by_score)]
        tables = [bootstrap(y, s, **options | {"metrics": names}) for s, names in parts if names]
        return pd.concat(tables).set_index("metric").loc[list(settings.metrics)].reset_index()
    sample = _sample(y, [score], settings)
    for name, (values,) in resample(sample, settings.metrics, settings).items():
        value, row = float(values[0]), percentiles(values[1:])
        if row["se"] == 0 and value in (0.0, 1.0):
            row["low"], row["high"] = closed_form(name, value, sample, settings)
        rows.append({"metric": name, "value": value, **row})
    return pd.DataFrame(rows).drop(columns="p")


def paired_bootstrap(y: ArrayLike, a: ArrayLike, b: ArrayLike, **options: Any) -> pd.DataFrame:
    """Return differences ``a - b`` of two given models, evaluated on the same resamples.

    They generalise to other patients, for these two trained models. Options are those
    of :func:`bootstrap`. Columns: ``metric, a, b, difference, low, high, se, p``, and ``verdict,
    reason`` of :func:`~ecgcore.statistics.difference_verdict` without a margin.
    """
    settings, rows = Resampling(**options), []
    sample = _sample(y, [a, b], settings)
    per_class = int(np.bincount(sample.y, minlength=2).min())
    sizes = {"n_records": sample.y.size, "n_per_class": per_class, "n_seeds": None}
    for name, values in resample(sample, settings.metrics, settings).items():
        difference = values[0] - values[1]
        row: dict[str, Any] = {"metric": name, "a": float(values[0, 0]), "b": float(values[1, 0])}
        row |= {"difference": float(difference[0]), **percentiles(difference[1:])}
        rule: dict[str, Any] = {"lower_is_better": name in LOWER_IS_BETTER, **sizes}
        verdict = difference_verdict(row["low"], row["high"], margin=None, **rule)
        row["p"] = np.nan if MINIMUM.shortfall(**sizes) else row["p"]
        rows.append(row | {"verdict": verdict.word, "reason": verdict.reason})
    return pd.DataFrame(rows)


def bootstrap_mean(
    values: ArrayLike, *, groups: ArrayLike | None = None, n_resamples: int = 1000, seed: int
) -> dict[str, float]:
    """Return the mean of ``values (record,)``, with ``nan`` left out: ``value, low, high, se``.

    Fewer records than :data:`~ecgcore.statistics.MINIMUM` get no interval.
    """
    column = pd.Series(values, dtype=np.float64)
    by_patient = column.groupby(group_codes(groups, len(column)))
    sums, counts = by_patient.sum().to_numpy(), by_patient.count().to_numpy()
    times = np.array(_draws(np.random.default_rng(seed), len(sums), n_resamples), dtype=np.float64)
    means, value = ratio(times @ sums, times @ counts), ratio(sums.sum(), counts.sum())
    interval = percentiles(means if column.count() >= MINIMUM.records else means[:0])
    return {"value": float(value), **interval}


def percentiles(resampled: Floats) -> dict[str, float]:
    """Return ``low, high, se, p`` (two-sided, of 0) over resamples with a value, else ``nan``."""
    defined = resampled[np.isfinite(resampled)]
    if not defined.size:
        return dict.fromkeys(("low", "high", "se", "p"), float("nan"))
    low, high = np.quantile(defined, [(1 - 0.95) / 2, (1 + 0.95) / 2])
    se = float(defined.std()) if np.ptp(defined) > 0 else 0.0
    tail = min((defined <= 0).sum(), (defined >= 0).sum())
    p = min(1.0, 2 * (tail + 1) / (defined.size + 1)) if se > 0 else np.nan
    return {"low": float(low), "high": float(high), "se": se, "p": float(p)}


def _sample(y: ArrayLike, scores: Sequence[ArrayLike], settings: Resampling) -> Sample:
    for name in settings.metrics:
        check_choice("metrics", name, METRICS)
    labels = binary(y, "y")
    check = finite if set(settings.metrics) <= set(RANK_METRICS) else probabilities
    arrays = np.stack([check(score, labels.size, "score") for score in scores])
    return Sample(labels, arrays, group_codes(settings.groups, labels.size))


def resample_metrics(
    y: ArrayLike, scores: Sequence[ArrayLike], **options: Any
) -> dict[str, Floats]:
    """Return resampled metrics, each ``(score, resample)``; input as for :func:`bootstrap`."""
    settings = Resampling(**options)
    values = resample(_sample(y, scores, settings), settings.metrics, settings)
    return {name: each[:, 1:] for name, each in values.items()}


def resample(sample: Sample, metrics: Sequence[str], settings: Settings) -> dict[str, Floats]:
    """Return metrics of the data and of resampled patients, each ``(score, 1 + resample)``."""
    n_records, n_groups, coded = sample.y.size, int(sample.group.max()) + 1, []
    for score in sample.scores:
        distinct, position = np.unique(score, return_inverse=True)
        coded.append((distinct, sample.y * distinct.size + position))

    def measure(times: Sequence[Ints]) -> dict[str, Floats]:
        tables = []
        for distinct, code in coded:
            counts = np.empty((len(times), 2 * distinct.size))
            for row, weight in zip(counts, times, strict=True):
                row[:] = np.bincount(code, weight[sample.group], row.size)
            negative, positive = np.split(counts, 2, axis=-1)
            tables.append(ScoreTable(distinct, negative, positive, settings))
        return {name: np.stack([METRICS[name](table) for table in tables]) for name in metrics}

    rng, rows = np.random.default_rng(settings.seed), max(1, _BLOCK_BYTES // (16 * n_records))
    sizes = [min(rows, settings.n_resamples - k) for k in range(0, settings.n_resamples, rows)]
    measured = [measure([np.ones(n_groups, np.int64)])]
    measured += [measure(_draws(rng, n_groups, size)) for size in sizes]
    return {name: np.concatenate([one[name] for one in measured], axis=1) for name in metrics}


def _draws(rng: np.random.Generator, n_groups: int, n_resamples: int) -> list[Ints]:
    """Return how often each group was drawn, ``(group,)`` for each resample."""
    choices = rng.integers(0, n_groups, (n_resamples, n_groups))
    return [np.bincount(row, minlength=n_groups) for row in choices]


def auroc_score_interval(auroc: float, n_positive: float, n_negative: float) -> tuple[float, float]:
    """Return Newcombe's (2006, Stat Med 25:559) method 5: a 95 % interval, also at 0 and 1.

    Bounds t have ``|auroc - t| = z sqrt(V(t))``, V by Hanley-McNeil with the mean sample size.
    """
    z, star = float(stats.norm.ppf(0.975)), (n_positive + n_negative) / 2 - 1

    def excess(t: float) -> float:
        bracket = 1 + star * (1 - t) / (2 - t) + star * t / (1 + t)
        return abs(auroc - t) - z * float(np.sqrt(t * (1 - t) * bracket / n_positive / n_negative))

    low = 0.0 if auroc <= 0 else float(optimize.brentq(excess, 1e-12, auroc - 1e-12))
    high = 1.0 if auroc >= 1 else float(optimize.brentq(excess, auroc + 1e-12, 1 - 1e-12))
    return low, high


def closed_form(
    metric: str, value: float, sample: Sample, settings: Settings
) -> tuple[float, float]:
    """Return the score interval of a metric whose ``value`` is exactly 0 or 1, or ``nan``.

    Newcombe's for AUROC; Wilson's of patients for shares of records.
    """
    from statsmodels.stats.proportion import proportion_confint

    y, called = sample.y, (sample.scores[0] >= settings.threshold).astype(np.int64)
    if metric == "auroc":
        return auroc_score_interval(value, sample.n_patients(y), sample.n_patients(1 - y))
    records = {"accuracy": np.ones_like(y), "sensitivity": y, "specificity": 1 - y}
    records |= {"precision": called}
    if metric not in records:
        return float("nan"), float("nan")
    n = sample.n_patients(records[metric])
    low, high = np.clip(proportion_confint(value * n, n, method="wilson"), 0, 1)
    return float(low), float(high)

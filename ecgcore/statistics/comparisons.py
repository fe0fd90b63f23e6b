"""Comparisons of networks: two given ones (DeLong), or each over its seeds; sample sizes.

Patients and seeds are both random, as in the multi-reader multi-case analysis of Obuchowski &
Rockette (1995, Commun Stat Simul Comput 24:285) with the degrees of freedom of Hillis (2007, Stat
Med 26:596). *Differs from the paper*, for the sake of coverage at three and five seeds
(``benchmarks/coverage.py``): seeds are nested in networks unless ``paired``; the variance over
seeds is at least what the patients cause; the patients' part has the degrees of freedom of the
smaller class.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from ecgcore.arrays import Floats, Ints
from ecgcore.errors import EcgcoreError, check_choice
from ecgcore.statistics.metrics import METRICS, RANK_METRICS, Settings
from ecgcore.statistics.resampling import Sample, closed_form, resample
from ecgcore.statistics.scores import binary, finite, group_codes, require_columns
from ecgcore.statistics.verdicts import MINIMUM, SeedDifference, Spread, Verdict, holm

Predictions = Mapping[Hashable, pd.DataFrame] | Sequence[pd.DataFrame]
"""One table per seed, one row per record: ``ecg_id, patient_id, y_true``, and ``ranking`` (for
AUROC and AUPRC) or ``score`` (a probability, for the other metrics)."""


@dataclass(frozen=True)
class SeedSettings(Settings):
    """Options of every comparison over seeds.

    ``within`` names the column with the outer fold of each record: the metric is averaged over
    folds, whose networks have no common scale. ``paired`` says that equal seeds stand for one
    trained network, for instance before and after calibration.
    """

    metric: str = "auroc"
    within: str | None = None
    paired: bool = False


def obuchowski_rockette(
    values: Sequence[Floats],
    covariance: Floats,
    coefficients: Sequence[float] = (1.0, -1.0),
    *,
    paired: bool = False,
    df_patients: float = float("inf"),
) -> Spread:
    """Return the contrast of mean values over seeds; its variance is ``nan`` for a single seed.

    ``values`` holds the metric of each network, shape ``(seed,)``; ``covariance`` is that of all
    values, network after network, over patients. ``paired``: the k-th seeds belong together.
    """
    if paired:
        weights: Floats = np.kron(coefficients, np.eye(len(values[0]))).astype(np.float64)
        values = [np.asarray(weights @ np.concatenate(values))]
        covariance, coefficients = weights @ covariance @ weights.T, (1.0,)
    c, n = np.asarray(coefficients), np.array([len(v) for v in values])
    value = float(np.dot(c, [v.mean() for v in values]))
    if n.min() < 2:
        return Spread(value, float("nan"))
    is_of = np.repeat(np.eye(len(n)), n, axis=1)  # (network, its values)
    variance = is_of @ np.diag(covariance) / n
    between = is_of @ covariance @ is_of.T / np.outer(n, n)
    shared = (n * np.diag(between) - variance) / (n - 1)  # of two seeds of one network
    np.fill_diagonal(between, shared)
    noise = np.maximum(variance - np.maximum(shared, 0), 0)
    total = np.maximum([v.var(ddof=1) for v in values], noise)
    unshared, seeds = float(c**2 / n @ noise), float(c**2 / n @ (total - noise))
    satterthwaite = float((c**2 / n * total) ** 2 @ (1 / (n - 1)))
    df_seeds = (unshared + seeds) ** 2 / satterthwaite if satterthwaite > 0 else np.inf
    return Spread(value, max(float(c @ between @ c), 0.0), unshared, seeds, df_seeds, df_patients)


def measure(
    tables: Sequence[pd.DataFrame], settings: SeedSettings
) -> tuple[Sample, Floats, Floats]:
    """Return the records, the metric of each table, and its covariance over patients."""
    metric, within = settings.metric, settings.within
    check_choice("metric", metric, METRICS)
    column = "ranking" if metric in RANK_METRICS else "score"
    keys = ["ecg_id", "y_true", *([within] if within else [])]
    for table in tables:
        require_columns(table, [*keys, "patient_id", column], "predictions")
    tables = [table.sort_values("ecg_id", kind="stable") for table in tables]
    first = tables[0]
    is_same = all(np.array_equal(table[key], first[key]) for table in tables for key in keys)
    if not is_same or not first["ecg_id"].is_unique:
        why = f"tables differ in {' or '.join(keys)}, or hold a record twice"
        raise EcgcoreError(f"predictions: {why}; compare networks tested on the same records.")
    y, group = binary(first["y_true"]), group_codes(first["patient_id"], len(first))
    scores = np.stack([table[column].to_numpy(float) for table in tables])
    fold, parts = first[within].to_numpy() if within else np.zeros(y.size), []
    for number in np.unique(fold):  # folds have no patient in common
        rows = fold == number
        part = Sample(y[rows], scores[:, rows], group_codes(group[rows], int(rows.sum())))
        parts.append(_with_covariance(part, settings))
    values, covariance = (np.mean(each, axis=0) for each in zip(*parts, strict=True))
    return Sample(y, scores, group), values, covariance / len(parts)


def _with_covariance(sample: Sample, settings: SeedSettings) -> tuple[Floats, Floats]:
    """Return the metric of each score, and DeLong's covariance or that of a bootstrap."""
    name = settings.metric
    if name == "auroc":
        return auroc_covariance(sample.y, sample.scores, sample.group)
    values = resample(sample, [name], settings)[name]
    defined = values[:, 1:][:, np.isfinite(values[:, 1:]).all(axis=0)]
    shape = len(values), len(values)
    if defined.shape[1] < 2:  # such as the MCC of a network that calls every record negative
        return values[:, 0], np.full(shape, np.nan)
    return values[:, 0], np.cov(defined).reshape(shape)


def delong(
    y: ArrayLike, score_a: ArrayLike, score_b: ArrayLike, *, groups: ArrayLike | None = None
) -> SeedDifference:
    """Compare two AUROCs on the same records, for other patients but the same networks.

    DeLong, DeLong & Clarke-Pearson (1988, Biometrics 44:837), as computed by Sun & Xu (2014, IEEE
    SPL 21:1389); with ``groups``, the patients, as by Obuchowski (1997, Biometrics 53:567). Labels
    are 0 or 1, and scores have the shape ``(record,)``. Fewer than two patients of either class
    raise :class:`EcgcoreError`.
    """
    labels = binary(y, "y")
    scores = np.stack([finite(s, labels.size, "score") for s in (score_a, score_b)])
    (a, b), covariance = auroc_covariance(labels, scores, group_codes(groups, labels.size))
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    spread, sizes = Spread(float(a - b), max(variance, 0.0)), (labels.size, int(labels.sum()))
    return SeedDifference("auroc", float(a), float(b), spread, None, *sizes)


def auroc_covariance(y: Ints, scores: Floats, group: Ints) -> tuple[Floats, Floats]:
    """Return AUROCs of several scores on the same records, and their covariance over patients.

    ``scores`` has shape ``(score, record)``, ``group`` numbers the patients from 0.
    """
    classes, rank, share = (y == 1, y == 0), stats.rankdata(scores, axis=1), np.empty(scores.shape)
    n_patients = [np.unique(group[rows]).size for rows in classes]
    if min(n_patients) < 2:
        why = f"needs at least two patients of each class, got {n_patients[0]} and {n_patients[1]}"
        raise EcgcoreError(f"y: the variance of an AUROC {why}.")
    # Structural components: share of the other class that each record beats, ties by half.
    for rows in classes:
        share[:, rows] = (rank[:, rows] - stats.rankdata(scores[:, rows], axis=1)) / (~rows).sum()
    share[:, y == 0] = 1 - share[:, y == 0]
    auroc: Floats = share[:, y == 1].mean(axis=1)
    covariance, sums, size = np.zeros((len(scores), len(scores))), [], int(group.max()) + 1
    for rows, i in zip(classes, n_patients, strict=True):
        centred = share[:, rows] - auroc[:, None]
        by_patient = np.stack([np.bincount(group[rows], row, size) for row in centred]) / rows.sum()
        covariance += by_patient @ by_patient.T * i / (i - 1)
        sums.append(by_patient)
    i = np.unique(group).size
    across = sums[0] @ sums[1].T * i / (i - 1)
    return auroc, covariance + across + across.T


@dataclass(frozen=True)
class SeedMean:
    """Mean of a metric over seeds; ``low, high`` hold for other patients and other seeds."""

    metric: str
    value: float
    low: float
    high: float
    sd_seeds: float
    n_seeds: int
    n_records: int
    n_positive: int


def seed_difference(a: Predictions, b: Predictions, **options: Any) -> SeedDifference:
    """Return the difference ``a - b`` of a metric between two networks with several seeds each.

    Networks that differ in records, labels or folds raise :class:`EcgcoreError`; the ``options``
    are those of :class:`SeedSettings`.
    """
    return _contrast([a, b], [1.0, -1.0], SeedSettings(**options))


def interaction(
    a1: Predictions, a2: Predictions, b1: Predictions, b2: Predictions, **options: Any
) -> SeedDifference:
    """Return ``a - b`` with ``a = a1 - a2`` and ``b = b1 - b2``; as :func:`seed_difference`."""
    return _contrast([a1, a2, b1, b2], [1.0, -1.0, -1.0, 1.0], SeedSettings(**options))


def _contrast(
    sides: Sequence[Predictions], coefficients: list[float], settings: SeedSettings
) -> SeedDifference:
    tables = [_tables(side) for side in sides]
    if settings.paired:
        seeds = [list(one) for one in tables]
        if any(set(one) != set(seeds[0]) for one in seeds):
            raise EcgcoreError(f"paired: every network needs the same seeds, got {seeds}.")
        tables = [{k: one[k] for k in seeds[0]} for one in tables]
    sizes = [len(one) for one in tables]
    sample, joined, covariance = measure([t for one in tables for t in one.values()], settings)
    values = np.split(joined, np.cumsum(sizes)[:-1])
    options: dict[str, Any] = {"paired": settings.paired, "df_patients": sample.df_patients}
    spread = obuchowski_rockette(values, covariance, coefficients, **options)
    parts = [c * float(v.mean()) for c, v in zip(coefficients, values, strict=True)]
    a, b = sum(parts[: len(parts) // 2]), -sum(parts[len(parts) // 2 :])
    counts = min(sizes), sample.y.size, int(sample.y.sum())
    return SeedDifference(settings.metric, a, b, spread, *counts)


def _tables(predictions: Predictions) -> dict[Hashable, pd.DataFrame]:
    if not len(predictions):
        raise EcgcoreError("predictions: expected at least one table, got none; run this network.")
    return dict(predictions if isinstance(predictions, Mapping) else enumerate(predictions))


def seed_mean(predictions: Predictions, **options: Any) -> SeedMean:
    """Return the mean of a metric over seeds; options as for :func:`seed_difference`.

    The interval is formed on the logit scale for metrics between 0 and 1, is a score interval where
    every seed has exactly 0 or 1, and ``nan`` for a single seed.
    """
    settings = SeedSettings(**options)
    sample, values, covariance = measure(list(_tables(predictions).values()), settings)
    spread = obuchowski_rockette([values], covariance, [1.0], df_patients=sample.df_patients)
    mean, n_seeds, (low, high) = spread.value, len(values), spread.interval()
    if settings.metric not in ("mcc", "log_loss") and 0 < mean < 1:
        centre, half = special.logit(mean), (high - mean) / (mean * (1 - mean))
        low, high = float(special.expit(centre - half)), float(special.expit(centre + half))
    elif mean in (0.0, 1.0) and n_seeds > 1:
        low, high = closed_form(settings.metric, mean, sample, settings)
    sd = float(values.std(ddof=1)) if n_seeds > 1 else float("nan")
    counts = n_seeds, sample.y.size, int(sample.y.sum())
    return SeedMean(settings.metric, mean, low, high, sd, *counts)


def compare_models(
    networks: Mapping[Hashable, Predictions],
    reference: Hashable,
    *,
    margin: float,
    n_planned: int = 0,
    **options: Any,
) -> pd.DataFrame:
    """Compare every network with one of them, each over its seeds; one row per network.

    Columns: ``name, reference``, those of :class:`SeedMean` (as ``n, value_low, value_high``) and
    of :meth:`~ecgcore.statistics.SeedDifference.row` (name minus reference), ``p_holm, verdict``
    (with ``margin``; empty for the reference), ``reason``. Of ``n_planned`` comparisons, missing
    ones count with p = 1. Options as for :func:`seed_difference`.
    """
    if reference not in networks:
        raise EcgcoreError(f"There are no predictions of {reference!r}; run it first.")
    rows, differences = [], {}
    for name, runs in networks.items():
        mean = dict(vars(seed_mean(runs, **options)))
        mean |= {"value_low": mean.pop("low"), "value_high": mean.pop("high")}
        rows.append({"name": name, "reference": reference, "n": mean.pop("n_records"), **mean})
        if name != reference:
            differences[name] = seed_difference(runs, networks[reference], **options)
    p = [difference.p for difference in differences.values()]
    p_holm = holm([*p, *[1.0] * (n_planned - len(p))])
    corrected = dict(zip(differences, p_holm, strict=False))
    for name, row in zip(networks, rows, strict=True):
        row["p_holm"], verdict = float(corrected.get(name, np.nan)), Verdict("", "reference")
        if name in differences:
            row |= differences[name].row()
            verdict = differences[name].verdict(margin, p=row["p_holm"])
        row |= {"verdict": verdict.word, "reason": verdict.reason}
    return pd.DataFrame(rows)


def records_needed(
    result: SeedDifference, difference: float, *, equivalence: bool = False
) -> tuple[float, float]:
    """Return how many records, and positives among them, a test of a true difference would need.

    The test has a level of 5 %, a power of 80 % and as many seeds as ``result``. Infinite where
    training varies too much. With ``equivalence``, ``difference`` is the margin of two one-sided
    tests, and the true difference is 0.
    """
    spread, n_seeds = result.spread, result.n_seeds or 0
    if not spread.se > 0 or difference == 0 or n_seeds < 2:
        raise EcgcoreError("records_needed: needs two seeds, values that vary and a difference.")
    tails = (0.05, 0.1) if equivalence else (0.025, 0.2)

    def excess(log_factor: float) -> float:
        factor = float(np.exp(log_factor))
        patients = {"shared": spread.shared / factor, "unshared": spread.unshared / factor}
        scaled = replace(spread, df_patients=spread.df_patients * factor, **patients)
        law = stats.t(scaled.degrees_of_freedom)
        return abs(difference) - sum(float(law.isf(tail)) for tail in tails) * scaled.se

    low, high = np.log(MINIMUM.records / result.n_records), np.log(1e6)
    if excess(high) < 0:
        return float("inf"), float("inf")
    factor = float(np.exp(low if excess(low) > 0 else optimize.brentq(excess, low, high)))
    factor = max(factor, MINIMUM.per_class / (result.sizes["n_per_class"] or 1))
    records, positives = np.ceil(factor * np.array([result.n_records, result.n_positive]) - 1e-6)
    return float(records), float(positives)

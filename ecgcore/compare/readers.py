"""Comparing two ways of training that were each repeated with several seeds.

A difference on a test set has two kinds of luck in it: which patients were tested, and which seed
trained the network.  Diagnostic radiology has the same question, with readers in place of seeds,
and a standard answer: the multi-reader multi-case analysis of Obuchowski & Rockette.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from ecgcore.compare.delong import auroc_covariance
from ecgcore.compare.paired import Tost, holm, tost
from ecgcore.compare.reference import verdict
from ecgcore.compare.resample import RANK_METRICS, group_codes, resample_metrics
from ecgcore.errors import EcgcoreError
from ecgcore.metrics import METRICS, score_table
from ecgcore.metrics.checks import Floats, Ints, binary

Seeds = Mapping[Hashable, pd.DataFrame]
"""Predictions by seed, one row a record: ``ecg_id, patient_id, y_true, score, ranking``."""


@dataclass(frozen=True)
class SeedDifference:
    """Mean difference ``a - b`` over seeds, for other patients *and* other seeds.

    ``degrees_of_freedom`` is infinite for a single seed: then the interval is about patients only.
    """

    a: float
    b: float
    difference: float
    se: float
    degrees_of_freedom: float
    low: float
    high: float
    p: float
    n_seeds: int


def obuchowski_rockette(
    values: ArrayLike, covariance: ArrayLike, *, level: float = 0.95
) -> SeedDifference:
    """Two modalities read by several readers on the same cases; readers and cases are random.

    Obuchowski & Rockette (1995, Commun Stat Simul Comput 24:285) with the denominator degrees of
    freedom of Hillis (2007, Stat Med 26:596).  Here a reader is a seed and a modality a network.

    Parameters
    ----------
    values
        Any metric, shape (2, seed).
    covariance
        Of the values as estimates over cases, shape (2, seed, 2, seed).
    """
    theta = np.asarray(values, dtype=np.float64)
    n_seeds = theta.shape[1]
    cov = np.asarray(covariance, dtype=np.float64).reshape(2, n_seeds, 2, n_seeds)
    difference = float(np.mean(theta[0] - theta[1]))
    if n_seeds == 1:
        variance = cov[0, 0, 0, 0] + cov[1, 0, 1, 0] - 2 * cov[0, 0, 1, 0]
        se, df = float(np.sqrt(max(variance, 0.0))), np.inf
    else:
        other = ~np.eye(n_seeds, dtype=bool)
        cov2 = np.mean([cov[0, :, 0][other], cov[1, :, 1][other]])  # other seed, same network
        cov3 = np.mean(cov[0, :, 1][other])  # other seed, other network
        residual = theta - theta.mean(0) - theta.mean(1, keepdims=True) + theta.mean()
        interaction = float(np.sum(residual**2)) / (n_seeds - 1)
        noise = interaction + n_seeds * max(float(cov2 - cov3), 0.0)
        se = float(np.sqrt(2 / n_seeds * noise))
        df = noise**2 / (interaction**2 / (n_seeds - 1)) if interaction > 0 else np.inf
    low, high, p = _bounds(difference, se, df, level)
    a, b = (float(mean) for mean in theta.mean(axis=1))
    return SeedDifference(a, b, difference, se, float(df), low, high, p, n_seeds)


def _bounds(difference: float, se: float, df: float, level: float) -> tuple[float, float, float]:
    if se < 1e-15:  # the same answers twice
        return difference, difference, float(difference == 0)
    law = stats.norm() if np.isinf(df) else stats.t(df)
    half = float(law.ppf((1 + level) / 2)) * se
    return difference - half, difference + half, float(2 * law.sf(abs(difference) / se))


def difference_over_seeds(
    a: Seeds,
    b: Seeds,
    *,
    metric: str = "auroc",
    n_resamples: int = 1000,
    seed: int = 1,
    level: float = 0.95,
) -> SeedDifference:
    """Difference of a metric between two sets of runs, over the seeds that both have.

    The covariance over patients is DeLong's for AUROC, else that of a bootstrap.

    Parameters
    ----------
    a, b
        Predictions by seed, all on the same test records; only records in all of them count.
    metric
        A key of :data:`ecgcore.metrics.METRICS`.
    n_resamples, seed
        Of the bootstrap.

    Raises
    ------
    EcgcoreError
        No seed or no record in common.
    """
    y, group, scores = _aligned(a, b, "ranking" if metric in RANK_METRICS else "score")
    if metric == "auroc":
        values, covariance = auroc_covariance(y, scores, group)
    else:
        resampled = resample_metrics(
            y, list(scores), metrics=[metric], groups=group, n_resamples=n_resamples, seed=seed
        )
        values = np.array([float(METRICS[metric](score_table(y, s))) for s in scores])
        covariance = np.cov(np.stack([r[metric] for r in resampled]))
    n_seeds = len(scores) // 2
    shape = (2, n_seeds, 2, n_seeds)
    return obuchowski_rockette(
        values.reshape(2, n_seeds), np.atleast_2d(covariance).reshape(shape), level=level
    )


def _aligned(a: Seeds, b: Seeds, column: str) -> tuple[Ints, Ints, Floats]:
    """Labels, patients and scores (all seeds of a, then all of b) on the records in common."""
    seeds = [s for s in a if s in b]
    if not seeds:
        raise EcgcoreError(f"No seed in common: {list(a)} and {list(b)}; run both with the same.")
    frames = [side[s].set_index("ecg_id") for side in (a, b) for s in seeds]
    records = frames[0].index
    for frame in frames[1:]:
        records = records[records.isin(frame.index)]
    if records.empty:
        raise EcgcoreError("These runs were not tested on the same records; use one split_seed.")
    first = frames[0].loc[records]
    scores = np.stack([frame.loc[records, column].to_numpy(dtype=np.float64) for frame in frames])
    patients = first["patient_id"].to_numpy()
    return binary(first["y_true"], "y_true"), group_codes(patients, len(records)), scores


def seeds_against_reference(
    predictions: Mapping[Hashable, Seeds],
    reference: Hashable,
    *,
    margin: float,
    metric: str = "auroc",
    n_resamples: int = 1000,
    seed: int = 1,
) -> pd.DataFrame:
    """Compare every set of runs with one of them, each over its seeds.

    Returns
    -------
    pandas.DataFrame
        ``name, reference, n_seeds, difference`` (name minus reference), its 95 % interval ``low,
        high`` for other patients and other seeds, ``p``, ``p_holm``, ``equivalence_p`` (two
        one-sided tests, see :func:`ecgcore.compare.tost`), and ``verdict`` as of
        :func:`ecgcore.compare.against_reference`.
    """
    if reference not in predictions:
        raise EcgcoreError(f"No predictions of the reference {reference!r}; run it first.")
    rows = []
    for name, runs in predictions.items():
        if name == reference:
            continue
        found = difference_over_seeds(
            runs, predictions[reference], metric=metric, n_resamples=n_resamples, seed=seed
        )
        kept = ("n_seeds", "difference", "low", "high", "p")
        rows.append(
            {"name": name, "reference": reference}
            | {key: getattr(found, key) for key in kept}
            | {"equivalence_p": _equivalence(found, margin).p}
        )
    table = pd.DataFrame(rows)
    if rows:
        table["p_holm"] = holm(table["p"])
        table["verdict"] = [verdict(row, margin) for _, row in table.iterrows()]
    return table


def _equivalence(found: SeedDifference, margin: float) -> Tost:
    df = found.degrees_of_freedom
    finite = None if np.isinf(df) else df
    return tost(found.difference, found.se, margin=margin, degrees_of_freedom=finite)

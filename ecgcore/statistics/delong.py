"""Tests of two given models on the same records by DeLong, and Holm's correction."""

import gc

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ecgcore.arrays import Floats, Ints
from ecgcore.errors import EcgcoreError
from ecgcore.statistics.scores import binary, finite, group_codes
from ecgcore.statistics.verdicts import SeedDifference, Spread


def delong(
    y: ArrayLike, score_a: ArrayLike, score_b: ArrayLike, *, groups: ArrayLike | None = None
) -> SeedDifference:
    """Compare two AUROCs on the same records: other patients, these two trainings.

    DeLong, DeLong & Clarke-Pearson (1988, Biometrics 44:837), as computed by Sun & Xu (2014, IEEE
    SPL 21:1389); with ``groups``, the patients, as by Obuchowski (1997, Biometrics 53:567).  Labels
    0/1, scores ``(record,)``; :class:`EcgcoreError` with fewer than two patients of either class.
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
    n_patients = [np.unique(group[one]).size for one in classes]
    if min(n_patients) < 2:
        raise EcgcoreError(
            "y: the variance of an AUROC needs at least two patients with a positive and two with "
            f"a negative record, got {n_patients[0]} and {n_patients[1]}."
        )
    # Structural components: share of the other class that each record beats, ties by half.
    for one in classes:
        share[:, one] = (rank[:, one] - stats.rankdata(scores[:, one], axis=1)) / (~one).sum()
    share[:, y == 0] = 1 - share[:, y == 0]
    auroc: Floats = share[:, y == 1].mean(axis=1)
    covariance, sums, size = np.zeros((len(scores), len(scores))), [], int(group.max()) + 1
    for one, i in zip(classes, n_patients, strict=True):
        centred = share[:, one] - auroc[:, None]
        by_patient = np.stack([np.bincount(group[one], row, size) for row in centred]) / one.sum()
        covariance += by_patient @ by_patient.T * i / (i - 1)
        sums.append(by_patient)
    i = np.unique(group).size
    across = sums[0] @ sums[1].T * i / (i - 1)
    return auroc, covariance + across + across.T


def holm(p: ArrayLike) -> Floats:
    """Return Holm's (1979) adjusted p values in the given order; ``nan`` counts as no test."""
    from statsmodels.stats.multitest import multipletests

    adjusted = np.array(p, dtype=np.float64)
    tested = np.isfinite(adjusted)
    gc.freeze()  # multipletests collects garbage, which takes 0.1 s where many objects live
    if tested.any():
        adjusted[tested] = multipletests(adjusted[tested], method="holm")[1]
    gc.unfreeze()
    return adjusted

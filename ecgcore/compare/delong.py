"""DeLong's test of two correlated AUROCs, by patient where records are clustered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ecgcore.compare.resample import group_codes
from ecgcore.errors import EcgcoreError
from ecgcore.metrics.checks import Floats, Ints, binary, finite


@dataclass(frozen=True)
class DeLong:
    """AUROCs of two scores on the same records, and their difference ``a - b``.

    ``low`` and ``high`` bound the difference; ``z`` and ``p`` (two-sided) test it against 0.
    """

    auroc_a: float
    auroc_b: float
    difference: float
    se: float
    low: float
    high: float
    z: float
    p: float


def delong(
    y: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> DeLong:
    """Compare two AUROCs on the same records.

    DeLong, DeLong & Clarke-Pearson (1988, Biometrics 44:837), in the O(n log n) form of Sun & Xu
    (2014, IEEE SPL 21:1389).  With ``groups`` the components are summed by patient first
    (Obuchowski 1997, Biometrics 53:567); with one record a patient both are the same.

    Parameters
    ----------
    y
        Labels 0/1, shape ``(record,)``.
    score_a, score_b
        Any finite scores, shape ``(record,)``.
    groups
        Patient of every record.

    Raises
    ------
    EcgcoreError
        With fewer than two positives or two negatives (or patients having them).
    """
    labels = binary(y, "y")
    scores = np.stack([finite(s, labels.size, "score") for s in (score_a, score_b)])
    group = group_codes(groups, labels.size)
    auroc, covariance = auroc_covariance(labels, scores, group)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    difference = float(auroc[0] - auroc[1])
    se = float(np.sqrt(max(variance, 0.0)))
    if se < 1e-15:  # the same ranking twice
        z, p = (0.0, 1.0) if difference == 0 else (float(np.sign(difference)) * np.inf, 0.0)
    else:
        z = difference / se
        p = float(2 * stats.norm.sf(abs(z)))
    half = float(stats.norm.ppf((1 + level) / 2)) * se
    a, b = float(auroc[0]), float(auroc[1])
    return DeLong(a, b, difference, se, difference - half, difference + half, z, p)


def auroc_covariance(y: Ints, scores: Floats, group: Ints) -> tuple[Floats, Floats]:
    """AUROCs of several scores on the same records, and their covariance over patients.

    ``scores`` has shape ``(score, record)``, ``group`` numbers the patients from 0.
    """
    positive, negative = y == 1, y == 0
    with_positive, with_negative = np.unique(group[positive]), np.unique(group[negative])
    n_patients = (with_positive.size, with_negative.size)
    if min(n_patients) < 2:
        raise EcgcoreError(
            "y: DeLong's test needs at least two patients with a positive and two with a negative "
            f"record, found {n_patients[0]} and {n_patients[1]}."
        )
    m, n = int(positive.sum()), int(negative.sum())
    # Structural components: share of the other class that each record beats, ties by half.
    v10 = np.stack([_midrank(s)[positive] - _midrank(s[positive]) for s in scores]) / n
    v01 = 1 - np.stack([_midrank(s)[negative] - _midrank(s[negative]) for s in scores]) / m
    auroc = v10.mean(axis=1)
    centred10 = _sum_by(v10 - auroc[:, None], group[positive], int(group.max()) + 1)
    centred01 = _sum_by(v01 - auroc[:, None], group[negative], int(group.max()) + 1)
    i10, i01 = n_patients
    i = np.union1d(with_positive, with_negative).size
    s10 = centred10 @ centred10.T * i10 / ((i10 - 1) * m)
    s01 = centred01 @ centred01.T * i01 / ((i01 - 1) * n)
    s11 = centred10 @ centred01.T * i / (i - 1)
    return auroc, s10 / m + s01 / n + (s11 + s11.T) / (m * n)


def _midrank(values: Floats) -> Floats:
    return np.asarray(stats.rankdata(values))


def _sum_by(values: Floats, group: Ints, n_groups: int) -> Floats:
    return np.stack([np.bincount(group, weights=v, minlength=n_groups) for v in values])

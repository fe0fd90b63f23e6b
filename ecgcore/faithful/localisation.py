"""Does an attribution point at the evidence?  Scores against masks that are known.

Only relevance for the positive class counts (the attribution's positive part), as masks say where
the evidence for that class lies.  Ties are shared out evenly, so that a map which is the same in
all leads is not rewarded, or punished, for the order of the leads.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgcore.errors import EcgcoreError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def _mass(relevance: Floats, mask: Mask) -> float:
    """Share of all relevance that lies inside the mask (Arras et al. 2022, Inf Fusion 81:14)."""
    total = float(relevance.sum())
    return float(relevance[mask].sum()) / total if total > 0 else float("nan")


def _rank(relevance: Floats, mask: Mask) -> float:
    """Share of the K most relevant samples inside a mask of K samples (Arras et al. 2022)."""
    k = int(mask.sum())
    at = float(np.partition(relevance, relevance.size - k)[relevance.size - k])
    above, tied = relevance > at, relevance == at
    inside_tied = float(mask[tied].mean())
    return (float(mask[above].sum()) + (k - float(above.sum())) * inside_tied) / k


def _auprc(relevance: Floats, mask: Mask) -> float:
    """Average precision of relevance as a detector of masked samples."""
    order = np.argsort(-relevance, kind="stable")
    values, inside = relevance[order], mask[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(values)), values.size - 1)
    tp = np.cumsum(inside)[last_of_tie]
    return float((np.diff(tp, prepend=0) * tp / (last_of_tie + 1)).sum() / mask.sum())


def _pointing(relevance: Floats, mask: Mask) -> float:
    """Is the most relevant sample inside (Zhang et al. 2018, IJCV 126:1084)?"""
    return float(mask[relevance == relevance.max()].mean())


LOCALISATION: dict[str, Callable[[Floats, Mask], float]] = {
    "mass_accuracy": _mass,
    "rank_accuracy": _rank,
    "auprc": _auprc,
    "pointing_game": _pointing,
}
"""Scores of flat relevance (above or equal 0) against a flat mask with at least one sample."""


def localisation(
    attribution: NDArray[np.floating],
    mask: Mask,
    *,
    absolute: bool = False,
    pool_samples: int = 1,
) -> pd.DataFrame:
    """Localisation scores of every record.

    Parameters
    ----------
    attribution, mask
        Shape ``(record, lead, sample)``; the mask is true where the evidence lies.
    absolute
        Count relevance of both signs.
    pool_samples
        Sum relevance over so many neighbouring samples first; a pooled place is evidence when at
        least half of it is.  Fairer to methods that are coarse by construction.

    Returns
    -------
    DataFrame
        One row a record: ``mass_accuracy``, ``rank_accuracy``, ``auprc``, ``pointing_game``,
        ``lead_accuracy`` (is the lead with most relevance one that holds evidence?) and
        ``mask_share`` (what a map without information gets for the first four).  ``nan`` for a
        record without a mask; a map without any positive relevance scores as uninformative, with
        ``nan`` for ``mass_accuracy``.
    """
    if attribution.shape != mask.shape or attribution.ndim != 3:
        raise EcgcoreError(
            f"mask: expected the attribution's shape {attribution.shape} (record, lead, sample), "
            f"got {mask.shape}."
        )
    rows = []
    for record in range(len(mask)):
        values, where = np.asarray(attribution[record], dtype=np.float64), np.asarray(mask[record])
        relevance = np.abs(values) if absolute else np.clip(values, 0, None)
        if pool_samples > 1:
            relevance = _pooled(relevance, pool_samples)
            where = _pooled(where.astype(np.float64), pool_samples) >= pool_samples / 2
        rows.append(_scores(relevance, where))
    return pd.DataFrame(rows, columns=[*LOCALISATION, "lead_accuracy", "mask_share"])


def _pooled(values: Floats, n: int) -> Floats:
    starts = np.arange(0, values.shape[-1], n)
    return np.asarray(np.add.reduceat(values, starts, axis=-1))


def _scores(relevance: Floats, mask: Mask) -> list[float]:
    if not mask.any():
        return [float("nan")] * (len(LOCALISATION) + 2)
    flat, inside = relevance.ravel(), mask.ravel()
    scores = [score(flat, inside) for score in LOCALISATION.values()]
    by_lead = relevance.sum(axis=-1)
    holds_evidence = np.asarray(mask.any(axis=-1))
    lead = float(holds_evidence[by_lead == by_lead.max()].mean())
    return [*scores, lead, float(inside.mean())]

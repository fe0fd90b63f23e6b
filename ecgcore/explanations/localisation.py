"""Does an attribution point at the evidence?  Scores against masks that are known.

Only relevance for the positive class counts (the attribution's positive part), because masks say
where the evidence for that class lies.  Ties are shared out evenly, so that a map that is the same
in all leads does not depend on the order of the leads.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgcore.arrays import Bools, Floats
from ecgcore.errors import EcgcoreError


def _mass(relevance: Floats, mask: Bools) -> float:
    """Share of all relevance that lies inside the mask (Arras et al. 2022, Inf Fusion 81:14)."""
    total = float(relevance.sum())
    return float(relevance[mask].sum()) / total if total > 0 else float("nan")


def _rank(relevance: Floats, mask: Bools) -> float:
    """Share of the K most relevant samples inside a mask of K samples (Arras et al. 2022)."""
    k = int(mask.sum())
    at = float(np.partition(relevance, relevance.size - k)[relevance.size - k])
    above, tied = relevance > at, relevance == at
    inside_tied = float(mask[tied].mean())
    return (float(mask[above].sum()) + (k - float(above.sum())) * inside_tied) / k


def _auprc(relevance: Floats, mask: Bools) -> float:
    """Average precision of relevance as a detector of masked samples."""
    order = np.argsort(-relevance, kind="stable")
    values, inside = relevance[order], mask[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(values)), values.size - 1)
    tp = np.cumsum(inside)[last_of_tie]
    return float((np.diff(tp, prepend=0) * tp / (last_of_tie + 1)).sum() / mask.sum())


def _pointing(relevance: Floats, mask: Bools) -> float:
    """Is the most relevant sample inside (Zhang et al. 2018, IJCV 126:1084)?"""
    return float(mask[relevance == relevance.max()].mean())


LOCALISATION: dict[str, Callable[[Floats, Bools], float]] = {
    "mass_accuracy": _mass,
    "rank_accuracy": _rank,
    "auprc": _auprc,
    "pointing_game": _pointing,
}
"""Scores of flat relevance (0 or above) against a flat mask with at least one sample."""

CHANCE = ("mask_share", "lead_chance")
"""Columns of :func:`localisation` that are no scores but what a random map gets."""


def localisation(attribution: NDArray[np.floating], mask: Bools) -> pd.DataFrame:
    """Localisation scores, one row per record.

    Parameters
    ----------
    attribution, mask
        Shape ``(record, lead, sample)``; the mask is true where the evidence lies.

    Returns
    -------
    DataFrame
        ``mass_accuracy``, ``rank_accuracy``, ``auprc``, ``pointing_game`` and their chance level
        ``mask_share``; ``lead_accuracy`` and its chance level ``lead_chance``.  A lead holds
        evidence if its part of the mask is at least half as long as that of the lead with most, so
        that traces do not count; ``lead_accuracy`` is 1 if the lead with most relevance is one of
        them, ``lead_chance`` is their share of all leads.  nan for a record without a mask, and for
        the ``mass_accuracy`` of a map without positive relevance, which else is uninformative.
    """
    if attribution.shape != mask.shape or attribution.ndim != 3:
        raise EcgcoreError(
            f"mask: expected the attribution's shape {attribution.shape} (record, lead, sample), "
            f"got {mask.shape}."
        )
    relevance = np.clip(np.asarray(attribution, np.float64), 0, None)
    rows = [_scores(one, where) for one, where in zip(relevance, mask, strict=True)]
    return pd.DataFrame(rows, columns=[*LOCALISATION, "lead_accuracy", *CHANCE])


def _scores(relevance: Floats, mask: Bools) -> list[float]:
    if not mask.any():
        return [float("nan")] * (len(LOCALISATION) + 3)
    flat, inside = relevance.ravel(), mask.ravel()
    scores = [score(flat, inside) for score in LOCALISATION.values()]
    by_lead, evidence = relevance.sum(axis=-1), mask.sum(axis=-1)
    holds_evidence = evidence >= evidence.max() / 2
    lead = float(holds_evidence[by_lead == by_lead.max()].mean())
    return [*scores, lead, float(inside.mean()), float(holds_evidence.mean())]

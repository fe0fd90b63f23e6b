"""Does an attribution point at the evidence?  Scores against masks that are known.

Only relevance for the positive class counts (the attribution's positive part), because masks say
where the evidence for that class lies.  Ties are shared out evenly, so that a map that is the same
in all leads does not depend on the order of the leads.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from ecgcore.arrays import Bools, Floats
from ecgcore.errors import EcgcoreError

LOCALISATION = ("mass_accuracy", "rank_accuracy", "auprc", "pointing_game")
"""Scores whose chance level is the mask's share of the record."""


def localisation(attribution: NDArray[np.floating], mask: Bools) -> pd.DataFrame:
    """Localisation scores, one row per record; nan for a record without a mask.

    ``attribution`` and ``mask``, true where the evidence lies, have the shape ``(record, lead,
    sample)``; else :class:`EcgcoreError`.  ``mass_accuracy`` is the share of all relevance that
    lies inside the mask (nan without positive relevance); ``rank_accuracy`` the share of the K most
    relevant samples inside a mask of K samples (both Arras et al. 2022, Inf Fusion 81:14);
    ``auprc`` the average precision of relevance as a detector of masked samples; ``pointing_game``
    whether the most relevant sample is inside (Zhang et al. 2018, IJCV 126:1084).  Their chance
    level is ``mask_share``.  A lead holds evidence if its part of the mask is at least half as long
    as that of the lead with most, so that traces do not count; ``lead_accuracy`` is 1 if the lead
    with most relevance is one of them, its chance level ``lead_chance`` their share of all leads.
    """
    if attribution.shape != mask.shape or attribution.ndim != 3:
        raise EcgcoreError(
            f"mask: expected the attribution's shape {attribution.shape} (record, lead, sample), "
            f"got {mask.shape}."
        )
    relevance = np.clip(np.asarray(attribution, np.float64), 0, None)
    columns = [*LOCALISATION, "lead_accuracy", "mask_share", "lead_chance"]
    return pd.DataFrame(map(_scores, relevance, mask), columns=columns, dtype=float)


def _scores(relevance: Floats, mask: Bools) -> dict[str, float]:
    flat, inside, k = relevance.ravel(), mask.ravel(), int(mask.sum())
    if not k:
        return {}
    at = np.partition(flat, -k)[-k]
    above, tied = flat > at, flat == at
    by_lead, evidence = relevance.sum(axis=-1), mask.sum(axis=-1)
    holds_evidence = evidence >= evidence.max() / 2
    return {
        "mass_accuracy": flat[inside].sum() / flat.sum() if flat.any() else np.nan,
        "rank_accuracy": (inside[above].sum() + (k - above.sum()) * inside[tied].mean()) / k,
        "auprc": average_precision_score(inside, flat),
        "pointing_game": inside[flat == flat.max()].mean(),
        "lead_accuracy": holds_evidence[by_lead == by_lead.max()].mean(),
        "mask_share": inside.mean(),
        "lead_chance": holds_evidence.mean(),
    }

"""Localisation scores against hand-computed cases and their chance levels."""

import numpy as np
import pytest

from ecgcore.errors import EcgcoreError
from ecgcore.explanations.localisation import LOCALISATION, localisation


def one(relevance, mask) -> dict[str, float]:
    """Scores of one record given as nested lists (lead, sample)."""
    return localisation(np.array([relevance], float), np.array([mask], bool)).iloc[0].to_dict()


def test_localisation_by_hand():
    scores = one([[4, 0, 1, -9], [2, 3, 0, 0]], [[1, 0, 0, 0], [0, 1, 1, 0]])
    assert scores["mass_accuracy"] == pytest.approx(7 / 10)
    assert scores["rank_accuracy"] == pytest.approx(2 / 3)  # two of 4, 3, 2 lie inside
    # Inside at ranks 1 and 2; the third lies among the four tied at 0, behind the two outside.
    assert scores["auprc"] == pytest.approx((1 + 1 + 3 / 8) / 3)
    assert scores["pointing_game"] == 1
    assert scores["lead_accuracy"] == scores["lead_chance"] == 1
    assert scores["mask_share"] == pytest.approx(3 / 8)


def test_ties_are_shared_out():
    flat = one([[1, 1], [1, 1]], [[1, 0], [0, 0]])
    assert flat["rank_accuracy"] == flat["pointing_game"] == flat["auprc"] == 0.25
    assert flat["lead_accuracy"] == flat["lead_chance"] == 0.5
    assert one([[2, 1], [2, 1]], [[1, 0], [0, 0]]) == one([[2, 1], [2, 1]], [[0, 0], [1, 0]])


def test_a_random_map_scores_the_chance_level():
    rng = np.random.default_rng(0)
    mask = rng.random((400, 12, 50)) < 0.02  # traces in every lead
    mask[:, 3:6, 10:40] = True
    table = localisation(rng.normal(size=mask.shape), mask).mean()
    assert table["lead_chance"] == pytest.approx(3 / 12)
    assert table["lead_accuracy"] == pytest.approx(table["lead_chance"], abs=0.06)
    for name in LOCALISATION:
        assert table[name] == pytest.approx(table["mask_share"], abs=0.06), name


def test_records_without_evidence_or_relevance():
    mask = np.zeros((2, 12, 10), bool)
    mask[1, 0, :5] = True
    table = localisation(-np.ones(mask.shape), mask)
    assert table.iloc[0].isna().all()
    assert np.isnan(table.loc[1, "mass_accuracy"])
    assert table.loc[1, "rank_accuracy"] == pytest.approx(table.loc[1, "mask_share"])
    with pytest.raises(EcgcoreError, match="shape"):
        localisation(np.ones((2, 12, 9)), mask)

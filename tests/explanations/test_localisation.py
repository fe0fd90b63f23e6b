"""Where an attribution lies, against hand-computed cases and the chance level."""

import numpy as np
import pytest

from ecgcore.errors import EcgcoreError
from ecgcore.explanations import (
    lead_shares,
    mass_accuracy,
    top_segments,
    window_sums,
)


def test_mass_accuracy_by_hand():
    relevance = np.array([[[4.0, 0, 1, -9], [2, 3, 0, 0]]])
    mask = np.array([[[1, 0, 0, 0], [0, 1, 1, 0]]], bool)
    assert mass_accuracy(relevance, mask).tolist() == [7 / 10]
    assert np.isnan(mass_accuracy(-np.ones(mask.shape), mask)).all()
    assert np.isnan(mass_accuracy(relevance, ~mask & mask)).all()
    with pytest.raises(EcgcoreError, match="shape"):
        mass_accuracy(np.ones((1, 2, 9)), mask)


def test_a_random_map_scores_the_masks_share():
    rng = np.random.default_rng(0)
    mask = rng.random((400, 12, 50)) < 0.02
    mask[:, 3:6, 10:40] = True
    mean = mass_accuracy(rng.normal(size=mask.shape), mask).mean()
    assert mean == pytest.approx(mask.mean(), abs=0.01)


def test_windows_and_shares_by_hand():
    values = np.zeros((12, 100))
    values[3, 20:30], values[5, 60:65] = 1.0, -3.0
    sums, start_s = window_sums(values, 10, window_s=1.0)
    assert (sums[3, start_s == 2.0], sums.shape[1]) == (10, 19)
    top = top_segments(values, 10, k=1, window_s=1.0)
    assert top[["sign", "lead"]].to_numpy().tolist() == [[1, "aVR"], [-1, "aVF"]]
    np.testing.assert_allclose(lead_shares(values)[[3, 5]], [0.4, 0.6])

"""Examination of networks, control maps and properties of maps."""

import numpy as np
from scipy.stats import spearmanr

from ecgcore import explanations
from ecgcore.explanations import control_maps
from ecgcore.explanations.examination import gini, gradient_agreement


def signals(n: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 12, 75)).astype(np.float32)


def test_control_maps_match_their_definitions():
    x, weights = signals(), signals(seed=1)
    maps = control_maps(x, seed=0, weights=weights, bias=np.arange(4.0))
    names = {"random", "abs_signal", "squared_signal", "other_record", "bias_only"}
    assert set(maps) == names
    is_lent = (maps["other_record"][:, None] == weights * x[:, None]).all(axis=(2, 3))
    assert (is_lent.sum(axis=0) == 1).all()
    assert not is_lent.diagonal().any()
    np.testing.assert_array_equal(maps["squared_signal"], x**2)
    np.testing.assert_allclose(maps["bias_only"].sum((1, 2)), np.arange(4), rtol=1e-5)
    np.testing.assert_array_equal(maps["random"], control_maps(x, seed=0)["random"])


def test_rank_agreement_is_spearmans_correlation():
    one, other = np.random.default_rng(0).normal(size=(2, 4, 12, 30))
    expected = [spearmanr(a.ravel(), b.ravel())[0] for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(explanations.rank_agreement(one, other), expected)
    assert np.isnan(explanations.rank_agreement(one, np.zeros_like(one))).all()
    shifted = np.roll(one, 1, axis=-1)
    pooled = explanations.rank_agreement(one, shifted, pool_samples=10)
    assert (pooled > explanations.rank_agreement(one, shifted)).all()


def test_gini_and_gradient_agreement_by_hand():
    values = np.array([[1.0, 1, 1, 1], [0, 0, 0, -5]])
    np.testing.assert_allclose(gini(values), [0, 0.75])
    assert np.isnan(gini(np.zeros((1, 4)))).all()
    w = signals(3)
    np.testing.assert_allclose(gradient_agreement(2 * w, -w), [[-1, 2]] * 3, rtol=1e-6)

"""Fills and deletion, calculated by hand and on linear models."""

import numpy as np
import pytest
from refusal import refused

from ecgcore.explanations import Units, deletion_curves, filled, lerf_minus_morf
from ecgcore.explanations.deletion import attainable

RATE_HZ = 50


def linear(seed: int = 0, n: int = 6):
    """Return records, weights and the linear model's logit."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 12, 100)).astype(np.float32)
    w = rng.normal(size=(12, 100)).astype(np.float32)
    return x, w, lambda s: (s * w).sum((1, 2), dtype=np.float64) + 0.3


def score(units: Units, attribution: np.ndarray) -> np.ndarray:
    return lerf_minus_morf(deletion_curves(units, attribution))


def test_bridge_is_numpys_interpolation_in_every_row_of_a_broadcast_array():
    rng = np.random.default_rng(0)
    x, removed = rng.normal(size=(1, 12, 40)).astype(np.float32), rng.random((5, 12, 40)) < 0.4
    result, t = filled(np.broadcast_to(x, removed.shape), removed), np.arange(40)
    for k in range(5):
        for lead in range(12):
            gap = removed[k, lead]
            expected = np.interp(t, t[~gap], x[0, lead, ~gap])
            np.testing.assert_allclose(result[k, lead], expected, atol=1e-6)


def test_donor_meets_both_ends_and_retains_its_shape():
    t = np.arange(100, dtype=np.float32)
    x, donor = t[None] / 10, np.sin(t)[None]
    removed = np.zeros((1, 100), bool)
    removed[0, 30:60] = True
    result = filled(x, removed, "donor", donor)
    assert (result[~removed] == x[~removed]).all()
    difference = (result - donor)[0, 29:61]  # the donor, shifted and tilted: a straight line
    np.testing.assert_allclose(np.diff(difference, 2), 0, atol=1e-4)
    assert difference[0] == pytest.approx(x[0, 29] - donor[0, 29], abs=1e-5)
    refused("donor", filled, x, removed, "donor")
    refused("bridge", filled, x, removed, "mean")


def test_deletion_by_hand():
    """Three leads of one unit each; the logit is the sum of their means; removed leads are 0."""
    x = np.array([3.0, -1, 2], np.float32)[None, :, None] * np.ones((1, 3, 10), np.float32)
    units = Units(lambda s: s.mean(2).sum(1).astype(float), x, rate_hz=10, window_s=1.0)
    curves = deletion_curves(units, x, fractions=[1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(curves.fraction, [0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(curves.morf, [[4, 1, -1, 0]])
    np.testing.assert_allclose(curves.lerf, [[4, 5, 3, 0]])
    assert lerf_minus_morf(curves) == pytest.approx((4 + 4) / 3)


def test_the_true_map_of_a_linear_model_attains_the_best_order():
    x, w, logit_of = linear()
    units = Units(logit_of, x, RATE_HZ, fill="zero")
    true, best = score(units, x * w), attainable(units)
    np.testing.assert_allclose(true, best, rtol=1e-5)
    np.testing.assert_allclose(units.single_falls, units.sums(x * w), atol=1e-4)
    mirrored = score(units, -x * w)
    np.testing.assert_allclose(mirrored, -true, atol=1e-4)
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(size=x.shape)
        assert (score(units, x * w + noise) <= best + 1e-6).all()

"""Tests of two models against definitions, published worked examples and simulation."""

import numpy as np
import pytest
from scipy import stats

from ecgcore.errors import EcgcoreError
from ecgcore.statistics import delong, holm, paired_bootstrap
from ecgcore.statistics.verdicts import SeedDifference, Spread


def make(seed: int, n: int = 300):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.25).astype(int)
    noise = rng.normal(size=(2, n)) + rng.normal(size=n)
    return y, *(1 / (1 + np.exp(-(noise + 2 * y - 1)))).round(2)


@pytest.mark.parametrize("seed", range(3))
def test_delong_by_definition(seed):
    """The 1988 paper's kernel over all pairs."""
    y, a, b = make(seed, n=120)
    scores = np.stack([a, b])
    pos, neg = scores[:, y == 1], scores[:, y == 0]
    kernel = (pos[:, :, None] > neg[:, None, :]) + 0.5 * (pos[:, :, None] == neg[:, None, :])
    cov = np.cov(kernel.mean(2)) / pos.shape[1] + np.cov(kernel.mean(1)) / neg.shape[1]
    se = np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    result = delong(y, a, b)
    assert (result.a, result.b) == pytest.approx(tuple(kernel.mean((1, 2))), abs=1e-12)
    assert result.spread.se == pytest.approx(se, rel=1e-10)
    assert result.p == pytest.approx(2 * stats.norm.sf(abs(result.difference) / se), rel=1e-9)


def test_delong_uses_that_one_patient_has_records_of_both_classes():
    rng = np.random.default_rng(0)
    patients, y = np.repeat(np.arange(120), 2), np.tile([0, 1], 120)
    level = np.repeat(rng.normal(0, 2, 120), 2)
    a = 1 / (1 + np.exp(-(level + y + 0.5 * rng.normal(size=240))))
    b = 1 / (1 + np.exp(-(y + rng.normal(size=240))))
    how = {"metrics": ["auroc"], "groups": patients, "n_resamples": 1500, "seed": 1}
    by_patient = paired_bootstrap(y, a, b, **how)["se"][0]
    assert delong(y, a, b, groups=patients).spread.se == pytest.approx(by_patient, rel=0.1)
    assert delong(y, a, b).spread.se > 1.2 * by_patient


def test_delong_is_never_certain_without_variance_or_records():
    y, a, _ = make(0, n=60)
    same = delong(y, a, np.log(a + 0.01))  # a monotone transform ranks alike
    assert same.difference == 0
    assert np.isnan([same.p, same.low, same.high]).all()
    assert same.verdict(0.1).word == "undecided"
    four = delong([0, 0, 1, 1], [0.1, 0.1, 0.9, 0.9], [0.5] * 4)
    assert np.isnan(four.p)
    assert "only 4 records" in four.verdict(0.1).reason
    with pytest.raises(EcgcoreError, match="at least two patients"):
        delong([0, 0, 1], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3])


def test_holm_by_hand():
    # Ordered .005 .01 .03 .04 times 4 3 2 1, made monotone.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, np.nan, 0.7]), [1.0, np.nan, 1.0])
    assert holm([]).size == 0


def test_equivalence_is_two_one_sided_t_tests():
    for seed in range(20):
        sample = np.random.default_rng(seed).normal(0.1, 1, 30)
        spread = Spread(sample.mean(), sample.var(ddof=1) / 30, df_patients=29)
        verdict = SeedDifference("auroc", 0, 0, spread, None, 30, 15).verdict(0.5)
        lower = stats.ttest_1samp(sample, -0.5, alternative="greater").pvalue
        upper = stats.ttest_1samp(sample, 0.5, alternative="less").pvalue
        assert (verdict.word == "equivalent") == (max(lower, upper) < 0.05)

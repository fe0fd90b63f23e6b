"""Intervals and tests against slow loops, published worked examples and simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from ecgcore import compare
from ecgcore.compare.resample import DEFAULT_METRICS
from ecgcore.errors import EcgcoreError
from ecgcore.metrics import evaluate


def make(seed: int, n: int = 300, decimals: int = 2):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.25).astype(int)
    noise = rng.normal(size=(2, n)) + rng.normal(size=n)
    a, b = 1 / (1 + np.exp(-(noise + 2 * y - 1)))
    return y, a.round(decimals), b.round(decimals)


def test_bootstrap_is_the_scikit_learn_loop():
    y, p, _ = make(0)
    rng, loop = np.random.default_rng(5), []
    for _ in range(200):
        drawn = rng.integers(0, y.size, y.size)
        yy, pp = y[drawn], p[drawn]
        loop.append(
            (roc_auc_score(yy, pp), average_precision_score(yy, pp), f1_score(yy, pp >= 0.5))
        )
    ours = compare.resample_metrics(
        y, [p], metrics=["auroc", "auprc", "f1"], n_resamples=200, seed=5
    )[0]
    np.testing.assert_allclose(np.array(list(ours.values())).T, loop, rtol=0, atol=1e-12)


def test_every_metric_of_a_patient_bootstrap_is_evaluate_on_the_drawn_records():
    y, p, _ = make(1)
    patients = np.array([f"p{k}" for k in np.random.default_rng(2).integers(0, 120, y.size)])
    names = np.unique(patients)
    ours = compare.resample_metrics(y, [p], groups=patients, n_resamples=40, seed=3)[0]
    rng = np.random.default_rng(3)
    for resample in range(40):
        drawn = names[rng.integers(0, names.size, names.size)]
        records = np.concatenate([np.flatnonzero(patients == name) for name in drawn])
        expected = evaluate(y[records], p[records])
        for name in DEFAULT_METRICS:
            assert ours[name][resample] == pytest.approx(expected[name], abs=1e-12), name


def test_the_block_size_does_not_show(monkeypatch):
    y, p, _ = make(2)
    whole = compare.bootstrap(y, p, n_resamples=50, seed=1)
    monkeypatch.setattr("ecgcore.compare.resample._BLOCK_BYTES", 1)
    pd.testing.assert_frame_equal(whole, compare.bootstrap(y, p, n_resamples=50, seed=1))
    assert not whole.equals(compare.bootstrap(y, p, n_resamples=50, seed=2))


def test_patients_with_copies_of_one_record_widen_the_interval():
    """Ten copies of every record hold no more evidence than one; records alone would claim so."""
    y, p, _ = make(3, n=100)
    y10, p10, patients = np.tile(y, 10), np.tile(p, 10), np.tile(np.arange(100), 10)
    se = {
        name: compare.bootstrap(y_, p_, metrics=["auroc"], groups=g, n_resamples=600, seed=4)["se"][
            0
        ]
        for name, y_, p_, g in (
            ("one", y, p, None),
            ("copies", y10, p10, patients),
            ("naive", y10, p10, None),
        )
    }
    assert se["copies"] == pytest.approx(se["one"], rel=1e-9)
    assert se["naive"] < 0.5 * se["one"]


def test_bootstrap_and_delong_agree_on_the_standard_error():
    y, a, b = make(4, n=800, decimals=8)
    paired = compare.paired_bootstrap(y, a, b, metrics=["auroc"], n_resamples=1500, seed=0).iloc[0]
    analytic = compare.delong(y, a, b)
    assert paired["difference"] == pytest.approx(analytic.difference, abs=1e-12)
    assert paired["se"] == pytest.approx(analytic.se, rel=0.1)
    assert paired["low"] < paired["difference"] < paired["high"]


def test_a_perfect_score_of_few_records_keeps_an_honest_interval():
    y = np.repeat([0, 1], [187, 13])
    table = compare.bootstrap(y, y * 0.98 + 0.01, n_resamples=50, seed=0).set_index("metric")
    assert table.loc["sensitivity", "low"] == pytest.approx(13 / (13 + 1.959964**2))
    assert 0.75 < table.loc["auroc", "low"] < 0.97
    assert table.loc["auroc", "high"] == 1
    assert table.loc["f1", "low"] < table.loc["specificity", "low"] < 1
    assert (table.loc[["sensitivity", "auroc", "f1"], "method"] == "score").all()
    assert table.loc["mcc", "method"] == "none"
    assert np.isnan(table.loc["mcc", "low"])
    pairs = compare.bootstrap(
        y, y * 0.98 + 0.01, groups=np.arange(200) // 2, n_resamples=50, seed=0
    ).set_index("metric")
    assert pairs.loc["sensitivity", "low"] < table.loc["sensitivity", "low"]


def test_newcombe_covers_and_wilson_is_as_published():
    # Newcombe (1998, Stat Med 17:857), table I: 81/263 and 0/20.
    low, high = compare.wilson([81, 0], [263, 20])
    np.testing.assert_allclose(low, [0.2553, 0.0], atol=5e-5)
    np.testing.assert_allclose(high, [0.3662, 0.1611], atol=5e-5)
    rng = np.random.default_rng(0)
    true = stats.norm.cdf(2 / np.sqrt(2))
    inside = 0
    for _ in range(300):
        score = np.concatenate([rng.normal(size=80), rng.normal(2, 1, size=20)])
        auroc = evaluate(np.repeat([0, 1], [80, 20]), stats.norm.cdf(score))["auroc"]
        low_, high_ = compare.auroc_score_interval(auroc, 20, 80)
        assert low_ <= auroc <= high_
        inside += low_ <= true <= high_
    assert 0.91 <= inside / 300 <= 0.99


def test_resamples_without_a_positive_are_counted_not_invented():
    y = np.repeat([0, 1], [30, 1])
    table = compare.bootstrap(
        y, np.linspace(0, 1, 31), metrics=["auroc", "brier"], n_resamples=400, seed=0
    ).set_index("metric")
    assert table.loc["auroc", "n_undefined"] / 400 == pytest.approx((1 - 1 / 31) ** 31, abs=0.08)
    assert table.loc["brier", "n_undefined"] == 0


def delong_by_definition(y, a, b):
    """The 1988 paper's kernel over all pairs."""
    scores = np.stack([a, b])
    pos, neg = scores[:, y == 1], scores[:, y == 0]
    kernel = (pos[:, :, None] > neg[:, None, :]) + 0.5 * (pos[:, :, None] == neg[:, None, :])
    auc, v10, v01 = kernel.mean((1, 2)), kernel.mean(2), kernel.mean(1)
    cov = np.cov(v10) / pos.shape[1] + np.cov(v01) / neg.shape[1]
    return auc, float(np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]))


@pytest.mark.parametrize("seed", range(3))
def test_delong_by_definition(seed):
    y, a, b = make(seed, n=120)
    result = compare.delong(y, a, b)
    auc, se = delong_by_definition(y, a, b)
    assert (result.auroc_a, result.auroc_b) == pytest.approx(tuple(auc), abs=1e-12)
    assert result.se == pytest.approx(se, rel=1e-10)
    assert result.p == pytest.approx(2 * stats.norm.sf(abs(result.difference) / se), rel=1e-9)


def test_clustered_delong():
    y, a, b = make(7, n=200)
    one = compare.delong(y, a, b)
    assert compare.delong(y, a, b, groups=np.arange(200)).se == pytest.approx(one.se, rel=1e-12)
    copies = compare.delong(*(np.tile(v, 5) for v in (y, a, b)), groups=np.tile(np.arange(200), 5))
    assert copies.se == pytest.approx(one.se, rel=0.02)  # only the small-sample factors differ
    assert compare.delong(*(np.tile(v, 5) for v in (y, a, b))).se < 0.5 * one.se


def test_clustered_delong_sees_patients_with_records_of_both_classes():
    """A patient's level moves both its records: their comparison is better than it looks."""
    rng = np.random.default_rng(0)
    patients, y = np.repeat(np.arange(120), 2), np.tile([0, 1], 120)
    level = np.repeat(rng.normal(0, 2, 120), 2)
    a = 1 / (1 + np.exp(-(level + y + 0.5 * rng.normal(size=240))))
    b = 1 / (1 + np.exp(-(y + rng.normal(size=240))))
    by_patient = compare.paired_bootstrap(
        y, a, b, metrics=["auroc"], groups=patients, n_resamples=1500, seed=1
    )["se"][0]
    assert compare.delong(y, a, b, groups=patients).se == pytest.approx(by_patient, rel=0.1)
    assert compare.delong(y, a, b).se > 1.2 * by_patient


def test_delong_edges():
    y, a, _ = make(0, n=60)
    same = compare.delong(y, a, a)
    assert (same.difference, same.p) == (0, 1)
    logits = np.log(a + 0.01)  # any monotone transform ranks alike
    assert compare.delong(y, a, logits).difference == 0
    with pytest.raises(EcgcoreError, match="at least two patients"):
        compare.delong([0, 0, 1], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3])


def calls(both, only_a, only_b, none):
    """All-positive labels with the four kinds of agreement."""
    a = np.repeat([1, 1, 0, 0], [both, only_a, only_b, none])
    b = np.repeat([1, 0, 1, 0], [both, only_a, only_b, none])
    return np.ones_like(a), a, b


def test_mcnemar_worked_example():
    # Fagerland et al. 2013 (BMC Med Res Methodol 13:91), table 1 (Bentur et al.): 1, 1, 7, 12.
    y, a, b = calls(1, 1, 7, 12)
    found = {m: compare.mcnemar(y, a, b, method=m).p for m in ("asymptotic", "exact", "mid-p")}
    assert found == pytest.approx(
        {"asymptotic": 0.0339, "exact": 0.0703, "mid-p": 0.0391}, abs=5e-5
    )
    exact = compare.mcnemar(y, a, b, method="exact")
    assert (exact.only_a_right, exact.only_b_right, exact.statistic) == (1, 7, 4.5)
    assert exact.p == pytest.approx(stats.binomtest(1, 8).pvalue)


def test_mcnemar_edges():
    assert compare.mcnemar(*calls(5, 0, 0, 2)).p == 1
    assert compare.mcnemar(*calls(0, 3, 3, 0), method="exact").p == 1
    assert compare.mcnemar(*calls(0, 3, 3, 0), method="mid-p").p == pytest.approx(1)
    with pytest.raises(EcgcoreError, match="mid-p"):
        compare.mcnemar(*calls(1, 1, 1, 1), method="chi2")


def test_holm_by_hand():
    # Ordered .005 .01 .03 .04 times 4 3 2 1, made monotone.
    np.testing.assert_allclose(compare.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(compare.holm([0.6, np.nan, 0.7]), [1.0, np.nan, 1.0])
    assert compare.holm([]).size == 0


def test_tost_is_two_one_sided_t_tests():
    sample = np.random.default_rng(0).normal(0.1, 1, 30)
    se = sample.std(ddof=1) / np.sqrt(30)
    result = compare.tost(sample.mean(), se, margin=0.5, degrees_of_freedom=29)
    lower = stats.ttest_1samp(sample, -0.5, alternative="greater").pvalue
    upper = stats.ttest_1samp(sample, 0.5, alternative="less").pvalue
    assert result.p == pytest.approx(max(lower, upper), rel=1e-9)
    interval = stats.t.interval(0.9, 29, sample.mean(), se)
    assert (result.low, result.high) == pytest.approx(interval)
    assert result.equivalent == (result.low > -0.5 and result.high < 0.5)


def test_tost_never_calls_a_wide_interval_equivalent():
    assert not compare.tost(0.0, 0.01, margin=0.01).equivalent
    assert compare.tost(0.0, 0.005, margin=0.01).equivalent
    assert compare.tost(0.0, 0.0, margin=0.01).equivalent
    assert compare.tost(0.02, 0.001, margin=0.01).p == pytest.approx(1)
    with pytest.raises(EcgcoreError, match="margin"):
        compare.tost(0.0, 0.1, margin=0)


def test_paired_bootstrap_tests_and_margins():
    y, a, b = make(11, n=600)
    same = compare.paired_bootstrap(
        y, a, a, metrics=["auroc", "f1"], n_resamples=100, seed=0, margin=0.002
    )
    assert (same["difference"] == 0).all()
    assert (same["p"] == 1).all()
    assert same["equivalent"].all()
    worse = compare.paired_bootstrap(
        y, a, 1 - a, metrics=["auroc"], n_resamples=199, seed=0, margin=0.002
    ).iloc[0]
    assert worse["p"] == pytest.approx(2 / 200)
    assert not worse["equivalent"]
    other = compare.paired_bootstrap(y, b, a, metrics=["auroc"], n_resamples=100, seed=0)
    mirrored = compare.paired_bootstrap(y, a, b, metrics=["auroc"], n_resamples=100, seed=0)
    assert other["low"][0] == pytest.approx(-mirrored["high"][0])


def test_percentile_intervals_cover():
    """About 95 % of intervals of a mean score hold the truth."""
    rng, inside = np.random.default_rng(0), 0
    for seed in range(150):
        values = rng.normal(1.0, 2.0, 60)
        row = compare.bootstrap_mean(values[:, None], n_resamples=200, seed=seed).iloc[0]
        inside += row["low"] <= 1.0 <= row["high"]
    assert 0.88 <= inside / 150 <= 0.99


def test_bootstrap_mean_by_patient_and_with_gaps():
    frame = pd.DataFrame({"a": [1.0, 3.0, np.nan, 5.0], "b": [1.0, 1.0, 1.0, 1.0]})
    table = compare.bootstrap_mean(frame, groups=[1, 1, 2, 3], n_resamples=500, seed=0)
    assert table.loc["a", "value"] == 3
    assert table["n"].tolist() == [3, 4]
    assert table.loc["b", ["value", "low", "high", "se"]].tolist() == [1, 1, 1, 0]
    rng, names = np.random.default_rng(0), [[0, 1], [2], [3]]
    loop = []
    for _ in range(500):
        records = np.concatenate([names[k] for k in rng.integers(0, 3, 3)])
        known = frame["a"].to_numpy()[records]
        loop.append(np.nanmean(known) if np.isfinite(known).any() else np.nan)
    assert table.loc["a", "low"] == pytest.approx(np.nanquantile(loop, 0.025))
    with pytest.raises(EcgcoreError, match="at least one record"):
        compare.bootstrap_mean(frame.iloc[:0], seed=0)


def test_ranks_and_nemenyi():
    scores = pd.DataFrame({"x": [0.9, 0.8, 0.7], "y": [0.8, 0.9, 0.6], "z": [0.8, 0.1, 0.5]})
    ranks = compare.average_ranks(scores)
    assert ranks.to_dict() == pytest.approx({"x": 4 / 3, "y": 5.5 / 3, "z": 8.5 / 3})
    # Demsar 2006: q_0.05 is 2.343 for 3 and 2.728 for 5 models.
    assert compare.critical_difference(5, 30) == pytest.approx(
        2.728 * np.sqrt(5 * 6 / 180), abs=1e-3
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metrics": ["auc"]}, "auroc"),
        ({"n_resamples": 0}, "n_resamples"),
        ({"groups": [1, 2]}, "groups"),
    ],
)
def test_wrong_requests_are_named(options, words):
    with pytest.raises(EcgcoreError, match=words):
        compare.bootstrap([0, 1, 1], [0.1, 0.2, 0.3], seed=0, **options)


def test_curve_bands_hold_the_curve_and_are_the_slow_way_to_the_point():
    y, p, _ = make(4, n=200)
    patients = np.arange(200) // 2
    bands = compare.curve_bands(y, p, groups=patients, n_resamples=30, seed=3, n_points=21)
    rng, grid = np.random.default_rng(3), np.linspace(0, 1, 21)
    slow = {"roc": [], "pr": []}
    for _ in range(30):
        records = np.concatenate([[2 * k, 2 * k + 1] for k in rng.integers(0, 100, 100)])
        yy, pp = y[records], p[records]
        fpr, tpr, _ = roc_curve(yy, pp, drop_intermediate=False)
        slow["roc"].append([tpr[fpr <= x + 1e-12].max() for x in grid])
        # scikit-learn lists the curve from the lowest threshold on
        precision, recall, _ = precision_recall_curve(yy, pp, drop_intermediate=False)
        precision, recall = precision[:-1][::-1], recall[:-1][::-1]
        slow["pr"].append([precision[recall >= x - 1e-12][0] for x in grid])
    for name, band in bands.groupby("curve"):
        expected = np.quantile(slow[name], [0.025, 0.975], axis=0)
        np.testing.assert_allclose(band[["low", "high"]].to_numpy().T, expected, atol=1e-12)


def test_equal_mass_bins_can_be_bootstrapped():
    y, p, _ = make(5)
    found = compare.bootstrap(
        y, p, metrics=["ece"], n_resamples=50, seed=1, ece_bins=15, binning="equal_mass"
    ).iloc[0]
    assert found["value"] == evaluate(y, p, ece_bins=15, binning="equal_mass")["ece"]
    assert found["value"] != evaluate(y, p, ece_bins=15)["ece"]
    assert found["low"] < found["high"]

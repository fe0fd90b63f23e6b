"""Bootstrap intervals against slow loops, closed forms and simulation."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from ecgcore.statistics import (
    bootstrap,
    bootstrap_mean,
    evaluate,
    paired_bootstrap,
    resample_metrics,
)  # fmt: skip
from ecgcore.statistics.resampling import DEFAULT_METRICS, auroc_score_interval


@pytest.mark.parametrize("n_patients", [None, 120])
def test_bootstrap_equals_evaluate_on_the_drawn_records(n_patients, two_models):
    """``evaluate`` is compared with scikit-learn; without patients, records are drawn."""
    y, p, _ = two_models(1)
    patients = np.random.default_rng(2).integers(0, n_patients or 1, y.size).astype(str)
    groups = patients if n_patients else None
    patients = patients if n_patients else np.arange(y.size)
    names = np.unique(patients)
    ours = resample_metrics(y, [p], groups=groups, n_resamples=20, seed=3, prevalence=0.1)
    rng = np.random.default_rng(3)
    for resample in range(20):
        drawn = names[rng.integers(0, names.size, names.size)]
        records = np.concatenate([np.flatnonzero(patients == name) for name in drawn])
        expected = evaluate(y[records], p[records], prevalence=0.1)
        for name in DEFAULT_METRICS:
            assert ours[name][0, resample] == pytest.approx(expected[name], abs=1e-12), name


def test_perfect_score_of_few_records_keeps_a_wide_interval():
    y = np.repeat([0, 1], [187, 13])
    table = bootstrap(y, y * 0.98 + 0.01, n_resamples=50, seed=0).set_index("metric")
    assert table.loc["sensitivity", "low"] == pytest.approx(13 / (13 + 1.959964**2))
    assert 0.75 < table.loc["auroc", "low"] < 0.97
    assert table.loc["auroc", "high"] == 1
    assert table.loc["specificity", "low"] < 1
    assert np.isnan(table.loc[["mcc", "f1"], "low"]).all()
    pairs = bootstrap(y, y * 0.98 + 0.01, groups=np.arange(200) // 2, n_resamples=50, seed=0)
    assert pairs.set_index("metric").low["sensitivity"] < table.low["sensitivity"]


def test_newcombe_intervals_cover():
    rng, inside = np.random.default_rng(0), 0
    true = stats.norm.cdf(2 / np.sqrt(2))
    for _ in range(200):
        score = np.concatenate([rng.normal(size=80), rng.normal(2, 1, size=20)])
        auroc = sk.roc_auc_score(np.repeat([0, 1], [80, 20]), score)
        low_, high_ = auroc_score_interval(auroc, 20, 80)
        assert low_ <= auroc <= high_
        inside += low_ <= true <= high_
    assert 0.91 <= inside / 200 <= 0.99


def test_the_paired_bootstrap_respects_direction_and_is_never_certain_without_variance(two_models):
    y, a, _ = two_models(11, n=600)
    worse = paired_bootstrap(y, 1 - a, a, metrics=["auroc", "brier"], n_resamples=199, seed=0)
    assert worse["verdict"].tolist() == ["worse", "worse"]  # a higher Brier score is worse
    same = paired_bootstrap(y, a, a, n_resamples=50, seed=0)
    assert (same["difference"] == 0).all()
    assert same["p"].isna().all()
    assert set(same["verdict"]) == {"undecided"}
    perfect, coin = [0.1, 0.1, 0.9, 0.9], [0.5] * 4
    for other in (perfect, coin):
        row = paired_bootstrap([0, 0, 1, 1], perfect, other, n_resamples=99, seed=1)
        assert set(row["verdict"]) == {"undecided"}
        assert row["p"].isna().all()


def test_bootstrap_mean_by_patient_and_with_gaps():
    values = np.append(np.random.default_rng(1).normal(size=60), np.nan)
    patients = np.arange(61) // 2
    how = {"groups": patients, "n_resamples": 200, "seed": 0}
    row = bootstrap_mean(values, **how)
    rng, loop = np.random.default_rng(0), []
    for _ in range(200):
        drawn = rng.integers(0, 31, 31)
        loop.append(np.nanmean(np.concatenate([values[patients == k] for k in drawn])))
    assert row["value"] == pytest.approx(np.nanmean(values))
    assert row["low"] == pytest.approx(np.quantile(loop, 0.025))
    few = bootstrap_mean([1.0, 2.0], n_resamples=50, seed=0)
    assert few["value"] == 1.5
    assert np.isnan([few["low"], few["high"], few["se"]]).all()

"""Networks over several seeds: published worked example, DeLong, and simulated studies."""

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ecgcore import statistics
from ecgcore.errors import EcgcoreError
from ecgcore.statistics import (
    compare_models,
    interaction,
    obuchowski_rockette,
    records_needed,
    seed_difference,
    seed_mean,
)

# Van Dyke et al.'s study (5 readers, 2 kinds of MRI, 114 patients) is the field's worked example;
# figures as printed by MRMCaov (Smith & Hillis) in its authors' article about it.
SENSITIVITY = np.array([[40, 35, 37, 42, 31], [44, 37, 41, 45, 40]]) / 45
AUROC = np.array(
    [
        [0.9196457, 0.8587762, 0.9038647, 0.9731079, 0.8297907],
        [0.9478261, 0.9053140, 0.9217391, 0.9993559, 0.9299517],
    ]
)
EXAMPLES = [
    (
        SENSITIVITY,
        (0.0023681257, 0.0009943883, 0.0010145903, 0.0006604938),
        (-0.09777778, 0.03780451, 15.71732, -0.1780371, -0.0175185),
    ),
    (
        AUROC,
        (0.0007921325, 0.0003420090, 0.0003395265, 0.0002358497),
        (-0.04380032, 0.0206825, 15.06611, -0.0878671960, 0.0002665519),
    ),
    (
        AUROC,  # cases nested in readers: no covariance is left, and the readers decide alone
        (0.0008079682, 0.0003490676, 0, 0),
        (-0.04380032, 0.01484629, 4, -0.08502022, -0.00258042),
    ),
]


@pytest.mark.parametrize(("values", "parts", "expected"), EXAMPLES)
def test_published_worked_example(values, parts, expected):
    variance, cov1, cov2, cov3 = parts
    within, across = np.where(np.eye(5), variance, cov2), np.where(np.eye(5), cov1, cov3)
    covariance = np.block([[within, across], [across, within]])
    result = obuchowski_rockette(list(values), covariance, paired=True)
    ours = [result.value, result.se, result.degrees_of_freedom]
    ours += result.interval(0.95)
    np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=1e-7)


@pytest.fixture(scope="module")
def benchmark(root):
    """The full simulation, of which the tests run a small part."""
    spec = importlib.util.spec_from_file_location("coverage_s", root / "benchmarks" / "coverage.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["coverage_s"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("n_seeds", [3, 5])
def test_intervals_cover_other_seeds_and_other_patients(benchmark, n_seeds):
    study = benchmark.Study(n_seeds=n_seeds, sd_seeds=0.03, n=150, n_positive=50)
    share = benchmark.coverage(study, 150)
    assert share["seed_difference"] >= 0.93
    assert share["mean"] >= 0.91
    assert share["patients only"] < 0.9


def test_seed_differences_of_other_metrics_use_their_threshold(networks):
    a, b = networks(0.9), networks(0.7, first=5)
    for metric, better in (("accuracy", "better"), ("sensitivity", "better"), ("brier", "worse")):
        first, second = (a, b) if better == "better" else (b, a)
        options = {"metric": metric, "threshold": 0.4, "n_resamples": 300}
        result = seed_difference(first, second, **options)
        each = [statistics.evaluate(t.y_true, t.score, threshold=0.4) for t in first.values()]
        assert result.a == pytest.approx(np.mean([values[metric] for values in each]))
        assert result.verdict(0.01).word == better
    with pytest.raises(TypeError, match="treshold"):
        seed_difference(a, b, treshold=0.4)
    with pytest.raises(EcgcoreError, match="there is no 'auc'"):
        seed_difference(a, b, metric="auc")


def test_comparison_table(networks):
    sets = {
        "base": networks(0.85, sd=0.01, n=900, n_positive=300),
        "alike": networks(0.85, 4, sd=0.001, n=900, n_positive=300, first=5),
        "poor": networks(0.6, sd=0.01, n=900, n_positive=300, first=6),
    }
    table = compare_models(sets, "base", margin=0.05).set_index("name")
    assert table.verdict.to_dict() == {"base": "", "alike": "equivalent", "poor": "worse"}
    assert table.n_seeds.tolist() == [3, 4, 3]
    assert table.loc["poor", "p_holm"] == pytest.approx(2 * table.loc["poor", "p"])
    assert (table.value_low < table.value).all()
    assert table.loc["alike", "low"] < table.loc["alike", "equivalence_low"]
    assert pd.isna(table.loc["base", "difference"])
    planned = compare_models(sets, "base", margin=0.05, n_planned=7).set_index("name")
    assert planned.loc["poor", "p_holm"] == pytest.approx(7 * table.loc["poor", "p"])
    turned = compare_models(sets, "poor", margin=0.05).set_index("name")
    assert turned.verdict["base"] == "better"
    with pytest.raises(EcgcoreError, match="'none'"):
        compare_models(sets, "none", margin=0.01)


def test_interaction_is_the_difference_of_differences(networks):
    a1, a2, b1, b2 = (networks(q, first=k) for k, q in enumerate((0.6, 0.9, 0.9, 0.9)))
    result = interaction(a1, a2, b1, b2)
    parts = seed_difference(a1, a2).difference, seed_difference(b1, b2).difference
    assert (result.a, result.b) == pytest.approx(parts)
    assert result.difference == pytest.approx(parts[0] - parts[1])
    assert result.verdict(0.01).word == "worse"
    none = interaction(b1, b2, networks(0.9, first=7), networks(0.9, first=8))
    assert none.low < 0 < none.high


def test_paired_analysis_knows_that_both_are_one_network(networks):
    a = networks(0.85, sd=0.04)
    noise = np.random.default_rng(0).normal(0, 0.01, 300)
    b = {k: t.assign(ranking=t.ranking + noise) for k, t in a.items()}
    paired, unpaired = (seed_difference(a, b, paired=p).spread.se for p in (True, False))
    assert paired < 0.5 * unpaired
    with pytest.raises(EcgcoreError, match="same seeds"):
        seed_difference(a, {1: b[1], 2: b[2], 5: b[0]}, paired=True)


def test_auroc_is_computed_within_folds_and_averaged(networks):
    fold = np.arange(300) // 2 % 5
    tables = {}
    for k, t in networks(0.85, sd=0.02).items():
        own_scale = 0.1 * fold + 0.1 * t.ranking  # each fold's network has a scale of its own
        tables[k] = t.assign(fold=fold, ranking=own_scale)
    mean = seed_mean(tables, within="fold")
    each = [
        roc_auc_score(rows.y_true, rows.ranking)
        for t in tables.values()
        for _, rows in t.groupby("fold")
    ]
    assert mean.value == pytest.approx(np.mean(each))
    assert mean.low < mean.value < mean.high
    assert seed_mean(tables).value < mean.value - 0.1
    result = seed_difference(tables, tables, within="fold")
    assert result.difference == 0
    with pytest.raises(EcgcoreError, match="fold"):
        seed_mean(networks(0.85), within="fold")


def test_only_the_same_records_can_be_compared(networks):
    a, b = networks(0.85), networks(0.8, first=5)
    shuffled = {k: t.sample(frac=1, random_state=1) for k, t in b.items()}
    assert seed_difference(a, shuffled) == seed_difference(a, b)
    for other in (
        {k: t.head(200) for k, t in b.items()},
        {k: t.assign(ecg_id=-t.ecg_id) for k, t in b.items()},
        {k: t.assign(y_true=1 - t.y_true) for k, t in b.items()},
    ):
        with pytest.raises(EcgcoreError, match="same records"):
            seed_difference(a, other)
    with pytest.raises(EcgcoreError, match="missing columns"):
        seed_difference(a, {k: t.drop(columns="patient_id") for k, t in b.items()})
    with pytest.raises(EcgcoreError, match="at least one"):
        seed_difference(a, {})


def test_records_cannot_make_up_for_seeds(networks):
    result = seed_difference(networks(0.85, sd=0.08), networks(0.85, sd=0.08, first=5))
    assert np.isinf(records_needed(result, 0.01)).all()
    many = seed_difference(networks(0.85, 20, sd=0.08), networks(0.85, 20, sd=0.08, first=5))
    detect, equal = (records_needed(many, 0.08, equivalence=e)[0] for e in (0, 1))
    assert 30 < detect < equal
    assert records_needed(many, 0.5)[0] == 30
    single = seed_difference(networks(0.97, 1), networks(0.55, 1, first=5))
    assert np.isnan([single.low, single.high, single.p]).all()
    assert "only 1 seed," in single.verdict(0.02).reason
    with pytest.raises(EcgcoreError, match="two seeds"):
        records_needed(seed_difference(networks(0.9, 1), networks(0.8, 1, first=3)), 0.1)

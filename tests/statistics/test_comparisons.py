"""Two models, one or several seeds: definitions, a published worked example, simulated studies."""

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest
from refusal import refused
from scipy import stats

from ecgcore import statistics
from ecgcore.errors import EcgcoreError
from ecgcore.statistics import (
    compare_models,
    delong,
    holm,
    interaction,
    obuchowski_rockette,
    paired_bootstrap,
    records_needed,
    seed_difference,
)
from ecgcore.statistics.verdicts import SeedDifference, Spread

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
    """Return the module of the full simulation, of which the tests run a small part."""
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
    refused("there is no 'auc'", seed_difference, a, b, metric="auc")


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
    refused("'none'", compare_models, sets, "none", margin=0.01)


def test_interaction_is_the_difference_of_differences(networks):
    a1, a2, b1, b2 = (networks(q, first=k) for k, q in enumerate((0.6, 0.9, 0.9, 0.9)))
    result = interaction(a1, a2, b1, b2)
    parts = seed_difference(a1, a2).difference, seed_difference(b1, b2).difference
    assert (result.a, result.b) == pytest.approx(parts)
    assert result.difference == pytest.approx(parts[0] - parts[1])
    assert result.verdict(0.01).word == "worse"
    none = interaction(b1, b2, networks(0.9, first=7), networks(0.9, first=8))
    assert none.low < 0 < none.high


def test_paired_analysis_knows_that_both_are_the_same_network(networks):
    a = networks(0.85, sd=0.04)
    noise = np.random.default_rng(0).normal(0, 0.01, 300)
    b = {k: t.assign(ranking=t.ranking + noise) for k, t in a.items()}
    paired, unpaired = (seed_difference(a, b, paired=p).spread.se for p in (True, False))
    assert paired < 0.5 * unpaired
    refused("same seeds", seed_difference, a, {1: b[1], 2: b[2], 5: b[0]}, paired=True)


def test_only_the_same_records_can_be_compared(networks):
    a, b = networks(0.85), networks(0.8, first=5)
    shuffled = {k: t.sample(frac=1, random_state=1) for k, t in b.items()}
    assert seed_difference(a, shuffled) == seed_difference(a, b)
    for other in (
        {k: t.head(200) for k, t in b.items()},
        {k: t.assign(ecg_id=-t.ecg_id) for k, t in b.items()},
        {k: t.assign(y_true=1 - t.y_true) for k, t in b.items()},
    ):
        refused("same records", seed_difference, a, other)
    with pytest.raises(EcgcoreError, match="missing columns"):
        seed_difference(a, {k: t.drop(columns="patient_id") for k, t in b.items()})
    refused("at least one", seed_difference, a, {})


def test_records_cannot_make_up_for_seeds(networks):
    result = seed_difference(networks(0.85, sd=0.08), networks(0.85, sd=0.08, first=5))
    assert np.isinf(records_needed(result, 0.01)).all()
    many = seed_difference(networks(0.85, 20, sd=0.08), networks(0.85, 20, sd=0.08, first=5))
    detect, equal = (records_needed(many, 0.08, equivalence=e)[0] for e in (0, 1))
    assert 30 < detect < equal
    assert records_needed(many, 0.5)[0] == 30
    single = seed_difference(networks(0.97, 1), networks(0.55, 1, first=5))
    assert np.isnan([single.low, single.high, single.p]).all()
    assert "only 1 seed (" in single.verdict(0.02).reason
    with pytest.raises(EcgcoreError, match="two seeds"):
        records_needed(seed_difference(networks(0.9, 1), networks(0.8, 1, first=3)), 0.1)


def test_delong_by_definition(two_models):
    """The definition is the 1988 paper's kernel over all pairs."""
    y, a, b = two_models(0, n=120)
    scores = np.stack([a, b])
    pos, neg = scores[:, y == 1], scores[:, y == 0]
    kernel = (pos[:, :, None] > neg[:, None, :]) + 0.5 * (pos[:, :, None] == neg[:, None, :])
    cov = np.cov(kernel.mean(2)) / pos.shape[1] + np.cov(kernel.mean(1)) / neg.shape[1]
    se = np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    result = delong(y, a, b)
    assert (result.a, result.b) == pytest.approx(tuple(kernel.mean((1, 2))), abs=1e-12)
    assert result.spread.se == pytest.approx(se, rel=1e-10)
    assert result.p == pytest.approx(2 * stats.norm.sf(abs(result.difference) / se), rel=1e-9)


def test_delong_accounts_for_patients_with_records_of_both_classes():
    rng = np.random.default_rng(0)
    patients, y = np.repeat(np.arange(120), 2), np.tile([0, 1], 120)
    level = np.repeat(rng.normal(0, 2, 120), 2)
    a = 1 / (1 + np.exp(-(level + y + 0.5 * rng.normal(size=240))))
    b = 1 / (1 + np.exp(-(y + rng.normal(size=240))))
    how = {"metrics": ["auroc"], "groups": patients, "n_resamples": 1500, "seed": 1}
    by_patient = paired_bootstrap(y, a, b, **how)["se"][0]
    assert delong(y, a, b, groups=patients).spread.se == pytest.approx(by_patient, rel=0.1)
    assert delong(y, a, b).spread.se > 1.2 * by_patient


def test_delong_is_never_certain_without_variance_or_records(two_models):
    y, a, _ = two_models(0, n=60)
    same = delong(y, a, np.log(a + 0.01))  # a monotone transform ranks alike
    assert same.difference == 0
    assert np.isnan([same.p, same.low, same.high]).all()
    assert same.verdict(0.1).word == "undecided"
    four = delong([0, 0, 1, 1], [0.1, 0.1, 0.9, 0.9], [0.5] * 4)
    assert np.isnan(four.p)
    assert "only 4 records" in four.verdict(0.1).reason
    refused("at least two patients", delong, [0, 0, 1], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3])


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

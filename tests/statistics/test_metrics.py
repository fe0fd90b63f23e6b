"""Metrics and temperature against scikit-learn, cases by hand and the counts of paper B."""

import csv
import math

import numpy as np
import pytest
from refusal import refused
from scipy import stats
from scipy.special import expit
from sklearn import metrics as sk

from ecgcore import statistics
from ecgcore.statistics import evaluate, fit_temperature


def random_scores(seed: int, n: int = 400, decimals: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (about a fifth positive) and probabilities with many ties."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.2).astype(int)
    score = 1 / (1 + np.exp(-(rng.normal(size=n) + 2 * y - 1)))
    return y, score.round(decimals)


@pytest.mark.parametrize("threshold", [0.5, 0.25])
@pytest.mark.parametrize("prevalence", [None, 0.05])
def test_equal_to_scikit_learn(threshold, prevalence):
    y, p = random_scores(0)
    ours = evaluate(y, p, threshold=threshold, prevalence=prevalence)
    called = (p >= threshold).astype(int)
    share = y.mean()
    w = np.where(y, (prevalence or share) / share, (1 - (prevalence or share)) / (1 - share))
    tn, fp, fn, tp = sk.confusion_matrix(y, called, sample_weight=w).ravel()
    expected = {
        "n": y.size,
        "n_positive": w @ y,
        "accuracy": sk.accuracy_score(y, called, sample_weight=w),
        "balanced_accuracy": sk.balanced_accuracy_score(y, called, sample_weight=w),
        "f1": sk.f1_score(y, called, sample_weight=w),
        "precision": sk.precision_score(y, called, sample_weight=w),
        "sensitivity": sk.recall_score(y, called),
        "specificity": sk.recall_score(y, called, pos_label=0),
        "mcc": sk.matthews_corrcoef(y, called, sample_weight=w),
        "auroc": sk.roc_auc_score(y, p),
        "auprc": sk.average_precision_score(y, p, sample_weight=w),
        "brier": sk.brier_score_loss(y, p, sample_weight=w),
        "log_loss": sk.log_loss(y, p, sample_weight=w),
        "tn": tn,
        "fp": fp,
        "fn": fn,
        "tp": tp,
    }
    assert set(ours) == {*expected, "ece"}
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, abs=1e-9), name


def test_undefined_is_nan_not_zero():
    nobody_called = evaluate([0, 0, 1], [0.1, 0.2, 0.3])
    assert math.isnan(nobody_called["precision"])
    assert math.isnan(nobody_called["mcc"])
    assert nobody_called["f1"] == 0
    one_class = evaluate([0, 0], [0.1, 0.2])
    for name in ("sensitivity", "balanced_accuracy", "auroc", "auprc", "f1", "mcc"):
        assert math.isnan(one_class[name]), name
    assert one_class["specificity"] == 1


def test_published_table_of_paper_b_follows_from_its_own_counts(shared):
    path = shared / "reference" / "sampling_matters_test.csv"
    names = ("accuracy", "f1", "sensitivity", "specificity", "precision", "mcc")
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert len(rows) > 10
    for row in rows:
        counts = [int(row[k]) for k in ("tn", "fp", "fn", "tp")]
        y, called = np.repeat([0, 0, 1, 1], counts), np.repeat([0.0, 1.0, 0.0, 1.0], counts)
        ours = evaluate(y, called)
        for name in names:
            if row[name]:
                assert ours[name] == pytest.approx(float(row[name]), abs=6e-5), (row, name)


def test_ece_by_hand():
    # Bins (0, .1] and (.8, .9]: gaps |0 - .1| and |1/2 - .85|, two records each.
    y, p = [0, 0, 0, 1], [0.1, 0.1, 0.8 + 0.05, 0.85]
    assert evaluate(y, p)["ece"] == pytest.approx((2 * 0.1 + 2 * 0.35) / 4)


def test_balanced_subset_keeps_all_of_the_smaller_class():
    y = np.repeat([0, 1], [90, 10])
    rows = statistics.balanced_subset(y, seed=1)
    assert y[rows].sum() == 10
    assert rows.size == 20 == np.unique(rows).size
    assert (statistics.balanced_subset(y, seed=1) == rows).all()
    assert (statistics.balanced_subset(y, seed=2) != rows).any()
    refused("both classes", statistics.balanced_subset, [0, 0], seed=1)


def test_moments_equal_those_of_scipy_and_a_flat_lead_has_none():
    x = np.random.default_rng(0).gamma(2, size=(3, 12, 50)).astype(np.float32)
    x[:, 3] = 1  # a flat lead
    mean, deviation, skewness = np.split(statistics.moments(x), 3, axis=1)
    np.testing.assert_allclose(mean, x.mean(axis=2), atol=1e-5)
    np.testing.assert_allclose(deviation, x.std(axis=2), atol=1e-5)
    others = [k for k in range(12) if k != 3]
    np.testing.assert_allclose(skewness[:, others], stats.skew(x[:, others], axis=2), atol=1e-4)
    assert (skewness[:, 3] == 0).all()
    refused("record, lead, sample", statistics.moments, x[0])


@pytest.mark.parametrize(
    ("y", "p", "words"),
    [
        ([0, 2], [0.1, 0.2], "only 0 and 1"),
        ([0, 1], [0.1, 3.0], "positive_probability"),
        ([0, 1], [0.1, np.nan], "not finite"),
        ([0, 1], [0.1], "shape"),
        ([], [], "one label per record"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(y, p, words):
    refused(words, evaluate, y, p)
    refused("both classes", fit_temperature, [1, 1], [0.3, 0.4])


def test_ranking_keeps_the_order_that_probabilities_lose():
    logits = np.array([-900.0, -40.0, 0.0, 38.0, 40.0, 900.0])
    y = np.array([0, 0, 1, 0, 1, 1])
    order, saturated = statistics.ranking(logits), statistics.positive_probability(logits)
    assert len(set(saturated)) < len(logits)
    table = statistics.bootstrap(y, saturated, ranking=order, n_resamples=10, seed=1)
    values = table.set_index("metric")["value"]
    assert list(values.index)[:2] == ["accuracy", "balanced_accuracy"]
    assert values["auroc"] == pytest.approx(sk.roc_auc_score(y, logits))
    assert values["auroc"] != pytest.approx(sk.roc_auc_score(y, saturated))
    assert values["accuracy"] == evaluate(y, saturated)["accuracy"]


@pytest.mark.parametrize("intercept", [0.0, -1.5])
def test_temperature_is_at_the_minimum(intercept):
    rng = np.random.default_rng(0)
    true = rng.normal(-1, 2, 20_000)
    y, logits = (rng.random(true.size) < expit(true)).astype(int), 2 * true
    temperature = fit_temperature(y, logits, intercept=intercept)
    gradient = np.mean((expit(logits / temperature + intercept) - y) * logits)
    assert gradient == pytest.approx(0, abs=1e-5)
    assert intercept or temperature == pytest.approx(2, rel=0.05)

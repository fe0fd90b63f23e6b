"""Metrics against scikit-learn, hand-computed cases and the counts that paper B printed."""

import csv
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.metrics import roc_auc_score

from ecgcore import compare, metrics
from ecgcore.errors import EcgcoreError


def random_scores(seed: int, n: int = 400, decimals: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Labels (about a fifth positive) and probabilities with many ties."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.2).astype(int)
    score = 1 / (1 + np.exp(-(rng.normal(size=n) + 2 * y - 1)))
    return y, score.round(decimals)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [0.5, 0.25])
def test_equal_to_scikit_learn(seed, threshold):
    y, p = random_scores(seed)
    ours = metrics.evaluate(y, p, threshold=threshold)
    called = (p >= threshold).astype(int)
    tn, fp, fn, tp = sk.confusion_matrix(y, called).ravel()
    expected = {
        "n": y.size,
        "n_positive": y.sum(),
        "accuracy": sk.accuracy_score(y, called),
        "balanced_accuracy": sk.balanced_accuracy_score(y, called),
        "f1": sk.f1_score(y, called),
        "precision": sk.precision_score(y, called),
        "sensitivity": sk.recall_score(y, called),
        "specificity": sk.recall_score(y, called, pos_label=0),
        "mcc": sk.matthews_corrcoef(y, called),
        "auroc": sk.roc_auc_score(y, p),
        "auprc": sk.average_precision_score(y, p),
        "brier": sk.brier_score_loss(y, p),
        "log_loss": sk.log_loss(y, p),
        "tn": tn,
        "fp": fp,
        "fn": fn,
        "tp": tp,
    }
    assert set(ours) == {*expected, "ece"}
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, abs=1e-12), name


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 20).map(lambda k: k / 20)),
        min_size=2,
        max_size=40,
    )
)
@settings(max_examples=80, deadline=None)
def test_areas_equal_scikit_learn_whatever_the_ties(pairs):
    y, p = map(np.array, zip(*pairs, strict=True))
    ours = metrics.evaluate(y, p)
    if 0 < y.sum() < y.size:
        assert ours["auroc"] == pytest.approx(sk.roc_auc_score(y, p), abs=1e-12)
        assert ours["auprc"] == pytest.approx(sk.average_precision_score(y, p), abs=1e-12)
    else:
        assert math.isnan(ours["auroc"])


def test_undefined_is_nan_not_zero():
    nobody_called = metrics.evaluate([0, 0, 1], [0.1, 0.2, 0.3])
    assert math.isnan(nobody_called["precision"])
    assert math.isnan(nobody_called["mcc"])
    assert nobody_called["f1"] == 0
    one_class = metrics.evaluate([0, 0], [0.1, 0.2])
    for name in ("sensitivity", "balanced_accuracy", "auroc", "auprc", "f1", "mcc"):
        assert math.isnan(one_class[name]), name
    assert one_class["specificity"] == 1


def test_paper_b_table_follows_from_its_own_counts(root):
    """The published metrics are reproduced from the published confusion matrices."""
    path = root.parent / "shared" / "reference" / "sampling_matters_test.csv"
    if not path.exists():
        pytest.skip("shared/reference does not lie beside this checkout")
    names = ("accuracy", "f1", "sensitivity", "specificity", "precision", "mcc")
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert len(rows) > 10
    for row in rows:
        counts = [int(row[k]) for k in ("tn", "fp", "fn", "tp")]
        y, called = np.repeat([0, 0, 1, 1], counts), np.repeat([0.0, 1.0, 0.0, 1.0], counts)
        ours = metrics.evaluate(y, called)
        for name in names:
            if row[name]:
                assert ours[name] == pytest.approx(float(row[name]), abs=6e-5), (row, name)


def test_ece_by_hand():
    # Bins (0, .1] and (.8, .9]: gaps |0 - .1| and |1/2 - .85|, two records each.
    y, p = [0, 0, 0, 1], [0.1, 0.1, 0.8 + 0.05, 0.85]
    assert metrics.evaluate(y, p)["ece"] == pytest.approx((2 * 0.1 + 2 * 0.35) / 4)


def test_a_bin_holds_its_upper_edge():
    curve = metrics.reliability_curve([0, 1, 1], [0.0, 0.5, 0.500001], n_bins=2)
    assert curve["n"].tolist() == [2, 1]
    assert curve["n_positive"].tolist() == [1, 1]


@pytest.mark.parametrize("binning", ["equal_width", "equal_mass"])
@pytest.mark.parametrize("n_bins", [1, 10, 15])
def test_curve_and_single_number_agree(binning, n_bins):
    y, p = random_scores(3, decimals=3)
    one = metrics.expected_calibration_error(y, p, n_bins=n_bins, binning=binning)
    other = metrics.evaluate(y, p, ece_bins=n_bins, binning=binning)["ece"]
    assert one == pytest.approx(other, abs=1e-12)
    if n_bins == 1:
        assert one == pytest.approx(abs(p.mean() - y.mean()))


def test_reliability_points_equal_scikit_learn():
    from sklearn.calibration import calibration_curve

    y, p = random_scores(1, decimals=6)
    observed, predicted = calibration_curve(y, p, n_bins=10)
    ours = metrics.reliability_curve(y, p).query("n > 0")
    np.testing.assert_allclose(ours["observed"], observed)
    np.testing.assert_allclose(ours["mean_predicted"], predicted)
    assert (ours["observed_low"] <= ours["observed"]).all()
    assert (ours["observed_high"] >= ours["observed"]).all()


def test_equal_mass_bins_hold_equal_counts():
    y, p = random_scores(2, n=500, decimals=12)
    counts = metrics.reliability_curve(y, p, n_bins=5, binning="equal_mass")["n"]
    assert counts.tolist() == [100] * 5


def test_roc_and_precision_recall_points():
    y, p = random_scores(0)
    fpr, tpr, thresholds = sk.roc_curve(y, p, drop_intermediate=False)
    ours = metrics.roc_curve(y, p)
    np.testing.assert_allclose(ours["false_positive_rate"], fpr)
    np.testing.assert_allclose(ours["sensitivity"], tpr)
    np.testing.assert_allclose(ours["threshold"], thresholds)
    precision, recall, _ = sk.precision_recall_curve(y, p)
    pr = metrics.precision_recall_curve(y, p)
    np.testing.assert_allclose(pr["precision"][::-1], precision[:-1])
    np.testing.assert_allclose(pr["sensitivity"][::-1], recall[:-1])
    area = (np.diff(pr["sensitivity"], prepend=0) * pr["precision"]).sum()
    assert area == pytest.approx(metrics.evaluate(y, p)["auprc"])


def test_operating_point_at_fixed_specificity():
    y = [0] * 10 + [1] * 4
    p = [*np.arange(10) / 10, 0.95, 0.85, 0.75, 0.05]
    assert metrics.threshold_at_specificity(y, p, 0.9) == pytest.approx(0.85)
    assert metrics.sensitivity_at_specificity(y, p, 0.9) == 0.5
    assert metrics.sensitivity_at_specificity(y, p, 0.8) == 0.75
    assert metrics.sensitivity_at_specificity(y, p, 1.0) == 0.25
    with pytest.raises(EcgcoreError, match="specificity"):
        metrics.threshold_at_specificity(y, p, 90)


def test_decision_curve_by_hand():
    # At 0.2: two true and one false positive of five, odds 1/4.
    curve = metrics.decision_curve([1, 1, 0, 0, 0], [0.9, 0.3, 0.25, 0.1, 0.1], [0.2])
    assert curve["net_benefit"][0] == pytest.approx(2 / 5 - 1 / 5 / 4)
    assert curve["treat_all"][0] == pytest.approx(2 / 5 - 3 / 5 / 4)


def test_ensemble_is_the_mean_logit():
    one, two = np.array([[0.0, 2.0], [1.0, 0.0]]), np.array([[0.0, 0.0], [5.0, 0.0]])
    expected = 1 / (1 + np.exp([-1.0, 3.0]))
    np.testing.assert_allclose(metrics.ensemble([one, two]), expected)
    np.testing.assert_allclose(metrics.ensemble([np.array([[1.0], [-3.0]])]), expected)
    np.testing.assert_allclose(metrics.ensemble([np.array([1.0, -3.0])]), expected)
    assert metrics.ensemble([np.array([-1000.0, 1000.0])]).tolist() == [0.0, 1.0]
    for bad in ([], [one, one[:1]], [np.zeros((2, 3))]):
        with pytest.raises(EcgcoreError):
            metrics.ensemble(bad)


def test_balanced_subset_keeps_the_smaller_class_whole():
    y = np.repeat([0, 1], [90, 10])
    drawn = metrics.balanced_subset(y, seed=1)
    assert y[drawn].sum() == 10
    assert drawn.size == 20 == np.unique(drawn).size
    assert set(np.flatnonzero(y)) <= set(drawn)
    assert (metrics.balanced_subset(y, seed=1) == drawn).all()
    assert (metrics.balanced_subset(y, seed=2) != drawn).any()
    with pytest.raises(EcgcoreError, match="both classes"):
        metrics.balanced_subset([0, 0], seed=1)


@pytest.mark.parametrize(
    ("y", "p", "words"),
    [
        ([0, 2], [0.1, 0.2], "only 0 and 1"),
        ([0, 1], [0.1, 3.0], "ensemble"),
        ([0, 1], [0.1, np.nan], "not finite"),
        ([0, 1], [0.1], "shape"),
        ([], [], "one label a record"),
    ],
)
def test_what_cannot_be_scored_is_said(y, p, words):
    with pytest.raises(EcgcoreError, match=words):
        metrics.evaluate(y, p)


def test_ranking_keeps_the_order_that_probabilities_lose() -> None:
    logits = np.array([-900.0, -40.0, 0.0, 38.0, 40.0, 900.0])
    y = np.array([0, 0, 1, 0, 1, 1])
    assert len(set(metrics.positive_probability(logits))) < len(logits)
    order = metrics.ranking(logits)
    assert (np.diff(order) > 0).all()
    assert metrics.evaluate(y, order)["auroc"] == pytest.approx(roc_auc_score(y, logits))
    saturated = metrics.positive_probability(logits)
    table = compare.bootstrap(y, saturated, ranking=order, n_resamples=10, seed=1)
    found = table.set_index("metric")["value"]
    assert found["auroc"] == pytest.approx(roc_auc_score(y, logits))
    assert found["auroc"] != pytest.approx(roc_auc_score(y, saturated))
    assert found["accuracy"] == metrics.evaluate(y, saturated)["accuracy"]

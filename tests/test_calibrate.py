"""Calibration maps against planted miscalibration, scikit-learn and the optimum's conditions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from ecgcore import calibrate
from ecgcore.errors import EcgcoreError
from ecgcore.metrics import evaluate


def planted(slope: float, intercept: float = 0.0, n: int = 20_000, seed: int = 0):
    """Labels drawn from calibrated logits; what a model reports is (logit - intercept) / slope."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-1, 2, n)
    y = (rng.random(n) < expit(true)).astype(int)
    return y, (true - intercept) / slope


def test_temperature_finds_the_planted_overconfidence():
    y, logits = planted(slope=0.4)
    fitted = calibrate.fit_temperature(y, logits)
    assert fitted.temperature == pytest.approx(2.5, rel=0.05)
    raw, mapped = evaluate(y, expit(logits)), evaluate(y, fitted(logits))
    assert mapped["ece"] < 0.2 * raw["ece"]
    assert mapped["log_loss"] < raw["log_loss"]
    assert mapped["auroc"] == pytest.approx(raw["auroc"], abs=1e-12)
    assert mapped["tp"] == raw["tp"]


@pytest.mark.parametrize("intercept", [0.0, -1.5])
def test_temperature_is_at_the_minimum(intercept):
    y, logits = planted(slope=2.0, n=500)
    fitted = calibrate.fit_temperature(y, logits, intercept=intercept)
    assert fitted.intercept == intercept
    gradient = np.mean((fitted(logits) - y) * logits)
    assert gradient == pytest.approx(0, abs=1e-5)


def test_platt_finds_slope_and_intercept_and_is_the_logistic_regression():
    y, logits = planted(slope=0.5, intercept=-1.0)
    fitted = calibrate.fit_platt(y, logits)
    assert fitted.slope == pytest.approx(0.5, rel=0.05)
    assert fitted.intercept == pytest.approx(-1.0, abs=0.06)
    n1, n0 = y.sum(), (1 - y).sum()
    # Smoothed targets are the same as weighted copies of both labels.
    target = np.where(y == 1, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))
    both = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(
        np.tile(logits, 2)[:, None],
        np.repeat([1, 0], y.size),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    assert fitted.slope == pytest.approx(both.coef_[0, 0], rel=1e-4)
    assert fitted.intercept == pytest.approx(both.intercept_[0], rel=1e-4)


def test_platt_stays_finite_on_separable_data():
    fitted = calibrate.fit_platt([0, 0, 0, 1, 1], [-3.0, -2, -1, 1, 2])
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    low, high = fitted([-3.0, 2.0])
    assert 0 < low < 0.35 < 0.65 < high < 1
    assert np.isfinite(calibrate.fit_temperature([0, 1], [-1.0, 1.0]).slope)


def test_isotonic_is_scikit_learn_and_monotone():
    y, logits = planted(slope=0.3, n=400)
    fitted = calibrate.fit_isotonic(y, logits)
    grid = np.linspace(-20, 20, 999)
    reference = IsotonicRegression(out_of_bounds="clip").fit(logits, y).predict(grid)
    np.testing.assert_allclose(fitted(grid), reference, atol=1e-12)
    assert (np.diff(fitted(grid)) >= 0).all()


def test_balanced_training_and_natural_testing():
    """Down-sample to balance, fit, and the correction brings back the natural frequencies."""
    rng = np.random.default_rng(0)
    x, prevalence = rng.normal(size=100_000), 0.13
    y = (rng.random(x.size) < prevalence).astype(int)
    x += 1.5 * y
    kept = np.concatenate([np.flatnonzero(y), rng.choice(np.flatnonzero(y == 0), y.sum(), False)])
    model = LogisticRegression(C=np.inf).fit(x[kept, None], y[kept])
    p = model.predict_proba(x[:, None])[:, 1]
    corrected = calibrate.prior_shift(p, trained_prevalence=0.5, prevalence=y.mean())
    assert evaluate(y, p)["ece"] > 0.1
    assert evaluate(y, corrected)["ece"] < 0.01
    assert corrected.mean() == pytest.approx(y.mean(), abs=0.005)
    found = calibrate.estimated_prevalence(p, trained_prevalence=0.5)
    assert found == pytest.approx(prevalence, abs=0.01)


def test_prior_shift_by_hand():
    # Odds 1 at prior odds 1, used at prior odds 1/9.
    assert calibrate.prior_shift([0.5], trained_prevalence=0.5, prevalence=0.1) == pytest.approx(
        0.1
    )
    ends = calibrate.prior_shift([0.0, 1.0], trained_prevalence=0.5, prevalence=0.1)
    assert ends.tolist() == [0, 1]
    same = calibrate.prior_shift([0.2, 0.7], trained_prevalence=0.3, prevalence=0.3)
    assert same == pytest.approx([0.2, 0.7])


@given(
    st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=50),
    st.integers(1, 15),
    st.sampled_from(["equal_width", "equal_mass"]),
)
@settings(max_examples=100, deadline=None)
def test_brier_parts_add_up(pairs, n_bins, binning):
    y, p = map(np.array, zip(*pairs, strict=True))
    parts = calibrate.brier_decomposition(y, p, n_bins=n_bins, binning=binning)
    total = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bin
    assert total == pytest.approx(parts.brier, abs=1e-12)
    assert parts.brier == pytest.approx(evaluate(y, p)["brier"], abs=1e-12)


def test_brier_parts_by_hand():
    # Forecasts .2 (two, one true) and .8 (two, both true); prevalence 3/4.
    parts = calibrate.brier_decomposition([0, 1, 1, 1], [0.2, 0.2, 0.8, 0.8])
    assert parts.reliability == pytest.approx((0.3**2 + 0.2**2) / 2)
    assert parts.resolution == pytest.approx((0.25**2 + 0.25**2) / 2)
    assert parts.uncertainty == pytest.approx(3 / 16)
    assert parts.within_bin == pytest.approx(0)


@pytest.mark.parametrize("fit", calibrate.METHODS.values())
def test_one_class_cannot_be_calibrated(fit):
    with pytest.raises(EcgcoreError, match="both classes"):
        fit([1, 1], [0.3, 0.4])


def test_a_prevalence_is_a_share():
    with pytest.raises(EcgcoreError, match="prevalence"):
        calibrate.prior_shift([0.5], trained_prevalence=0.5, prevalence=13)


@pytest.mark.parametrize(("method", "nearness"), [("isotonic", 1e-9), ("temperature", 1e-5)])
def test_an_ensemble_of_folds_is_scikit_learns(method: str, nearness: float) -> None:
    """Two folds, each calibrated on its own validation part, probabilities averaged."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 3))
    y = (rng.random(900) < expit(x @ [1.5, -1, 0.5] - 1)).astype(int)
    folds = [(np.arange(0, 300), np.arange(300, 600)), (np.arange(300, 600), np.arange(300))]
    test = x[600:]
    model = LogisticRegression(C=np.inf, tol=1e-8)
    reference = CalibratedClassifierCV(model, method=method, cv=folds, ensemble=True)
    reference.fit(x, y)
    valid, on_test = [], []
    for train, own in folds:
        fitted = LogisticRegression(C=np.inf, tol=1e-8).fit(x[train], y[train])
        valid.append((y[own], fitted.decision_function(x[own])))
        on_test.append(fitted.decision_function(test))
    ours = calibrate.fit_folds(method, valid)(on_test)
    np.testing.assert_allclose(ours, reference.predict_proba(test)[:, 1], atol=nearness)
    with pytest.raises(EcgcoreError, match=r"'beta'.*temperature, platt, isotonic"):
        calibrate.fit_folds("beta", valid)


def test_prior_scaling_is_the_prior_shift() -> None:
    shares = {"trained_prevalence": 0.5, "prevalence": 0.13}
    logits = np.linspace(-6, 6, 25)
    np.testing.assert_allclose(
        calibrate.prior_scaling(**shares)(logits), calibrate.prior_shift(expit(logits), **shares)
    )


@pytest.mark.parametrize("binning", ["equal_width", "equal_mass"])
def test_a_calibrated_model_has_the_ece_that_is_expected_of_it(binning) -> None:
    y, logits = planted(slope=1.0, n=400)
    p = expit(logits)
    expected = calibrate.calibrated_ece(p, n_draws=400, seed=1, binning=binning)
    drawn = np.random.default_rng(2).random((60, 400)) < p
    real = [evaluate(labels, p, binning=binning)["ece"] for labels in drawn.astype(int)]
    assert expected.min() > 0.005  # a perfect model's, on 400 records
    assert expected.mean() == pytest.approx(np.mean(real), rel=0.1)
    y, logits = planted(slope=0.3, n=400)
    overconfident = expit(logits)
    found = evaluate(y, overconfident, binning=binning)["ece"]
    assert found > calibrate.calibrated_ece(overconfident, seed=1, binning=binning).max()

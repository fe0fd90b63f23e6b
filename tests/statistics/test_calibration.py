"""Calibration maps against planted miscalibration, scikit-learn and the optimum's conditions."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression

from ecgcore.errors import EcgcoreError
from ecgcore.statistics import (
    METHODS,
    calibrated,
    evaluate,
    fit_temperature,
    paired_bootstrap,
    prior_shift,
)
from ecgcore.statistics.calibration import fit_isotonic, fit_platt


def planted(slope: float, intercept: float = 0.0, n: int = 20_000, seed: int = 0):
    """Labels drawn from calibrated logits; what a model reports is (logit - intercept) / slope."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-1, 2, n)
    y = (rng.random(n) < expit(true)).astype(int)
    return y, (true - intercept) / slope


@pytest.mark.parametrize("intercept", [0.0, -1.5])
def test_temperature_is_at_the_minimum(intercept):
    y, logits = planted(slope=2.0, n=500)
    fitted = fit_temperature(y, logits, intercept=intercept)
    assert fitted.intercept == intercept
    assert np.mean((expit(fitted.logit(logits)) - y) * logits) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("fit", [fit_temperature, fit_platt, fit_isotonic])
def test_one_class_cannot_be_calibrated(fit):
    with pytest.raises(EcgcoreError, match="both classes"):
        fit([1, 1], [0.3, 0.4])


def test_prior_shift_by_hand():
    # Odds 1 at prior odds 1, used at prior odds 1/9.
    shares = {"trained_prevalence": 0.5, "prevalence": 0.1}
    assert prior_shift([0.5], **shares) == pytest.approx(0.1)
    assert prior_shift([0.0, 1.0], **shares).tolist() == [0, 1]
    with pytest.raises(EcgcoreError, match="prevalence"):
        prior_shift([0.5], trained_prevalence=0.5, prevalence=13)


def test_prior_shift_helps_where_it_fits_and_hurts_where_it_does_not():
    """A model that already has the odds of use is made worse by the correction."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 2000)
    balanced = 2.0 * (2 * y - 1) + rng.normal(0, 2, 2000)  # its logit is right at 0.5

    def effect(p: np.ndarray, prevalence: float) -> pd.DataFrame:
        moved = prior_shift(p, trained_prevalence=0.5, prevalence=prevalence)
        how = {"metrics": ["brier", "ece"], "n_resamples": 100, "seed": 1}
        return paired_bootstrap(y, moved, p, prevalence=prevalence, **how).set_index("metric")

    rare = effect(expit(balanced), 0.02)
    assert rare.verdict["brier"] == "better"
    assert rare.b["brier"] == evaluate(y, expit(balanced), prevalence=0.02)["brier"]
    assert (effect(expit(balanced), 0.5)["difference"] == 0).all()
    harm = effect(expit(balanced + logit(0.02)), 0.02)
    assert harm.difference["ece"] > 0
    assert harm.verdict["ece"] == "worse"


PREVALENCE, SLOPE = 0.15, 0.5


def predictions(n: int = 6000, seed: int = 0) -> pd.DataFrame:
    """Two networks whose logits are twice too large and hold the odds of balanced training."""
    rng = np.random.default_rng(seed)
    true = rng.normal(logit(PREVALENCE) - 0.6, 2.0, n)
    y = (rng.random(n) < expit(true)).astype(int)
    balanced, ids, third = true - logit(y.mean()), np.arange(n), n // 3

    def rows(part: str, fold: int, which: slice) -> pd.DataFrame:
        noisy = balanced[which] / SLOPE + 0.3 * rng.normal(size=len(balanced[which]))
        table = {"ecg_id": ids[which], "patient_id": ids[which], "y_true": y[which]}
        return pd.DataFrame({**table, "part": part, "fold": fold, "logit": noisy})

    valid = [rows("valid", k, slice((k - 1) * third, k * third)) for k in (1, 2)]
    alone = [rows("test_fold", k, slice(2 * third, n)) for k in (1, 2)]
    return pd.concat([*valid, *alone], ignore_index=True)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return calibrated(predictions(), pooling="probabilities")


@pytest.mark.parametrize("pooling", ["logits", "probabilities"])
def test_pooling_and_calibration_are_separate(pooling):
    told = predictions()
    table = calibrated(told, pooling=pooling)
    test, alone = table[table.part == "test"], told[told.part == "test_fold"]
    by_record = alone.groupby("ecg_id").logit
    mean = (
        expit(by_record.mean()) if pooling == "logits" else by_record.agg(lambda z: expit(z).mean())
    )
    np.testing.assert_allclose(test.set_index("ecg_id").raw, mean, atol=1e-12)
    prevalence = told[told.part == "valid"].y_true.mean()
    if pooling == "logits":
        moved = prior_shift(test.raw, trained_prevalence=0.5, prevalence=prevalence)
        np.testing.assert_allclose(test.prior, moved)
    assert set(METHODS) <= set(table)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibrated_ensemble_is_that_of_scikit_learn(method):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(900, 3))
    y = (rng.random(900) < expit(2 * x @ [1, -1, 0.5] - 1)).astype(int)
    folds = [(np.arange(0, 300), np.arange(300, 600)), (np.arange(300, 600), np.arange(300))]
    model = LogisticRegression(C=np.inf, tol=1e-8)
    reference = CalibratedClassifierCV(model, method=method, cv=folds, ensemble=True)
    expected = reference.fit(x[:600], y[:600]).predict_proba(x[600:])[:, 1]
    parts = []
    for k, (train, own) in enumerate(folds):
        fitted = LogisticRegression(C=np.inf, tol=1e-8).fit(x[train], y[train])
        for part, rows in (("valid", own), ("test_fold", np.arange(600, 900))):
            columns = {"ecg_id": rows, "patient_id": rows, "part": part, "fold": k}
            columns |= {"y_true": y[rows], "logit": fitted.decision_function(x[rows])}
            parts.append(pd.DataFrame(columns))
    ours = calibrated(pd.concat(parts), pooling="probabilities").query("part == 'test'")
    name = "Platt" if method == "sigmoid" else "isotonic"
    np.testing.assert_allclose(ours[name], expected, atol=1e-4)


def test_test_labels_and_order_of_rows_do_not_matter(table):
    told = predictions()
    turned = told.assign(y_true=told.y_true.where(told.part == "valid", 1 - told.y_true))
    other = calibrated(turned.sample(frac=1, random_state=1), pooling="probabilities")
    keys = ["part", "ecg_id"]
    mine, theirs = table.sort_values(keys), other.sort_values(keys)
    np.testing.assert_allclose(theirs[list(METHODS)], mine[list(METHODS)], atol=1e-6)


def test_runs_without_validation_answers_are_refused():
    with pytest.raises(EcgcoreError, match="no validation answers"):
        calibrated(predictions().query("part == 'test_fold'"))

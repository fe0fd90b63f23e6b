"""Every calibration of a run: fitted on validation alone, and each repairs what it can."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from ecgcore import calibrate
from ecgcore.calibrated import METHODS, calibrated
from ecgcore.errors import EcgcoreError
from ecgcore.metrics import evaluate

PREVALENCE, SLOPE = 0.15, 0.5


def predictions(n: int = 6000, seed: int = 0) -> pd.DataFrame:
    """Two networks whose logits are twice too large and hold the odds of balanced training."""
    rng = np.random.default_rng(seed)
    true = rng.normal(logit(PREVALENCE) - 0.6, 2.0, n)
    y = (rng.random(n) < expit(true)).astype(int)
    balanced = true - logit(y.mean())

    def rows(part: str, fold: int, which: slice, noise: float) -> pd.DataFrame:
        logits = balanced[which] / SLOPE + noise * rng.normal(size=len(balanced[which]))
        ids = np.arange(n)[which]
        return pd.DataFrame(
            {"ecg_id": ids, "patient_id": ids, "part": part, "fold": fold, "y_true": y[which],
             "logit": logits}
        )  # fmt: skip

    third = n // 3
    valid = [rows("valid", k, slice((k - 1) * third, k * third), 0.3) for k in (1, 2)]
    alone = [rows("test_fold", k, slice(2 * third, n), 0.3) for k in (1, 2)]
    together = alone[0].assign(part="test", fold=0, logit=(alone[0].logit + alone[1].logit) / 2)
    return pd.concat([together, *valid, *alone], ignore_index=True)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return calibrated(predictions())


def test_each_method_repairs_what_it_can(table) -> None:
    test = table[table.part == "test"]
    found = {name: evaluate(test.y_true, test[name]) for name in METHODS}
    error = {name: values["ece"] for name, values in found.items()}
    assert (
        error["raw"] > error["prior"] > 2 * error["Platt"]
    )  # scale is still wrong after the shift
    assert error["temperature"] > 2 * error["prior + temperature"]  # no slope moves the odds
    for name in ("prior + temperature", "Platt", "isotonic"):
        assert error[name] < 0.02, name
    assert {name: values["auroc"] for name, values in found.items()} == pytest.approx(
        dict.fromkeys(METHODS, found["raw"]["auroc"]), abs=0.003
    )


def test_columns_are_what_they_say(table) -> None:
    told = predictions()
    test = told[told.part == "test"]
    ours = table[table.part == "test"]
    assert list(ours.ecg_id) == list(test.ecg_id)
    np.testing.assert_allclose(ours.raw, expit(test.logit))
    prevalence = told[told.part == "valid"].y_true.mean()
    np.testing.assert_allclose(
        ours.prior,
        calibrate.prior_shift(ours.raw, trained_prevalence=0.5, prevalence=prevalence),
    )
    assert set(table.part) == {"valid", "test"}
    assert table[list(METHODS)].to_numpy().min() >= 0
    assert table[list(METHODS)].to_numpy().max() <= 1


def test_test_labels_are_never_seen(table) -> None:
    told = predictions()
    is_test = told.part != "valid"
    other = calibrated(told.assign(y_true=told.y_true.where(~is_test, 1 - told.y_true)))
    pd.testing.assert_frame_equal(other[list(METHODS)], table[list(METHODS)])


def test_order_of_rows_does_not_matter(table) -> None:
    shuffled = predictions().sample(frac=1, random_state=1)
    other = calibrated(shuffled).sort_values(["part", "ecg_id"])[list(METHODS)]
    mine = table.sort_values(["part", "ecg_id"])[list(METHODS)]
    np.testing.assert_allclose(other, mine, atol=1e-6)


def test_runs_without_validation_answers_are_refused() -> None:
    with pytest.raises(EcgcoreError, match="no validation answers"):
        calibrated(predictions().query("part == 'test'"))

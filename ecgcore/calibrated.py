"""Probabilities of one run's test records under every calibration, all fitted on validation.

A run keeps what each network of its cross-validation said of its own validation part and of the
test part; this module turns that into one probability a record and method.
"""

import pandas as pd
from scipy.special import expit

from ecgcore import calibrate
from ecgcore.errors import EcgcoreError

METHODS = ("raw", "prior", "temperature", "prior + temperature", "Platt", "isotonic")
"""``raw``: sigmoid of the networks' mean logit, as paper B.  ``prior``: that, moved from balanced
training to the prevalence of the validation parts.  The others: a map a network, fitted on its own
validation part, probabilities averaged."""

_KEYS = ["ecg_id", "patient_id", "part", "fold", "y_true", "logit"]


def calibrated(predictions: pd.DataFrame, *, trained_prevalence: float = 0.5) -> pd.DataFrame:
    """Probabilities by method for the test records, and for the validation records of each fold.

    Parameters
    ----------
    predictions
        Of a run of ``frequency_train``: parts ``valid`` and ``test_fold`` (one network alone,
        ``fold``) and ``test`` (all together) with ``logit``.
    trained_prevalence
        Share of positives after down-sampling.

    Returns
    -------
    pandas.DataFrame
        ``ecg_id, patient_id, part`` (``valid`` or ``test``), ``y_true`` and one column a method.
        A validation record has the answer of the one network that did not train on it; its
        calibrated probabilities come from a map that was fitted on that same part.

    Raises
    ------
    EcgcoreError
        The run kept no validation answers.
    """
    if not {"valid", "test_fold"} <= set(predictions["part"]):
        raise EcgcoreError("predictions: no validation answers; run frequency_train again.")
    parts = {part: rows[_KEYS] for part, rows in predictions.groupby("part")}
    folds = sorted(parts["valid"]["fold"].unique())
    valid = {k: rows.reset_index(drop=True) for k, rows in parts["valid"].groupby("fold")}
    test = parts["test"].reset_index(drop=True)
    alone = parts["test_fold"].set_index(["fold", "ecg_id"])["logit"]
    on_test = [alone.loc[k].loc[test["ecg_id"]].to_numpy() for k in folds]
    shift = calibrate.prior_scaling(
        trained_prevalence=trained_prevalence, prevalence=float(parts["valid"]["y_true"].mean())
    )
    # methods that only shift keep the ensemble of the paper: the mean of logits
    test["raw"], test["prior"] = expit(test["logit"]), shift(test["logit"])
    for k in folds:
        valid[k]["raw"], valid[k]["prior"] = expit(valid[k]["logit"]), shift(valid[k]["logit"])
    checked = [(valid[k]["y_true"].to_numpy(), valid[k]["logit"].to_numpy()) for k in folds]
    for method in METHODS[2:]:
        name = method.removeprefix("prior + ").lower()
        known = {"intercept": shift.intercept} if method.startswith("prior") else {}
        fitted = calibrate.fit_folds(name, checked, **known)
        test[method] = fitted(on_test)
        for k, own in zip(folds, fitted.maps, strict=True):
            valid[k][method] = own(valid[k]["logit"])
    columns = ["ecg_id", "patient_id", "part", "y_true", *METHODS]
    return pd.concat([*valid.values(), test], ignore_index=True)[columns]

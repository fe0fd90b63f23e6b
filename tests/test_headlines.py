"""The studies' headline numbers, recomputed from the recorded predictions without ecgcore.

AUROC is scikit-learn's, and the bootstrap over patients is written here. The results must agree
with ``ecgcore.statistics``, which the book uses; ``pytest -s`` prints them.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ecgcore import statistics

RESULTS = Path(__file__).resolve().parents[1] / "results"
Auroc = Callable[[pd.DataFrame], float]


def auroc(rows: pd.DataFrame) -> float:
    return float(roc_auc_score(rows.y_true, rows.logit))


def within_folds(rows: pd.DataFrame) -> float:
    return float(np.mean([auroc(of) for _, of in rows.groupby("fold")]))


def over_seeds(rows: pd.DataFrame, measure: Auroc) -> float:
    return float(np.mean([measure(of) for _, of in rows.groupby("seed")]))


def resampled(rows: pd.DataFrame, times: pd.Series) -> float:
    """Return the AUROC within seed and fold, weighting patients; logits have no ties."""
    weighted = rows.assign(w=times[rows.patient_id].to_numpy()).sort_values("logit")
    values = []
    for _, of in weighted.groupby(["seed", "fold"]):
        positive, w = of.y_true.to_numpy() == 1, of.w.to_numpy()
        below = np.cumsum(np.where(positive, 0, w))
        values.append((below * w)[positive].sum() / (w[positive].sum() * w[~positive].sum()))
    return float(np.mean(values))


def answers(study: str, *names: str) -> pd.DataFrame:
    """Return the test predictions of one network; several files are its outer folds."""
    tables = [pd.read_csv(RESULTS / study / f"{name}.csv") for name in names]
    if len(tables) > 1:
        tables = [table.assign(fold=k) for k, table in enumerate(tables)]
    return pd.concat(tables).query("part == 'test'")


SAMPLING = {hz: answers("real_sampling", f"frequency_train-cnn1d-{hz}") for hz in (100, 500)}
SAMPLING["wide"] = answers("real_sampling", "frequency_arms-dilation")
OUTER = {
    name: answers("real_imn", *(f"imn_train-outer-norm_vs_mi-{name}-{k}" for k in range(1, 6)))
    for name in ("imn", "imn_plus", "blackbox_cnn2d")
}
PAIRS = {
    "B: 500 minus 100 Hz": (SAMPLING[500], SAMPLING[100]),
    "B: 540 ms minus 108 ms at 500 Hz": (SAMPLING["wide"], SAMPLING[500]),
    "A: imn minus black box": (OUTER["imn"], OUTER["blackbox_cnn2d"]),
    "A: imn_plus minus black box": (OUTER["imn_plus"], OUTER["blackbox_cnn2d"]),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_headline_number_is_reproduced(name: str) -> None:
    a, b = PAIRS[name]
    values = [over_seeds(rows, within_folds) for rows in (a, b)]
    tables = [
        dict(list(t.assign(ranking=statistics.ranking(t.logit)).groupby("seed"))) for t in (a, b)
    ]
    ours = statistics.seed_difference(*tables, within="fold")
    np.testing.assert_allclose([ours.a, ours.b], values, atol=5e-4)
    rng, patients, drawn = np.random.default_rng(1), a.patient_id.unique(), []
    for _ in range(200):  # enough for a standard error within a tenth
        times = pd.Series(rng.multinomial(len(patients), np.full(len(patients), 1 / len(patients))))
        times.index = patients
        one, other = (resampled(rows, times) for rows in (a, b))
        drawn.append(one - other)
    print(f"{name}: {values[0]:.4f} - {values[1]:.4f} = {values[0] - values[1]:+.4f}")
    of_patients = ours.spread.shared + ours.spread.unshared
    assert np.std(drawn) == pytest.approx(np.sqrt(of_patients), rel=0.25)


def test_results_of_the_published_networks_are_reproduced() -> None:
    ludb = pd.read_csv(RESULTS / "published_networks_predictions.csv")
    plain = ludb[ludb.condition == "as it is"]
    found = [round(auroc(rows), 3) for _, rows in plain.groupby("rate_hz")]
    print("paper B's networks on LUDB at 62, 100, 250, 500 Hz:", *found)
    assert found == [0.954, 0.971, 0.936, 0.905]  # as first measured by others

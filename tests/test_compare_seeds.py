"""Means over seeds, their differences, and verdicts on claims."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ecgcore.compare import Claim, claims_table, over_seeds
from ecgcore.errors import EcgcoreError


def predictions(strength: float, seed: int, n: int = 400) -> pd.DataFrame:
    """The same records and labels for every seed; scores of a given strength."""
    y = np.random.default_rng(0).integers(0, 2, n)
    logit = strength * y + np.random.default_rng(100 + seed).normal(size=n)
    frame = {"ecg_id": np.arange(n), "patient_id": np.arange(n) // 2, "y_true": y}
    return pd.DataFrame({**frame, "ranking": 0.5 + np.arctan(logit) / np.pi})


def test_means_over_seeds_and_their_difference():
    sets = {
        "black": [predictions(2.0, k) for k in (1, 2, 3)],
        "twin": [predictions(2.0, k) for k in (1, 2, 3)],
        "weak": [predictions(0.5, k) for k in (4, 5)],
    }
    table = over_seeds(sets, "black", margin=0.02, n_resamples=300, seed=0).set_index("name")
    own = [roc_auc_score(t.y_true, t.ranking) for t in sets["weak"]]
    assert table.loc["weak", "auroc"] == pytest.approx(np.mean(own))
    assert table.loc["weak", "sd_seeds"] == pytest.approx(np.std(own, ddof=1))
    assert table.loc["twin", "difference"] == 0
    assert table.loc["twin", "verdict"] == "equivalent"
    assert table.loc["weak", "verdict"] == "worse"
    assert table.loc["weak", "low"] < table.loc["weak", "inner_low"]
    assert table.loc["weak", "high"] < 0
    assert table.loc["weak", "auroc_low"] < np.mean(own) < table.loc["weak", "auroc_high"]
    assert pd.isna(table.loc["black", "verdict"])
    turned = over_seeds(sets, "weak", margin=0.02, n_resamples=300, seed=0).set_index("name")
    assert turned.loc["black", "verdict"] == "better"


def test_one_seed_has_no_spread_and_a_wide_margin_is_needed():
    sets = {"a": [predictions(1.0, 1)], "b": [predictions(1.0, 2)]}
    strict = over_seeds(sets, "a", margin=0.001, n_resamples=200, seed=0).set_index("name")
    wide = over_seeds(sets, "a", margin=0.3, n_resamples=200, seed=0).set_index("name")
    assert strict["sd_seeds"].isna().all()
    assert strict.loc["b", "verdict"] != "equivalent"
    assert wide.loc["b", "verdict"] == "equivalent"


def test_other_records_or_no_reference_are_refused():
    one, other = predictions(1.0, 1), predictions(1.0, 1).iloc[:-1]
    with pytest.raises(EcgcoreError, match="records"):
        over_seeds({"a": [one], "b": [other]}, "a", margin=0.1, seed=0)
    with pytest.raises(EcgcoreError, match="reference"):
        over_seeds({"a": [one]}, "c", margin=0.1, seed=0)


@pytest.mark.parametrize(
    ("low", "high", "above", "below", "verdict"),
    [
        (0.6, 0.8, 0.5, np.inf, "supported"),
        (0.4, 0.8, 0.5, np.inf, "undecided"),
        (0.1, 0.4, 0.5, np.inf, "contradicted"),
        (-0.01, 0.01, -0.02, 0.02, "supported"),
        (0.01, 0.03, -0.02, 0.02, "undecided"),
        (0.03, 0.05, -0.02, 0.02, "contradicted"),
        (np.nan, np.nan, 0.5, np.inf, "not measured"),
    ],
)
def test_verdicts_follow_from_the_interval(low, high, above, below, verdict):
    claim = Claim("it works", "AUROC", (low + high) / 2, low, high, above, below)
    assert claim.verdict == verdict
    row = claims_table([claim]).iloc[0]
    assert row["verdict"] == verdict
    assert ("at least 0.5" in row["holds where"]) == (above == 0.5)
    assert ("at most 0.02" in row["holds where"]) == (below == 0.02)
    assert not row["interval"].endswith("%)")
    ninety = claims_table([replace(claim, level=0.9)]).iloc[0]["interval"]
    assert ninety == (f"{row['interval']} (90 %)" if row["interval"] else "")

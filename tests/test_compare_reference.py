"""Verdicts on several models against one."""

import numpy as np
import pandas as pd
import pytest

from ecgcore import compare, metrics
from ecgcore.errors import EcgcoreError


def predictions(noise: float, *, seed: int = 0, n: int = 1500) -> pd.DataFrame:
    """Scores of 1,500 records with one truth; more noise, worse model."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, n)
    logit = 3 * (y - 0.5) + np.random.default_rng(seed).normal(0, noise, n)
    return pd.DataFrame(
        {
            "ecg_id": np.arange(n), "patient_id": np.arange(n) // 2, "y_true": y,
            "ranking": metrics.ranking(logit),
        }
    )  # fmt: skip


def verdicts(**others: pd.DataFrame) -> "pd.Series[str]":
    table = compare.against_reference(
        {"base": predictions(1.0), **others}, "base", margin=0.01, n_resamples=300, seed=1
    )
    return table.set_index("name")["verdict"]


def test_each_verdict_is_reached() -> None:
    same = predictions(1.0)
    found = verdicts(same=same, worse=predictions(3.0, seed=2), unsure=predictions(1.0, seed=3))
    assert found["same"] == "equivalent"
    assert found["worse"] == "different"
    few = predictions(1.1, seed=4).head(60)
    assert verdicts(few=few)["few"] == "undecided"


def test_difference_is_named_minus_reference_and_holm_corrects() -> None:
    table = compare.against_reference(
        {"base": predictions(1.0), "a": predictions(2.0, seed=2), "b": predictions(3.0, seed=2)},
        "base", margin=0.01, n_resamples=300, seed=1,
    )  # fmt: skip
    assert (table.difference < 0).all()
    assert (table.low <= table.difference).all()
    assert (table.p_holm >= table.p).all()


def test_no_common_record_is_refused() -> None:
    other = predictions(1.0).assign(ecg_id=lambda t: t.ecg_id + 10_000)
    with pytest.raises(EcgcoreError, match="same records"):
        verdicts(other=other)
    with pytest.raises(EcgcoreError, match="'none'"):
        compare.against_reference({"a": other}, "none", margin=0.01, seed=1)

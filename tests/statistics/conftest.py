"""Predictions of simulated networks, shared by the tests of statistics."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit


def network(
    auroc: float, rng: np.random.Generator, y: np.ndarray, shared: np.ndarray | float = 0.0
) -> pd.DataFrame:
    """Return binormal scores of one network, which may share half of the noise with others."""
    logit = np.sqrt(2) * stats.norm.ppf(auroc) * y
    logit = logit + (rng.normal(size=y.size) + shared) / (np.sqrt(2) if np.ndim(shared) else 1)
    ids = np.arange(y.size)
    scores = {"score": expit(logit - 0.7), "ranking": expit(logit)}
    return pd.DataFrame({"ecg_id": ids, "patient_id": ids // 2, "y_true": y, **scores})


@pytest.fixture
def two_models() -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Make labels and two correlated probabilities with ties: ``two_models(seed, n=300)``."""

    def make(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        y = (rng.random(n) < 0.25).astype(int)
        noise = rng.normal(size=(2, n)) + rng.normal(size=n)
        return y, *expit(noise + 2 * y - 1).round(2)

    return make


@pytest.fixture
def networks() -> Callable[..., dict[int, pd.DataFrame]]:
    """Make predictions by seed: ``networks(auroc, n_seeds=3, sd=0.0, n=300, n_positive=100)``."""

    def make(
        auroc: float, n_seeds: int = 3, *, sd: float = 0.0, n: int = 300, n_positive: int = 100,
        first: int = 0,
    ) -> dict[int, pd.DataFrame]:  # fmt: skip
        y = np.random.default_rng(n).permutation((np.arange(n) < n_positive).astype(int))
        shared = np.random.default_rng(n + 1).normal(size=n)
        tables = {}
        for k in range(n_seeds):
            rng = np.random.default_rng([first, k])
            tables[k] = network(min(rng.normal(auroc, sd), 0.995), rng, y, shared)
        return tables

    return make

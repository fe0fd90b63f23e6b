"""Models over several data sets: average ranks and the difference that matters."""

import math

import pandas as pd
from scipy import stats


def average_ranks(scores: pd.DataFrame, *, larger_is_better: bool = True) -> pd.Series:
    """Mean rank of each column (model) over the rows (tasks, seeds); 1 is best, ties are shared."""
    ranks = scores.rank(axis=1, ascending=not larger_is_better)
    return ranks.mean().sort_values()


def critical_difference(n_models: int, n_datasets: int, *, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of average ranks (Demsar 2006, JMLR 7:1, section 3.2.2)."""
    q = float(stats.studentized_range.ppf(1 - alpha, n_models, math.inf)) / math.sqrt(2)
    return q * math.sqrt(n_models * (n_models + 1) / (6 * n_datasets))

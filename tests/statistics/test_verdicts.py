"""One rule for the smallest sample, the words of verdicts, and claims."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgcore.statistics import MINIMUM, Claim, claims_table, difference_verdict

ENOUGH = {"n_records": 30, "n_per_class": 10, "n_seeds": 3}


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (-0.009, 0.009, "equivalent"),
        (-0.009, -0.001, "equivalent"),  # certain, and too small to count
        (-0.02, -0.005, "worse"),
        (0.001, 0.03, "better"),
        (-0.02, 0.003, "undecided"),
        (-0.2, 0.2, "undecided"),
        (0.3, 0.3, "undecided"),  # no width
        (np.nan, np.nan, "undecided"),
    ],
)
def test_verdict_follows_from_the_interval(low, high, word):
    verdict = difference_verdict(low, high, margin=0.01, **ENOUGH)
    assert verdict.word == word
    assert verdict.reason


@given(st.floats(-1, 1), st.floats(1e-6, 1), st.floats(0.001, 0.2))
def test_verdicts_mirror_the_interval(low, width, margin):
    mirrored = {"worse": "better", "better": "worse"}
    word = difference_verdict(low, low + width, margin=margin, **ENOUGH).word
    turned = difference_verdict(-low - width, -low, margin=margin, **ENOUGH).word
    assert turned == mirrored.get(word, word)
    lower = difference_verdict(low, low + width, margin=margin, lower_is_better=True, **ENOUGH)
    assert lower.word == mirrored.get(word, word)


@pytest.mark.parametrize("lacking", [{"n_records": 29}, {"n_per_class": 9}, {"n_seeds": 2}])
def test_smallest_sample_of_any_verdict(lacking):
    verdict = difference_verdict(0.1, 0.2, margin=0.01, **{**ENOUGH, **lacking})
    assert verdict.word == "undecided"
    assert f"only {next(iter(lacking.values()))} " in verdict.reason
    claim = Claim("it works", "AUROC", 0.9, 0.8, 0.95, 0.5, **{**ENOUGH, **lacking})
    assert claim.verdict.word == "undecided"
    assert replace(claim, **ENOUGH).verdict.word == "supported"
    assert (MINIMUM.records, MINIMUM.per_class, MINIMUM.seeds) == (30, 10, 3)


@pytest.mark.parametrize(
    ("low", "high", "above", "below", "word"),
    [
        (0.6, 0.8, 0.5, np.inf, "supported"),
        (0.4, 0.8, 0.5, np.inf, "undecided"),
        (0.1, 0.4, 0.5, np.inf, "contradicted"),
        (-0.01, 0.01, -0.02, 0.02, "supported"),
        (0.01, 0.03, -0.02, 0.02, "undecided"),
        (0.03, 0.05, -0.02, 0.02, "contradicted"),
        (0.6, 0.6, 0.5, np.inf, "undecided"),
        (np.nan, np.nan, 0.5, np.inf, "undecided"),
    ],
)
def test_claims_follow_from_the_interval(low, high, above, below, word):
    claim = Claim("it works", "AUROC", (low + high) / 2, low, high, above, below, **ENOUGH)
    row = claims_table([replace(claim, level=0.9)]).iloc[0]
    assert row["verdict"] == claim.verdict.word == word
    assert ("at least 0.5" in row["holds where"]) == (above == 0.5)
    assert ("at most 0.02" in row["holds where"]) == (below == 0.02)
    assert row["level"] == ("90 %" if row["interval"] else "")
    assert row["n"] == "30 records, 3 seeds"
    assert (row["reason"] == "not measured") == np.isnan(low)

"""The rule behind ``results/precision.csv``, and that the tables follow from what is recorded."""

import sys
from pathlib import Path

import numpy as np
import pytest

from ecgcore.runs import recorded
from ecgcore.training.config import BF16_SHOWN

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))
import compare_precision


def test_an_interval_decides_only_on_one_side_of_the_margin() -> None:
    shown = compare_precision.shown
    assert shown(-0.01, 0.019, 0.02) == "yes"
    assert shown(-0.01, 0.021, 0.02) == shown(np.nan, np.nan, 0.02) == "not shown"
    assert shown(0.021, 0.05, 0.02) == shown(-0.05, -0.021, 0.02) == "no"


def test_recorded_decisions_are_those_of_the_rule_and_of_the_library() -> None:
    table = recorded.load("precision").table
    both = (table.equal == "yes") & (table.faster == "yes")
    assert (table.auto == np.where(both, "bf16", "fp32")).all()
    by_network = both.groupby([table.device, table.network]).all()  # at every rate
    assert set(by_network[by_network].index) == BF16_SHOWN
    inside = table.auroc_low.gt(-0.02) & table.auroc_high.lt(0.02)
    inside &= table.ece_low.gt(-0.03) & table.ece_high.lt(0.03)
    assert not (table.equal.eq("yes") & ~inside).any()


def test_a_cell_of_the_table_follows_from_the_recorded_answers() -> None:
    row = recorded.load("devices").table.set_index(["network", "rate_hz"]).loc["imn", 100]
    answers = compare_precision.by_seed("precision_fp32", "imn_train-norm_vs_mi-imn")
    values = [
        compare_precision.statistics.evaluate(one.y_true, one.ranking)["auroc"]
        for one in answers.values()
    ]
    assert row.auroc_gpu == pytest.approx(np.mean(values), abs=1e-5)

"""The rule behind ``results/precision.csv``, and that the tables follow from what is recorded."""

import sys
from pathlib import Path

import numpy as np
import pytest

from ecgcore.runs import recorded
from ecgcore.training.config import BF16_SHOWN

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))
import compare_precision


def test_recorded_decisions_are_those_of_the_rule_and_of_the_library() -> None:
    table = recorded.load("precision").table
    both = table.verdict.eq("equivalent") & table.speed_alone.ge(1.1)
    assert (table.auto == np.where(both, "bf16", "fp32")).all()
    by_network = both.groupby([table.device, table.network]).all()  # at every rate
    assert set(by_network[by_network].index) == BF16_SHOWN
    inside = table.auroc_low.gt(-0.02) & table.auroc_high.lt(0.02)
    inside &= table.ece_low.gt(-0.03) & table.ece_high.lt(0.03)
    assert not (table.verdict.eq("equivalent") & ~inside).any()


def test_a_cell_of_the_table_follows_from_the_recorded_answers() -> None:
    row = recorded.load("devices").table.set_index(["network", "rate_hz"]).loc["imn", 100]
    answers = compare_precision.by_seed("precision_fp32", "imn_train-norm_vs_mi-imn")
    values = [
        compare_precision.statistics.evaluate(one.y_true, one.ranking)["auroc"]
        for one in (answers[seed] for seed in (1, 2, 3))
    ]
    assert row.auroc_gpu == pytest.approx(np.mean(values), abs=1e-5)

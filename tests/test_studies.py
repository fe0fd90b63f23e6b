"""Calculations behind recorded tables: marked waves, alarms, noise and bf16's equivalence."""

from pathlib import Path
from types import SimpleNamespace

import compare_precision
import examine_published
import examine_study
import numpy as np
import pandas as pd
import pytest

from ecgcore import models
from ecgcore.data import open_data
from ecgcore.preprocessing import preprocess
from ecgcore.runs import recorded
from ecgcore.training.config import BF16_SHOWN


def test_shares_count_only_between_the_first_and_the_last_mark() -> None:
    masks = np.zeros((len(examine_study.WAVES), 1, 12, 100), bool)
    masks[0, 0, 1, 20:30] = masks[2, 0, 1, 40:60] = True  # P and QRS of lead II
    values = np.ones((1, 12, 100))
    values[0, 1, 45] = 11.0
    shares = examine_study.wave_shares(values, masks).iloc[0]
    assert shares[["P", "QRS"]].tolist() == [10 / 50, 30 / 50]  # 10 lie between, 50 outside
    assert shares[["PR", "ST", "T"]].tolist() == [0, 0, 0]
    assert examine_study.wave_shares(np.zeros_like(values), masks).isna().all(axis=None)


def test_marks_and_groups_are_those_of_ludb(shared: Path) -> None:
    group = examine_study.groups(shared / "ludb")
    assert group.value_counts()["none"] == 34
    masks = examine_study.wave_masks(shared / "ludb", group.index[:1], 100, 1000)
    qrs = masks[examine_study.WAVES.index("QRS"), 0, 1]
    assert 0.05 < qrs.sum() / 100 / np.diff(qrs.astype(int)).clip(0).sum() < 0.15  # s per complex


def test_an_untrained_network_is_scored_by_its_own_deletion_test(small_store: str) -> None:
    store = open_data(small_store)
    ids = pd.Series(store.table.index[:3])
    network = models.build("imn", rate_hz=100, n_samples=1000, seed=1)
    trained = SimpleNamespace(
        networks=(network,), params={"seed": 1}, rate_hz=100, native_method="imn"
    )
    x = preprocess(store.signals(100, ids), 100, 100)
    rows = examine_study.untrained_scores(trained, x, ids)
    score = rows.pivot(index="ecg_id", columns="method", values="lerf_minus_morf")
    assert score.index.tolist() == ids.tolist()
    assert score["W x"].mean() > score["x squared"].mean()  # arithmetic, without training


def test_territories_are_shares_of_the_positive_part(small_store: str) -> None:
    store = open_data(small_store)
    table = store.table
    inferior = table.index[["IMI" in codes for codes in table.scp_codes]][:2]
    normal = table.index[["NORM" in codes for codes in table.scp_codes]][:1]
    ids = pd.Series([*inferior, *normal])
    maps = np.full((3, 12, 10), -1.0)
    maps[:, 0] = 1.0  # lead I
    maps[0, 2] = 3.0  # lead III
    rows = examine_study.territories({"a": maps}, ids, store)
    assert rows.ecg_id.tolist() == list(inferior)  # a normal record has no territory
    assert rows.share.tolist() == [0.75, 0.0]


def test_alarms_are_counted_once_per_record_and_diagnosis(shared: Path) -> None:
    table = examine_published.alarms(
        shared / "ludb", recorded.load("published_networks_predictions").table
    ).set_index(["stated", "diagnosis"])
    assert table["n"]["rhythm", "Atrial flutter, typical"] == 3  # as LUDB's README counts
    assert table["n"]["rhythm", "all without AF"] == 185
    assert table["n"]["other", "Third-degree AV block"] == 5
    kept = recorded.load("published_networks_alarms").table.set_index(["stated", "diagnosis"])
    pd.testing.assert_frame_equal(table, kept)


def test_a_low_rate_removes_the_noise_above_its_band() -> None:
    slow = np.sin(2 * np.pi * 2 * np.arange(5000) / 500, dtype=np.float32)
    left = examine_published.noise_kept(np.tile(slow, (1, 12, 1))).pivot(
        index="snr_db", columns="rate_hz", values="snr_left_db"
    )
    np.testing.assert_allclose(left[500], left.index, atol=0.02)
    assert (left[62] > left[100]).all()
    assert (left[100] > left[250]).all()


def test_recorded_decisions_match_the_rule_and_the_library() -> None:
    table = recorded.load("precision").table
    both = table.verdict.eq("equivalent") & table.speed_alone.ge(1.1)
    assert (table.auto == np.where(both, "bf16", "fp32")).all()
    by_network = both.groupby([table.device, table.network]).all()  # at every rate
    assert set(by_network[by_network].index) == BF16_SHOWN
    inside = table.auroc_low.gt(-0.02) & table.auroc_high.lt(0.02)
    inside &= table.ece_low.gt(-0.03) & table.ece_high.lt(0.03)
    assert not (table.verdict.eq("equivalent") & ~inside).any()


def test_a_cell_of_the_table_follows_from_recorded_predictions() -> None:
    row = recorded.load("devices").table.set_index(["network", "rate_hz"]).loc["imn", 100]
    answers = compare_precision.by_seed("precision_fp32", "imn_train-norm_vs_mi-imn")
    values = [
        compare_precision.statistics.evaluate(one.y_true, one.ranking)["auroc"]
        for one in (answers[seed] for seed in (1, 2, 3))
    ]
    assert row.auroc_gpu == pytest.approx(np.mean(values), abs=1e-5)

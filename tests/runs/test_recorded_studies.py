"""Recorded studies as pages read them."""

import numpy as np
import pandas as pd

from ecgcore import statistics
from ecgcore.runs import recorded, studies

STUDY = recorded.load_study("real_sampling")
NETWORKS = {
    hz: studies.by_seed(STUDY[f"frequency_train-cnn1d-{hz}"].table) for hz in ("100", "500")
}


def test_predictions_are_grouped_by_seed_for_one_part() -> None:
    table = STUDY["frequency_train-cnn1d-100"].table
    assert list(NETWORKS["100"]) == sorted(table["seed"].unique())
    assert all((t["part"] == "test").all() for t in NETWORKS["100"].values())
    assert set(studies.by_seed(table.drop(columns="part"))) == set(NETWORKS["100"])


def test_pairs_are_corrected_together() -> None:
    pairs = [("500", "100"), ("100", "500")]
    table = studies.compare_pairs(NETWORKS, pairs, 0.01, within="fold")
    one = statistics.seed_difference(NETWORKS["500"], NETWORKS["100"], within="fold")
    assert table["difference"].tolist() == [one.difference, -one.difference]
    np.testing.assert_allclose(table["p_holm"], [2 * one.p] * 2)
    assert table["verdict"].tolist() == ["worse", "better"]


def test_maps_are_compared_with_the_controls_of_their_table() -> None:
    maps = recorded.load_study("real_imn")["imn_train-norm_vs_mi-imn-maps"].table
    duels = studies.compare_maps(maps, ["lerf_minus_morf_bridge"]).duels
    assert set(duels["method"]) == set(maps["method"][~maps["control"]])
    rivals = studies.compare_maps(maps, ["lerf_minus_morf_bridge"], ["abs_signal"]).duels
    assert set(rivals["strongest_control"]) == {"abs_signal"}


def test_numbers_of_a_column_have_one_format() -> None:
    table = pd.DataFrame(
        {"difference": [-0.02, 0.0071], "p_holm": [0.0001, np.nan], "n": [2273, 66]}
    )
    shown = studies.readable(table)
    assert shown["difference"].tolist() == ["-0.020", "+0.007"]
    assert shown["p_holm"].tolist() == ["< 0.001", ""]
    assert shown["n"].tolist() == ["2,273", "66"]
    assert studies.readable(table, ["n"]).columns.tolist() == ["n"]

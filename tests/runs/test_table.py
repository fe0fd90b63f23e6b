"""Runs as a table: different networks, the same network examined again, refusals."""

from pathlib import Path

import pandas as pd
import pytest
from archives import write_archive
from refusal import refused
from run_kit import toy_run

from ecgcore import runs
from ecgcore.data import Archive, prepare
from ecgcore.errors import EcgcoreError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return runs of two seeds, one examined again by more methods, and another protocol."""
    toy_run(tmp_path / "1", methods=["imn", "grad_cam"])
    toy_run(tmp_path / "2", methods=["imn", "grad_cam"], seed=2)
    toy_run(tmp_path / "again", methods=["imn", "grad_cam", "occlusion"], surrogate_runs=9)
    toy_run(tmp_path / "published", protocol="as_published")
    toy_run(tmp_path / "shuffled", labels="shuffled")
    return tmp_path


def names(table: pd.DataFrame) -> list[str]:
    return [Path(run).name for run in table["run"].unique()]


def test_a_network_examined_again_is_not_another_seed(folder: Path) -> None:
    table = runs.networks(folder, "metrics")
    assert names(table) == ["1", "2", "shuffled"]
    assert table["variant"].tolist() == ["as published"] * 4 + ["shuffled labels"] * 2


def test_results_of_only_the_second_run_are_kept(folder: Path) -> None:
    table = runs.networks(folder, "explained").query("variant == 'as published'")
    assert [(Path(row.run).name, row.method) for row in table.itertuples()] == [
        ("1", "imn"), ("1", "grad_cam"), ("2", "imn"), ("2", "grad_cam"), ("again", "occlusion"),
    ]  # fmt: skip


def test_the_table_of_runs_has_parameters_costs_and_the_archive(folder: Path) -> None:
    table = runs.runs_table(folder, "imn_train").set_index("seed")
    assert table.loc[2, "run_train_seconds"] == 1.0
    assert table.loc[2, "archive"] == "a" * 12
    refused("no complete run of frequency_train", runs.runs_table, folder, "frequency_train")


def test_an_unfinished_run_is_skipped(folder: Path) -> None:
    (folder / "1" / "provenance.json").unlink()
    assert len(runs.find_runs(folder, "imn_train")) == 4


@pytest.mark.parametrize(
    ("name", "other"), [("epochs", 50), ("batch_size", 64), ("archive", "another")]
)
def test_two_runs_of_one_seed_are_refused_by_name(tmp_path: Path, name: str, other: object) -> None:
    toy_run(tmp_path / "one")
    toy_run(tmp_path / "the_other", **{name: other})
    table = runs.runs_table(tmp_path, "imn_train")
    refused(rf"one and the_other: .*{name}", runs.predictions_by_seed, table)
    refused(rf"one and the_other: .*{name}", runs.networks, tmp_path, "metrics")


def test_a_summary_refuses_an_archive_other_than_that_of_its_runs(tmp_path: Path) -> None:
    toy_run(tmp_path / "runs" / "one", "frequency_train", archive="b")
    store = prepare(Archive(write_archive(tmp_path / "other")), tmp_path / "store")
    params = {"runs": str(tmp_path / "runs"), "archive": str(store.path)}
    with pytest.raises(EcgcoreError, match=r"one: was computed on the archive b, but .*'archive'"):
        runs.Run("frequency_sweep", params, tmp_path / "out").open_data()


def test_runs_are_selected_by_their_parameters() -> None:
    table = pd.DataFrame(
        {**runs.NATIVE, "rate_hz": rate, **more, "run": f"{rate}{list(more)}"}
        for rate in (100, 500)
        for more in ({}, {"content_hz": 50.0}, {"receptive_field_ms": 540.0})
    )
    assert list(runs.select_runs(table, rate_hz=100).run) == ["100[]"]
    assert list(runs.select_runs(table, rate_hz=500, content_hz=50).run) == ["500['content_hz']"]
    assert runs.select_runs(table, resampler="decimate").empty
    assert list(runs.select_runs(table, rate_hz=500, receptive_field_ms=539.98).rate_hz) == [500]

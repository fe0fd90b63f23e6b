"""Runs as a table: what counts as another network, and what is the same network asked again."""

import json
from pathlib import Path

import pandas as pd
import pytest

from ecgcore import grids

USUAL = {
    "notebook": "imn_train", "task": "norm_vs_mi", "model": "imn", "protocol": "held_out",
    "epochs": 5, "seed": 1, "labels": "as_given", "methods": ["imn"],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two seeds, one of them asked a second time by more methods, and the other protocol."""

    def write(name: str, methods: tuple[str, ...], **changed: object) -> None:
        run = tmp_path / name
        run.mkdir()
        params = {**USUAL, "methods": list(methods), **changed}
        (run / "params.json").write_text(json.dumps(params))
        (run / "provenance.json").write_text("{}")
        pd.DataFrame({"metric": ["auroc", "f1"], "value": 0.5}).to_csv(
            run / "metrics.csv", index=False
        )
        pd.DataFrame({"method": methods, "mass": 0.1, "ecg_id": 7}).to_csv(
            run / "explained.csv", index=False
        )

    write("imn_train-1", ("imn", "grad_cam"))
    write("imn_train-2", ("imn", "grad_cam"), seed=2)
    write("imn_train-every_method", ("imn", "grad_cam", "occlusion"), surrogate_runs=9)
    write("imn_train-published", ("imn",), protocol="as_published")
    write("imn_train-shuffled", ("imn",), labels="shuffled")
    return tmp_path


def runs_in(table: pd.DataFrame) -> list[str]:
    return [Path(run).name.removeprefix("imn_train-") for run in table["run"].unique()]


def test_a_network_asked_again_is_no_further_seed(folder: Path) -> None:
    """Found in the recorded study: the seed that was asked for every method counted twice."""
    table = grids.networks(folder, "metrics")
    assert runs_in(table) == ["1", "2", "shuffled"]
    assert len(table) == 6
    assert table["variant"].tolist() == ["as published"] * 4 + ["shuffled labels"] * 2


def test_what_only_the_second_asking_has_is_kept(folder: Path) -> None:
    table = grids.networks(folder, "explained").query("variant == 'as published'")
    asked = [(Path(row.run).name.split("-")[1], row.method) for row in table.itertuples()]
    assert asked == [
        ("1", "imn"), ("1", "grad_cam"), ("2", "imn"), ("2", "grad_cam"),
        ("every_method", "occlusion"),
    ]  # fmt: skip


def test_protocols_are_never_mixed_unless_asked(folder: Path) -> None:
    assert "published" in runs_in(grids.networks(folder, "metrics", protocol="all"))
    other = grids.networks(folder, "metrics", protocol="as_published")
    assert set(other["protocol"]) == {"as_published"}
    for name in ("imn_train-1", "imn_train-2", "imn_train-every_method", "imn_train-shuffled"):
        (folder / name / "provenance.json").unlink()
    assert runs_in(grids.networks(folder, "metrics")) == ["published"]

"""Claims of all pages side by side: this build's beside the recorded ones, never mixed."""

from pathlib import Path

import pandas as pd
import pytest

from ecgcore import claimed, recorded


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A recorded study whose second claim is measured twice."""
    folder = tmp_path / "results"
    table = pd.DataFrame(
        {
            "claim": ["as good", "explains", "explains", "other page's"],
            "measured": ["AUROC", "mass, best rival a", "LeRF", "x"],
            "value": [-0.01, -0.2, None, 1.0], "interval": ["-0.02 to 0.01", "a", None, "b"],
            "holds where": ["at least -0.02", "at least 0", "at least 0", "y"],
            "verdict": ["undecided", "contradicted", "not measured", "supported"],
            "page": ["imn_better", "imn_better", "imn_better", "imn_belief"],
        }
    )  # fmt: skip
    facts = {"command": "x", "seconds": 120, "size": {"n_runs": 3}}
    recorded.save("imn_claims", table, facts, folder)
    larger = table.iloc[[0]].assign(value=-0.001, verdict="supported")
    recorded.save("imn_larger_claims", larger, {**facts, "seconds": 600}, folder)
    own = ["claim", "measured as", "ours", "interval", "outcome", "verdict"]
    rows = [["drops", "AUROC", "-0.1", "-0.2 to -0.01", "lower", "supported"]]
    recorded.save("sampling_claims", pd.DataFrame(rows, columns=own), {"command": "x"}, folder)
    return folder


def test_each_claim_stands_beside_its_own_record(kept: Path, tmp_path: Path) -> None:
    for page in ("imn_better", "frequency_sweep", "data_tour"):
        (tmp_path / page).mkdir()
    here = recorded.load("imn_claims", kept).table.query("page == 'imn_better'")
    here = here.assign(value=[0.0, 0.3, 0.4], verdict="supported", measured=["AUROC", "m", "LeRF"])
    here.drop(columns="page").to_csv(tmp_path / "imn_better" / "claims.csv", index=False)
    sweep = recorded.load("sampling_claims", kept).table.assign(ours=None, verdict="not run")
    sweep.to_csv(tmp_path / "frequency_sweep" / "claims.csv", index=False)
    pages = ("imn_better", "frequency_sweep", "data_tour")
    rows = claimed.gather({page: tmp_path / page for page in pages}, kept)
    told = [(r["claim"], r["verdict"], r["recorded verdict"], r["recorded value"]) for r in rows]
    assert told == [
        ("as good", "supported", "undecided", "-0.01, -0.02 to 0.01"),
        ("explains", "supported", "contradicted", "-0.2, a"),
        ("explains", "supported", "not measured", ""),
        ("drops", "not run", "supported", "-0.1, -0.2 to -0.01"),
    ]
    assert [row.get("larger verdict") for row in rows] == [
        "supported", "not measured", "not measured", None,
    ]  # fmt: skip
    assert rows[1]["value"] == "0.3, a"
    assert rows[3]["value"] == ""


def test_recorded_claims_stand_side_by_side_on_their_page(kept: Path) -> None:
    table = claimed.told("imn_better", kept)
    assert table.index.tolist() == ["as good", "explains", "explains"]
    assert table["recorded: verdict"].tolist() == ["undecided", "contradicted", "not measured"]
    assert table["larger: verdict"].tolist() == ["supported", "not measured", "not measured"]
    assert table["larger"].tolist()[0] == "-0.001, -0.02 to 0.01"


def test_a_page_can_say_how_large_its_recorded_studies_were(kept: Path) -> None:
    facts = claimed.facts("imn_better", kept)
    assert (facts["recorded_minutes"], facts["larger_minutes"]) == (2, 10)
    assert (facts["recorded_n_claims"], facts["recorded_contradicted"]) == (3, 1)
    assert (facts["larger_supported"], facts["larger_n_runs"]) == (1, 3)
    assert "code" in facts["recorded_label"]


@pytest.mark.parametrize("page", claimed.RECORDED)
def test_the_recorded_studies_have_claims_of_every_page(page: str) -> None:
    for name in claimed.RECORDED[page]:
        table = recorded.load(name).table
        assert len(table[table["page"] == page] if "page" in table else table) >= 3

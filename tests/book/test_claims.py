"""Claims with all their evidence: real first, then simulated, labelled, with every interval."""

import json
from pathlib import Path

import pandas as pd

from book.tools import claims
from ecgcore.runs import recorded


def save(folder: Path, name: str, table: pd.DataFrame, *, simulated: bool) -> None:
    facts = {"command": "x", "archive": {"is_simulated": simulated, "n_records": 9}}
    recorded.save(name, table, facts, folder)


def test_evidence_is_labelled_and_complete_with_real_first(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "claim": ["as good", "other"], "measured": "AUROC", "value": [-0.01, 1.0],
            "interval": ["-0.02 to 0.01", ""], "level": ["90 %", ""],
            "holds where": "at least -0.02", "verdict": ["undecided", "supported"],
            "page": ["imn_better", "elsewhere"],
        }
    )  # fmt: skip
    results, run = tmp_path / "results", tmp_path / "run"
    save(results, "imn_claims", table, simulated=True)
    no_page = table.drop(columns="page").assign(interval="-1 to 1", level="95 %")
    save(results, "real_claims", no_page, simulated=False)
    run.mkdir()
    table.iloc[:1].drop(columns="page").to_csv(run / "claims.csv", index=False)
    made = {"archive": {"is_simulated": True, "n_records": 5}}
    (run / "provenance.json").write_text(json.dumps(made))
    (claim,) = claims.gather({"imn_better": run}, results)
    assert (claim["page"], claim["claim"]) == ("imn_better", "as good")
    assert {row["data"]: claims.value_words(row) for row in claim["evidence"]} == {
        "real records (9 in the archive), recorded as real_claims": "-0.01 [-1 to 1, 95 %]",
        "simulated records (9 in the archive), recorded as imn_claims": (
            "-0.01 [-0.02 to 0.01, 90 %]"
        ),
        "simulated records (5 in the archive), this build": "-0.01 [-0.02 to 0.01, 90 %]",
    }
    assert claim["evidence"][0]["data"].startswith("real")


def test_a_page_adds_evidence_to_the_claims_of_another(tmp_path: Path) -> None:
    rest = "AUROC,1,,,,undecided\n"
    columns = "claim,data,page,measured,value,interval,level,holds where,verdict\n"
    tables = {
        "real_imn": columns.replace("page,", "") + f"as good,real,{rest}",
        "simulated": f"{columns}as good,simulated,real_imn,{rest}new,simulated,not here,{rest}",
    }
    for page, table in tables.items():
        (tmp_path / page).mkdir()
        (tmp_path / page / "claims.csv").write_text(table)
        (tmp_path / page / "provenance.json").write_text("{}")
    first, second = claims.gather({page: tmp_path / page for page in tables}, tmp_path)
    assert (first["page"], first["claim"]) == ("real_imn", "as good")
    assert [(row["data"], row["source"]) for row in first["evidence"]] == [
        ("real", "real_imn"), ("simulated", "simulated"),
    ]  # fmt: skip
    assert (second["page"], second["claim"]) == ("simulated", "new")


def test_a_claim_tested_by_several_pages_is_listed_once(tmp_path: Path) -> None:
    columns = "claim,data,measured,value,interval,level,holds where,verdict\n"
    for page, data in {"imn_better": "simulated records", "real_imn": "9 real records"}.items():
        (tmp_path / page).mkdir()
        (tmp_path / page / "claims.csv").write_text(f"{columns}as good,{data},AUROC,1,,,,undecided")
        (tmp_path / page / "provenance.json").write_text("{}")
    runs = {page: tmp_path / page for page in ("imn_better", "real_imn")}
    (claim,) = claims.gather(runs, tmp_path)
    assert claim["page"] == "real_imn"
    assert [row["source"] for row in claim["evidence"]] == ["real_imn", "imn_better"]

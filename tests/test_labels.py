"""Labels against the papers' rules, restated here, on real and invented tables."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgcore import labels
from ecgcore.errors import EcgcoreError

STATEMENTS = pd.DataFrame(
    {
        "diagnostic": [1.0, 1.0, 1.0, 1.0, 1.0, np.nan, np.nan],
        "diagnostic_class": ["NORM", "MI", "STTC", "CD", "HYP", np.nan, np.nan],
    },
    index=pd.Index(["NORM", "IMI", "NDT", "CLBBB", "LVH", "SR", "AFIB"], name="code"),
)


def table(*codes: dict[str, float]) -> pd.DataFrame:
    frame = pd.DataFrame({"scp_codes": list(codes)}, index=range(1, len(codes) + 1))
    return frame.assign(patient_id=frame.index).rename_axis("ecg_id")


CASES = table(
    {"NORM": 100.0, "SR": 0.0},
    {"IMI": 35.0, "SR": 0.0},
    {"NORM": 80.0, "IMI": 15.0},
    {"IMI": 0.0, "LVH": 100.0},
    {"NORM": 100.0, "AFIB": 0.0},
    {"AFIB": 0.0, "NDT": 100.0},
    {"SR": 0.0},
)


def test_rules_of_both_papers_by_hand() -> None:
    y = labels.task_labels(CASES, STATEMENTS, "norm_vs_mi")
    assert y.to_dict() == {1: 0, 2: 1, 4: 1, 5: 0}  # 3 has both, 6 and 7 have neither
    y = labels.task_labels(CASES, STATEMENTS, "af_vs_norm")
    assert y.to_dict() == {1: 0, 3: 0, 5: 1, 6: 1}
    y = labels.task_labels(CASES, STATEMENTS, "af_vs_rest")
    assert y.to_dict() == {1: 0, 2: 0, 3: 0, 4: 0, 5: 1, 6: 1, 7: 0}


def test_real_slice_against_the_rules_restated_on_the_raw_file(ptbxl_500: Path) -> None:
    table = pd.read_csv(ptbxl_500 / "ptbxl_database.csv", index_col="ecg_id")
    codes = table["scp_codes"] = table["scp_codes"].map(ast.literal_eval)
    # PhysioNet's own example_physionet.py: aggregate over diagnostic statements
    statements = pd.read_csv(ptbxl_500 / "scp_statements.csv", index_col=0)
    scp = statements[statements.diagnostic == 1]
    classes = codes.map(lambda c: {scp.diagnostic_class[k] for k in c if k in scp.index})
    for task in labels.TASKS[:4]:
        other = task.removeprefix("norm_vs_").upper()
        expected = {i: int(other in c) for i, c in classes.items() if (other in c) != ("NORM" in c)}
        assert labels.task_labels(table, statements, task).to_dict() == expected
    af = labels.task_labels(table, statements, "af_vs_norm")
    assert (len(af), af.sum()) == (309, 13)


def test_unknown_task_and_statement_are_refused() -> None:
    with pytest.raises(EcgcoreError, match=r"task: there is no 'norm_vs_all' .*expected one of"):
        labels.task_labels(CASES, STATEMENTS, "norm_vs_all")
    with pytest.raises(EcgcoreError, match="statement XYZ is not in scp_statements"):
        labels.superclasses(table({"XYZ": 100.0}), STATEMENTS)

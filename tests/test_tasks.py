"""Which records are in a task: the papers' rules, restated, on real and on made-up tables."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcore import tasks
from ecgcore.errors import EcgcoreError
from ecgcore.ptbxl import Archive

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


def test_xor_rule_of_paper_a() -> None:
    y = tasks.labels(CASES, STATEMENTS, "norm_vs_mi")
    assert y.to_dict() == {1: 0, 2: 1, 4: 1, 5: 0}  # 3 has both, 6 and 7 have neither
    assert y.name == "norm_vs_mi"


def test_af_rule_of_paper_b() -> None:
    y = tasks.labels(CASES, STATEMENTS, "af_vs_norm")
    assert y.to_dict() == {1: 0, 3: 0, 5: 1, 6: 1}


def test_af_against_all_others() -> None:
    y = tasks.labels(CASES, STATEMENTS, "af_vs_rest")
    assert y.to_dict() == {1: 0, 2: 0, 3: 0, 4: 0, 5: 1, 6: 1, 7: 0}


def test_likelihoods_count_as_the_policy_says() -> None:
    sure = tasks.LabelPolicy(min_likelihood=50.0)
    assert tasks.labels(CASES, STATEMENTS, "norm_vs_mi", sure).to_dict() == {1: 0, 3: 0, 4: 1, 5: 0}
    stated = tasks.LabelPolicy(unstated_counts=False)
    assert tasks.labels(CASES, STATEMENTS, "af_vs_rest", stated).sum() == 0
    assert 4 not in tasks.labels(CASES, STATEMENTS, "norm_vs_mi", stated).index


def test_policy_can_exclude_and_widen() -> None:
    policy = tasks.LabelPolicy(af_codes=("AFIB", "LVH"), exclude_codes=("NDT",))
    y = tasks.labels(CASES, STATEMENTS, "af_vs_rest", policy)
    assert y.to_dict() == {1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 7: 0}


def test_superclasses() -> None:
    got = tasks.superclasses(CASES, STATEMENTS)
    assert got.loc[3].tolist() == [True, True, False, False, False]
    assert not got.loc[7].any()
    assert got.dtypes.map(lambda kind: kind.kind == "b").all()


def test_real_slice_against_the_rules_restated_on_the_raw_file(ptbxl_500: Path) -> None:
    archive = Archive(ptbxl_500)
    raw = pd.read_csv(ptbxl_500 / "ptbxl_database.csv", index_col="ecg_id")["scp_codes"]
    codes = raw.map(ast.literal_eval)
    # PhysioNet's own example_physionet.py: aggregate over diagnostic statements
    scp = pd.read_csv(ptbxl_500 / "scp_statements.csv", index_col=0)
    scp = scp[scp.diagnostic == 1]
    classes = codes.map(lambda c: {scp.diagnostic_class[k] for k in c if k in scp.index})
    for task in tasks.TASKS[:4]:
        other = task.removeprefix("norm_vs_").upper()
        expected = {i: int(other in c) for i, c in classes.items() if (other in c) != ("NORM" in c)}
        assert tasks.labels(archive.table, archive.statements, task).to_dict() == expected
    af = tasks.labels(archive.table, archive.statements, "af_vs_norm")
    assert (len(af), af.sum()) == (309, 13)  # science.md, section 12
    counts = tasks.published_counts(archive.table, archive.statements)
    assert counts["found"].to_dict()["NORM"] == sum("NORM" in c for c in classes)
    assert counts["found"].to_dict()["AFIB"] == sum("AFIB" in c for c in codes)


def test_unknown_task_and_statement_are_refused() -> None:
    with pytest.raises(EcgcoreError, match="task: there is no 'norm_vs_all'; expected one of"):
        tasks.labels(CASES, STATEMENTS, "norm_vs_all")
    with pytest.raises(EcgcoreError, match=r"tasks\.superclasses"):
        tasks.labels(CASES, STATEMENTS, "superclass")
    with pytest.raises(EcgcoreError, match="statement XYZ is not in scp_statements"):
        tasks.superclasses(table({"XYZ": 100.0}), STATEMENTS)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(list(STATEMENTS.index)), st.sampled_from([0.0, 15.0, 100.0])
        ),
        min_size=1,
        max_size=20,
    )
)
def test_a_record_is_never_both_and_order_is_kept(codes: list[dict[str, float]]) -> None:
    frame = table(*codes)
    classes = tasks.superclasses(frame, STATEMENTS)
    for task in tasks.TASKS:
        y = tasks.labels(frame, STATEMENTS, task)
        assert y.index.is_monotonic_increasing
        assert set(y) <= {0, 1}
        if not task.startswith("af"):
            other = classes.loc[y.index, task.removeprefix("norm_vs_").upper()]
            assert (other == (y == 1)).all()
            assert (classes.loc[y.index, "NORM"] == (y == 0)).all()

"""Which records are in a task, and their labels."""

from collections.abc import Iterable

import pandas as pd

from ecgcore.errors import EcgcoreError, check_choice

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
"""PTB-XL's diagnostic superclasses: normal, myocardial infarction, ST/T change, conduction
disturbance, hypertrophy."""

TASKS = ("norm_vs_mi", "norm_vs_sttc", "norm_vs_cd", "norm_vs_hyp", "af_vs_norm", "af_vs_rest")


def superclasses(table: pd.DataFrame, statements: pd.DataFrame) -> pd.DataFrame:
    """Return which diagnostic superclasses each record of an archive or store has.

    bool, index ``ecg_id``, columns :data:`SUPERCLASSES`. A statement counts whatever its
    likelihood, as in both papers; PTB-XL's likelihood 0 means "not stated". Raises ``EcgcoreError``
    for a statement that ``scp_statements.csv`` does not list.
    """
    unknown = frozenset().union(*table["scp_codes"]) - set(statements.index)
    if unknown:
        why = "is not in scp_statements.csv; the two tables belong to different archives"
        raise EcgcoreError(f"scp_codes: statement {min(unknown)} {why}.")
    class_of = statements.loc[statements["diagnostic"] == 1, "diagnostic_class"]
    return pd.DataFrame(
        {name: _has_any(table, class_of.index[class_of == name]) for name in SUPERCLASSES}
    )


def task_labels(table: pd.DataFrame, statements: pd.DataFrame, task: str) -> "pd.Series[int]":
    """Return 0 or 1 (the pathology) for the records in a task, index ``ecg_id``, in table order.

    ``norm_vs_mi``, ``_sttc``, ``_cd``, ``_hyp`` (paper A): records with exactly one of the two
    superclasses, possibly with others. ``af_vs_norm`` (paper B): positive with an AF statement,
    else negative with NORM, else not in the task. ``af_vs_rest``: AF against every other record.
    Raises ``EcgcoreError`` for an unknown task, and like :func:`superclasses`.
    """
    check_choice("task", task, TASKS)
    if task.startswith("af_"):
        positive = _has_any(table, ["AFIB"])
        is_in = positive | _has_any(table, ["NORM"]) | (task == "af_vs_rest")
    else:
        classes = superclasses(table, statements)
        positive = classes[task.removeprefix("norm_vs_").upper()]
        is_in = positive ^ classes["NORM"]
    return positive[is_in].astype("int64").rename(task)


def _has_any(table: pd.DataFrame, codes: Iterable[str]) -> "pd.Series[bool]":
    """Return whether each record has at least one of the statements."""
    wanted = frozenset(codes)
    return table["scp_codes"].map(lambda record: not wanted.isdisjoint(record)).astype(bool)

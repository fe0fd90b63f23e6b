"""Label policy: which records are in a task, and their labels."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ecgcore.errors import EcgcoreError

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
"""PTB-XL's diagnostic superclasses: normal, myocardial infarction, ST/T change, conduction
disturbance, hypertrophy."""

TASKS = ("norm_vs_mi", "norm_vs_sttc", "norm_vs_cd", "norm_vs_hyp", "af_vs_norm", "af_vs_rest")

PUBLISHED_COUNTS = {
    "NORM": 9514,
    "MI": 5469,
    "STTC": 5235,
    "CD": 4898,
    "HYP": 2649,
    "AFIB": 1514,
    "patients": 18869,
    "records": 21799,
}
"""Records with each superclass or statement, in PTB-XL 1.0.3 as published on PhysioNet."""


@dataclass(frozen=True)
class LabelPolicy:
    """Rules for counting a statement as a label. The defaults are those of both papers.

    Attributes
    ----------
    min_likelihood : float
        A statement counts from this likelihood on, in percent.
    unstated_counts : bool
        Whether likelihood 0, PTB-XL's mark of "not stated", counts too. Both papers ignore
        likelihoods, so it does by default.
    af_codes : tuple of str
        Statements that make a record atrial fibrillation.
    exclude_codes : tuple of str
        Records with any of these statements are in no task.
    """

    min_likelihood: float = 0.0
    unstated_counts: bool = True
    af_codes: tuple[str, ...] = ("AFIB",)
    exclude_codes: tuple[str, ...] = ()

    def codes(self, scp_codes: Mapping[str, float]) -> frozenset[str]:
        """Return the statements of one record that count."""
        return frozenset(
            code
            for code, likelihood in scp_codes.items()
            if (self.unstated_counts if likelihood == 0 else likelihood >= self.min_likelihood)
        )


PUBLISHED = LabelPolicy()


def superclasses(
    table: pd.DataFrame, statements: pd.DataFrame, policy: LabelPolicy = PUBLISHED
) -> pd.DataFrame:
    """Return the multi-label target: which diagnostic superclasses each record has.

    Parameters
    ----------
    table, statements
        Tables of an archive or store.

    Returns
    -------
    pandas.DataFrame
        bool, index ``ecg_id`` (all records), columns :data:`SUPERCLASSES`.

    Raises
    ------
    EcgcoreError
        A record has a statement that ``scp_statements.csv`` does not list.
    """
    diagnostic = statements.index[statements["diagnostic"] == 1]
    class_of = statements.loc[diagnostic, "diagnostic_class"]
    counted = table["scp_codes"].map(policy.codes)
    unknown = frozenset().union(*counted) - set(statements.index)
    if unknown:
        raise EcgcoreError(
            f"scp_codes: statement {min(unknown)} is not in scp_statements.csv; "
            "the two tables belong to different archives."
        )
    codes_of = {name: class_of.index[class_of == name] for name in SUPERCLASSES}
    return pd.DataFrame({name: _has_any(counted, codes_of[name]) for name in SUPERCLASSES})


def task_labels(
    table: pd.DataFrame, statements: pd.DataFrame, task: str, policy: LabelPolicy = PUBLISHED
) -> "pd.Series[int]":
    """Return the labels of the records that are in a task.

    ``norm_vs_mi``, ``_sttc``, ``_cd``, ``_hyp`` (paper A): records with exactly one of the two
    superclasses (exclusive or); they may have other superclasses too. ``af_vs_norm`` (paper B):
    positive with an AF statement, else negative with NORM, else not in the task. ``af_vs_rest``:
    AF against every other record.

    Returns
    -------
    pandas.Series of int
        0 or 1 (the pathology), index ``ecg_id``, in the table's order.

    Raises
    ------
    EcgcoreError
        Unknown task, or a statement that ``scp_statements.csv`` does not list.
    """
    if task not in TASKS:
        hint = ""
        if task == "superclass":
            hint = " (the multi-label target is made by labels.superclasses)"
        raise EcgcoreError(f"task: there is no '{task}'; expected one of {', '.join(TASKS)}{hint}.")
    counted = table["scp_codes"].map(policy.codes)
    if task.startswith("af_"):
        positive = _has_any(counted, policy.af_codes)
        is_in = positive | _has_any(counted, ["NORM"]) if task == "af_vs_norm" else positive | True
    else:
        classes = superclasses(table, statements, policy)
        positive = classes[task.removeprefix("norm_vs_").upper()]
        is_in = positive ^ classes["NORM"]
    chosen = is_in & ~_has_any(counted, policy.exclude_codes)
    return positive[chosen].astype("int64").rename(task)


def published_counts(table: pd.DataFrame, statements: pd.DataFrame) -> pd.DataFrame:
    """Compare an archive with PTB-XL 1.0.3's published counts.

    Returns
    -------
    pandas.DataFrame
        Index: superclass, AFIB, patients, records; int columns ``published`` and ``archive``.
    """
    counts = superclasses(table, statements).sum().to_dict()
    counts["AFIB"] = int(task_labels(table, statements, "af_vs_rest").sum())
    counts["patients"] = int(table["patient_id"].nunique())
    counts["records"] = len(table)
    return pd.DataFrame(
        {"published": PUBLISHED_COUNTS, "archive": counts}, index=list(PUBLISHED_COUNTS)
    )


def _has_any(counted: "pd.Series[Any]", codes: Iterable[str]) -> "pd.Series[bool]":
    """Whether each record has at least one of the statements."""
    wanted = frozenset(codes)
    return pd.Series([bool(wanted & record) for record in counted], counted.index, dtype=bool)

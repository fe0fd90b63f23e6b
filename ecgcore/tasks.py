"""Label policy: which records are in a task, and their labels."""

from collections.abc import Mapping
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
    """What counts as a label. The defaults are what both papers do.

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
        """Statements of one record that count."""
        return frozenset(
            code
            for code, likelihood in scp_codes.items()
            if (self.unstated_counts if likelihood == 0 else likelihood >= self.min_likelihood)
        )


PUBLISHED = LabelPolicy()


def superclasses(
    table: pd.DataFrame, statements: pd.DataFrame, policy: LabelPolicy = PUBLISHED
) -> pd.DataFrame:
    """Multi-label target: which diagnostic superclasses each record has.

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
    return pd.DataFrame(
        {
            name: counted.map(frozenset(class_of.index[class_of == name]).intersection).map(bool)
            for name in SUPERCLASSES
        },
        index=table.index,
        dtype=bool,
    )


def labels(
    table: pd.DataFrame,
    statements: pd.DataFrame,
    task: str,
    policy: LabelPolicy = PUBLISHED,
) -> "pd.Series[int]":
    """Labels of the records that are in a task.

    ``norm_vs_mi``, ``_sttc``, ``_cd``, ``_hyp`` (paper A): records with exactly one of the two
    superclasses; others may be there too. ``af_vs_norm`` (paper B): AF if the record has an AF
    statement, else normal if it has NORM, else not in the task. ``af_vs_rest``: AF against every
    other record.

    Returns
    -------
    pandas.Series of int
        0 or 1 (the pathology), index ``ecg_id``, in the table's order.

    Raises
    ------
    EcgcoreError
        Unknown task.
    """
    if task not in TASKS:
        more = " (superclass has its own function, tasks.superclasses)" * (task == "superclass")
        raise EcgcoreError(f"task: there is no '{task}'; expected one of {', '.join(TASKS)}{more}.")
    counted = table["scp_codes"].map(policy.codes)
    allowed = ~counted.map(frozenset(policy.exclude_codes).intersection).map(bool).astype(bool)
    is_in, positive = _af(counted, task, policy)
    if not task.startswith("af_"):
        classes = superclasses(table, statements, policy)
        positive = classes[task.removeprefix("norm_vs_").upper()]
        is_in = positive ^ classes["NORM"]
    chosen = (is_in & allowed).astype(bool)
    return positive[chosen].astype("int64").rename(task)


def _af(
    counted: "pd.Series[Any]", task: str, policy: LabelPolicy
) -> "tuple[pd.Series[bool], pd.Series[bool]]":
    positive = counted.map(frozenset(policy.af_codes).intersection).map(bool).astype(bool)
    normal = counted.map(lambda codes: "NORM" in codes).astype(bool)
    is_in = positive | normal if task == "af_vs_norm" else positive | True
    return is_in, positive


def published_counts(table: pd.DataFrame, statements: pd.DataFrame) -> pd.DataFrame:
    """Compare an archive with PTB-XL 1.0.3's published counts.

    Returns
    -------
    pandas.DataFrame
        Index: superclass, AFIB, patients, records; columns ``published`` and ``found``.
    """
    found = superclasses(table, statements).sum().to_dict()
    found["AFIB"] = int(labels(table, statements, "af_vs_rest").sum())
    found["patients"] = int(table["patient_id"].nunique())
    found["records"] = len(table)
    return pd.DataFrame({"published": PUBLISHED_COUNTS, "found": found}).loc[list(PUBLISHED_COUNTS)]

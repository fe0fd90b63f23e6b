"""The quality report of an archive: what the book's page and its CSV show."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from ecgcore import tasks
from ecgcore.ptbxl import Archive
from ecgcore.wfdb16 import Store, inspect
from ecgcore.wfdb16.checks import NOISE_COLUMNS, as_table

FULL = 21799
"""Records of the whole of PTB-XL 1.0.3."""


def report(
    archive: Archive,
    rates_hz: tuple[int, ...] | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Everything that can be found wrong with an archive, without preparing it.

    A prepared store carries the same report as its ``quality``.

    Returns
    -------
    pandas.DataFrame
        One row an issue: ``ecg_id`` (0 for a file without row), ``rate_hz`` (0 where it does not
        matter), ``lead``, ``kind``, ``severity`` (error: left out of stores; warning; note) and
        ``detail``, a sentence.
    """
    return as_table(inspect(archive, rates_hz or archive.rates_hz, progress=progress))


def summary(quality: pd.DataFrame) -> pd.DataFrame:
    """Issues and records by severity, kind and rate: the table of the quality page."""
    grouped = quality.groupby(["severity", "kind", "rate_hz"])["ecg_id"]
    counts = grouped.agg(["size", "nunique"])
    return counts.set_axis(["issues", "records"], axis=1).reset_index()


def faults(quality: pd.DataFrame) -> pd.DataFrame:
    """Errors, then warnings, by record and rate; notes left out."""
    found = quality[quality["severity"] != "note"]
    return found.sort_values(["severity", "ecg_id", "rate_hz"], kind="stable", ignore_index=True)


def twins(store: Store) -> pd.DataFrame:
    """Records of a store that repeat an earlier one.

    Returns
    -------
    pandas.DataFrame
        One row a repetition: ``ecg_id`` and ``repeats`` (the earlier record), ``whose`` (the same
        patient | another patient), and of both, joined by *and*, ``patients``, ``folds`` and
        ``statements``.
    """
    table = store.table
    rows: list[tuple[Any, ...]] = []
    for ecg_id, first in table["duplicate_of"].dropna().items():
        pair = table.reindex([int(first), ecg_id])  # the first may have been left out
        patients, folds = (pair[column].astype("Int64") for column in ("patient_id", "strat_fold"))
        statements = pair["scp_codes"].map(" ".join, na_action="ignore")
        whose = "the same patient" if patients.nunique() == 1 else "another patient"
        both = (" and ".join(map(str, pairs)) for pairs in (patients, folds, statements))
        rows.append((ecg_id, int(first), whose, *both))
    columns = ["ecg_id", "repeats", "whose", "patients", "folds", "statements"]
    return pd.DataFrame(rows, columns=columns)


def noise_notes(source: Archive | Store) -> pd.DataFrame:
    """Share of records with a remark in PTB-XL's own quality columns, by superclass and for AF.

    Returns
    -------
    pandas.DataFrame
        Index: *all*, the superclasses, *AF*; columns :data:`~ecgcore.wfdb16.checks.NOISE_COLUMNS`.
    """
    table = source.table
    noted = table.reindex(columns=list(NOISE_COLUMNS)).notna()
    of_class = tasks.superclasses(table, source.statements)
    of_class["AF"] = tasks.labels(table, source.statements, "af_vs_rest").astype(bool)
    shares = {"all": noted.mean(), **{name: noted[of_class[name]].mean() for name in of_class}}
    return pd.DataFrame(shares).T.rename_axis("class")


def check_published_counts(source: Archive | Store) -> pd.DataFrame | None:
    """Compare the full PTB-XL 1.0.3 with its published class counts, damaged records included.

    Returns
    -------
    pandas.DataFrame or None
        Columns ``published``, ``found`` and ``agrees``; None where the archive is simulated or
        only a part of PTB-XL, of which nothing is published.
    """
    table = source.table
    if isinstance(source, Store) and len(source.left_out):
        table = pd.concat([table, source.left_out])
    if source.is_simulated or len(table) != FULL:
        return None
    counts = tasks.published_counts(table, source.statements)
    return counts.assign(agrees=counts["published"] == counts["found"])

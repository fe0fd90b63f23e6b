"""The quality report of an archive: what the book's page and its CSV show."""

from collections.abc import Callable

import pandas as pd

from ecgcore import tasks
from ecgcore.ptbxl import Archive
from ecgcore.wfdb16 import Store, inspect
from ecgcore.wfdb16.checks import as_table

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


def check_published_counts(source: Archive | Store) -> pd.DataFrame | None:
    """Compare the full PTB-XL 1.0.3 with its published class counts.

    Returns
    -------
    pandas.DataFrame or None
        Columns ``published``, ``found`` and ``agrees``; None where the archive is simulated or
        only a part of PTB-XL, of which nothing is published.
    """
    if source.is_simulated or len(source.table) != FULL:
        return None
    counts = tasks.published_counts(source.table, source.statements)
    return counts.assign(agrees=counts["published"] == counts["found"])

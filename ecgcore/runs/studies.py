"""Recorded studies as pages read them: predictions by seed, comparisons, tables for readers.

The tables come from :func:`ecgcore.runs.recorded.load_study`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ecgcore import statistics

if TYPE_CHECKING:
    from ecgcore.explanations.controls import Comparison


def by_seed(table: pd.DataFrame, part: str = "test") -> dict[Any, pd.DataFrame]:
    """Return one table of predictions per seed, with ``ranking`` and ``score`` of each logit.

    ``table`` has the columns ``seed``, ``logit`` and, if it holds several parts, ``part``.
    """
    rows = table[table["part"] == part] if "part" in table else table
    rows = rows.assign(
        ranking=statistics.ranking(rows["logit"]),
        score=statistics.positive_probability(rows["logit"]),
    )
    return dict(list(rows.groupby("seed")))


def compare_pairs(
    networks: Mapping[str, Any], pairs: Sequence[tuple[str, str]], margin: float, **options: Any
) -> pd.DataFrame:
    """Return one row per pair: the first network's metric minus the second's, over their seeds.

    The p values are corrected for all pairs (Holm). ``options`` as for
    :func:`ecgcore.statistics.seed_difference`.
    """
    compared = [statistics.seed_difference(networks[a], networks[b], **options) for a, b in pairs]
    corrected = statistics.holm([one.p for one in compared])
    rows = []
    for (a, b), one, p in zip(pairs, compared, corrected, strict=True):
        verdict = one.verdict(margin, p=p)
        row = {"cell": a, "minus": b, **one.row(), **one.sizes, "p_holm": p}
        rows.append({**row, "verdict": verdict.word, "reason": verdict.reason})
    return pd.DataFrame(rows)


def compare_maps(
    table: pd.DataFrame, metrics: Sequence[str], controls: Sequence[str] = ()
) -> "Comparison":
    """Compare recorded maps with the strongest of ``controls``, by default those of the table.

    ``table`` has ``ecg_id, patient_id, method``, ``control`` (true or false) and the metrics.
    """
    from ecgcore.explanations import compare_with_controls  # loads torch

    rows = table.rename(columns={"ecg_id": "record", "patient_id": "group"})
    names = list(controls) or list(rows.loc[rows["control"], "method"].unique())
    return compare_with_controls(rows, names, metrics=metrics)


def readable(table: pd.DataFrame, columns: Sequence[str] = (), decimals: int = 3) -> pd.DataFrame:
    """Return columns of a table as text, each with one number format; missing values are empty.

    Differences, and the limits of their intervals, have a sign.
    """
    shown = (table[list(columns)] if columns else table).infer_objects()
    signed = {"difference", "low", "high"} if "difference" in shown else set()

    def text(value: Any, name: str) -> str:
        if pd.isna(value):
            return ""
        if isinstance(value, float):
            small = name in ("p", "p_holm") and value < 0.001
            sign = "+" if name in signed else ""
            return "< 0.001" if small else f"{value:{sign}z.{decimals}f}"
        return f"{value:,}" if isinstance(value, int) else str(value)

    words = {name: [text(value, str(name)) for value in shown[name].tolist()] for name in shown}
    return pd.DataFrame(words, index=shown.index)

"""The claims of all pages in one table: this build's verdicts beside the recorded ones."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ecgcore import recorded

RECORDED = {
    "imn_evaluation": "imn_claims",
    "imn_belief": "imn_claims",
    "imn_better": "imn_claims",
    "frequency_sweep": "sampling_claims",
}
"""Recorded table of the claims of each page that has some."""

_NAMES = {"measured as": "measured", "ours": "value", "95 % interval": "interval"}


def gather(runs: Mapping[str, Path], folder: Path = recorded.FOLDER) -> list[dict[str, str]]:
    """One row a claim, in the order of the pages.

    Parameters
    ----------
    runs
        Run directory of each page, by the page's name; those with a ``claims.csv`` count.
    folder
        Of recorded results.

    Returns
    -------
    list of dict
        ``page``, ``claim``, ``measured``, ``holds where`` and, for this build and the recorded
        study, ``value`` with its interval and ``verdict`` (``recorded value``, ``recorded
        verdict``).
    """
    rows = []
    for page, run in runs.items():
        path = run / "claims.csv"
        if page not in RECORDED or not path.exists():
            continue
        before = _tidy(recorded.load(RECORDED[page], folder).table, page)
        for key, one in _tidy(pd.read_csv(path), page).items():
            kept = before.get(key, {})
            rows.append(
                {
                    "page": page,
                    **{name: one.get(name, "") for name in ("claim", "measured", "holds where")},
                    "value": _value(one),
                    "verdict": one["verdict"],
                    "recorded value": _value(kept),
                    "recorded verdict": kept.get("verdict", "not measured"),
                }
            )
    return rows


def _tidy(table: pd.DataFrame, page: str) -> dict[tuple[str, int], dict[str, str]]:
    """A page's claims as text, by claim and how often it came before: some are measured twice."""
    table = table.rename(columns=_NAMES).fillna("").astype(str)
    if "page" in table:
        table = table[table["page"] == page]
    rows = [{str(k): str(v) for k, v in row.items()} for row in table.to_dict("records")]
    seen = Counter[str]()
    found = {}
    for row in rows:
        found[row["claim"], seen[row["claim"]]] = row
        seen[row["claim"]] += 1
    return found


def _value(row: Mapping[str, str]) -> str:
    value = row.get("value", "")
    return f"{value} ({row['interval']})" if value else ""

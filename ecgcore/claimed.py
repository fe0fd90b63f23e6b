"""The claims of all pages in one table: this build's verdicts beside the recorded ones."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore import recorded

IMN_STUDIES = ("imn_claims", "imn_larger_claims")

RECORDED = {
    "imn_evaluation": IMN_STUDIES,
    "imn_belief": IMN_STUDIES,
    "imn_better": IMN_STUDIES,
    "frequency_sweep": ("sampling_claims",),
}
"""Recorded tables of the claims of each page that has some: the first study's, the larger one's."""

WORDS = ("recorded", "larger")
"""What these studies are called."""

_NAMES = {"measured as": "measured", "ours": "value"}


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
        studies, ``value`` with its interval and ``verdict`` (``recorded value``, ``recorded
        verdict``; ``larger value``, ``larger verdict``).
    """
    rows = []
    for page, run in runs.items():
        path = run / "claims.csv"
        if page not in RECORDED or not path.exists():
            continue
        studies = _studies(page, folder)
        for key, one in _tidy(pd.read_csv(path), page).items():
            row = {
                "page": page,
                **{name: one.get(name, "") for name in ("claim", "measured", "holds where")},
                "value": _value(one),
                "verdict": one["verdict"],
            }
            for word, before in studies.items():
                kept = before.get(key, {})
                row[f"{word} value"] = _value(kept)
                row[f"{word} verdict"] = kept.get("verdict", "not measured")
            rows.append(row)
    return rows


def told(page: str, folder: Path = recorded.FOLDER) -> pd.DataFrame:
    """The claims of a page as the recorded studies found them, one row a claim."""
    rows = []
    studies = _studies(page, folder)
    for key in studies[WORDS[0]]:
        row = {"claim": key[0]}
        for word, before in studies.items():
            kept = before.get(key, {})
            row |= {"measured": kept["measured"]} if word == WORDS[0] else {}
            row |= {word: _value(kept), f"{word}: verdict": kept.get("verdict", "not measured")}
        rows.append(row)
    return pd.DataFrame(rows).set_index("claim")


def facts(page: str, folder: Path = recorded.FOLDER) -> dict[str, Any]:
    """How large the recorded studies of a page were and what came out, for its ``results``.

    Returns
    -------
    dict
        ``recorded_label``, ``recorded_minutes``, ``recorded_n_claims``, ``recorded_supported``,
        ``recorded_contradicted`` and what the record says of its size; ``larger_...`` likewise.
    """
    found: dict[str, Any] = {}
    for word, name in zip(WORDS, RECORDED[page], strict=False):
        kept = recorded.load(name, folder)
        verdicts = [row["verdict"] for row in _tidy(kept.table, page).values()]
        every = {
            "label": kept.origin,
            "minutes": kept.facts["seconds"] / 60,
            "n_claims": len(verdicts),
            **{key: verdicts.count(key) for key in ("supported", "contradicted", "undecided")},
            **kept.facts["size"],
        }
        found |= {f"{word}_{key}": value for key, value in every.items()}
    return found


def _studies(page: str, folder: Path) -> dict[str, dict[tuple[str, int], dict[str, str]]]:
    names = zip(WORDS, RECORDED[page], strict=False)
    return {word: _tidy(recorded.load(name, folder).table, page) for word, name in names}


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
    return f"{value}, {row['interval']}" if value else ""

"""Collect the claims of both papers with all their evidence: real first, then simulated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from book.tools.facts import data_kind
from ecgcore.runs import recorded
from ecgcore.runs.directory import read_json


def gather(runs: Mapping[str, Path], folder: Path = recorded.FOLDER) -> list[dict[str, Any]]:
    """Return the claims with their evidence, in the order of the pages.

    ``runs`` holds the run directory of each page, by the page's name; the evidence is in their
    ``claims.csv`` and in every ``*claims.csv`` of recorded results in ``folder``.  A recorded row
    belongs to the page in its column ``page``, or else to the page with an identically worded
    claim.  A page that tests claims of other pages also names them in this column; if the named
    page is not in ``runs``, the claim stays where it was tested.  A claim that several pages test
    is listed once, on the page with the best evidence.  Each claim has ``page``, ``claim`` and
    ``evidence``, real records first: dicts of ``data`` (real or simulated, recorded or this build),
    ``source`` (the page that measured it, or empty), ``measured``, ``value``, ``interval``,
    ``level``, ``n``, ``holds where`` and ``verdict``.
    """
    rows = []
    for page, run in runs.items():
        if (run / "claims.csv").exists():
            facts = read_json(run / "provenance.json")
            for row in _rows(run / "claims.csv", facts, "this build"):
                place = row.get("page", page)
                rows.append({**row, "page": place if place in runs else page, "source": page})
    page_of = {row["claim"]: row["page"] for row in rows}
    for path in sorted(folder.glob("*claims.csv")):
        facts = read_json(path.with_suffix(".json"))
        rows += _rows(path, facts, f"recorded as {path.stem}")
    claims: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=_rank):
        row.setdefault("page", page_of.get(row["claim"], ""))
        row.setdefault("source", "")
        if row["page"] in runs:
            claims.setdefault(row["claim"], []).append(row)
    return [
        {"page": page, "claim": claim, "evidence": evidence}
        for page in runs
        for claim, evidence in claims.items()
        if evidence[0]["page"] == page
    ]


def _rank(row: Mapping[str, Any]) -> tuple[bool, bool]:
    return "simulated" in row["data"], "this build" in row["data"]


def _rows(path: Path, facts: Mapping[str, Any], origin: str) -> list[dict[str, Any]]:
    """Return the rows of a table of claims as text, with ``data`` added."""
    archive = facts.get("archive", {})
    n = f" ({archive['n_records']} in the archive)" if "n_records" in archive else ""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if "data" not in table:  # else the table itself says which records were read
        table = table.assign(data=f"{data_kind([archive])}{n}, {origin}")
    return [{str(k): value for k, value in row.items()} for row in table.to_dict("records")]


def value_words(row: Mapping[str, Any]) -> str:
    """Return ``value [interval, level]``, without empty parts."""
    inner = ", ".join(word for word in (row["interval"], row["level"]) if word)
    return " ".join(filter(None, [row["value"], f"[{inner}]" if inner else ""]))

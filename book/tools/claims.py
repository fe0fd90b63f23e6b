"""The claims of both papers with all evidence on them: real first, then simulated."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from book.tools.facts import data_kind
from ecgcore.runs import recorded
from ecgcore.runs.directory import read_json

_NAMES = {"measured as": "measured", "ours": "value", "95 % interval": "interval_95"}
_COLUMNS = ("claim", "measured", "value", "interval", "level", "n", "holds where", "verdict")
_LEVEL = re.compile(r"\s*\((\d+ %)\)")


def gather(runs: Mapping[str, Path], folder: Path = recorded.FOLDER) -> list[dict[str, Any]]:
    """Return the claims with their evidence, in the order of the pages.

    ``runs`` holds the run directory of each page, by the page's name; those with a ``claims.csv``
    count.  So does every ``*claims.csv`` of recorded results in ``folder``, whose rows belong to
    the page in their column ``page``, or to that which has a claim of the same words.  Each claim
    has ``page``, ``claim`` and ``evidence``: dicts of ``data`` (which says real or simulated, and
    recorded or this build), ``measured``, ``value``, ``interval``, ``level``, ``n``, ``holds
    where``, ``verdict``; evidence from real records first.
    """
    rows = []
    for page, run in runs.items():
        if (run / "claims.csv").exists():
            archive = read_json(run / "provenance.json").get("archive", {})
            rows += _rows(_read(run / "claims.csv"), page, archive, "this build")
    page_of = {row["claim"]: row["page"] for row in rows}
    for path in sorted(folder.glob("*claims.csv")):
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        table = _read(path)
        pages = table["page"] if "page" in table else table["claim"].map(page_of).fillna("")
        for page in dict.fromkeys(pages):
            part = table[pages == page]
            rows += _rows(part, page, facts.get("archive", {}), f"recorded as {path.stem}")
    return _grouped(rows, list(runs))


def _grouped(rows: list[dict[str, Any]], pages: list[str]) -> list[dict[str, Any]]:
    claims: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        claims.setdefault((row["page"], row["claim"]), []).append(row)
    known = sorted((k for k in claims if k[0] in pages), key=lambda k: pages.index(k[0]))
    return [
        {"page": page, "claim": claim, "evidence": sorted(claims[page, claim], key=_rank)}
        for page, claim in known
    ]


def _rank(row: Mapping[str, Any]) -> tuple[bool, bool]:
    return not row["data"].startswith("real"), "this build" in row["data"]


def _rows(
    table: pd.DataFrame, page: str, archive: Mapping[str, Any], origin: str
) -> list[dict[str, Any]]:
    kind = data_kind([archive])
    n = f" ({archive['n_records']} in the archive)" if "n_records" in archive else ""
    rows: list[dict[Any, Any]] = table.to_dict("records")
    return [{**row, "page": page, "data": f"{kind}{n}, {origin}"} for row in rows]


def _read(path: Path) -> pd.DataFrame:
    """Return a table of claims as text, in the columns of :func:`statistics.claims_table`."""
    if not path.read_text(encoding="utf-8").strip():  # a page whose claims were not measured
        return pd.DataFrame()
    table = pd.read_csv(path, dtype=str, keep_default_na=False).rename(columns=_NAMES)
    table = table.reindex(columns=[*dict.fromkeys([*_COLUMNS, *table.columns])], fill_value="")
    if "interval_95" in table:  # older tables have it in a column of its own
        is_only = (table["interval"] == "") & (table["interval_95"] != "")
        table.loc[is_only, "level"] = "95 %"
        table.loc[is_only, "interval"] = table.loc[is_only, "interval_95"]
    named = table["interval"].str.extract(_LEVEL)[0]
    table["level"] = table["level"].where(named.isna(), named)
    table["interval"] = table["interval"].str.replace(_LEVEL, "", regex=True)
    return table


def value_words(row: Mapping[str, Any]) -> str:
    """Return ``value [interval, level]``, with what there is of it."""
    inner = ", ".join(word for word in (row["interval"], row["level"]) if word)
    return " ".join(filter(None, [row["value"], f"[{inner}]" if inner else ""]))

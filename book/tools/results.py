"""Look up the numbers that pages quote: results and tables of runs, and recorded tables.

An address is one of::

    page.key                              a key of the run's results.json
    page.table[cnn1d,500].low             a cell of a CSV in the run directory
    page.table[model=cnn1d,rate_hz=500].low
    recorded.name[cnn1d,500].low          a cell of results/name.csv
    published.name[cnn1d,500].auroc       a cell of results/published/name.csv
    recorded.name.size.n_seeds            a fact of results/name.json; ``label`` is its origin

The brackets hold values of the table's first columns, in order and as many as are needed to
identify one row, or ``column=value`` pairs.
"""

import csv
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore.errors import EcgcoreError
from ecgcore.runs import recorded

TABLES = "tables"
"""Folder of staged tables: one folder per page, and ``recorded`` with ``recorded/published``."""

_CELL = re.compile(r"([\w-]+)\.(\w+)\[(.*)\]\.(.+)")


def look_up(source: Path, address: str) -> Any:
    """Return the number or word at an address in the staged book ``source``.

    Raises :class:`EcgcoreError`, with address and reason, if there is no value, an empty value, or
    more than one matching row.
    """
    if cell := _CELL.fullmatch(address):
        page, table, row, column = cell.groups()
        value = _cell(_read_table(source, page, table), address, row, column)
    else:
        page, _, key = address.partition(".")
        if page == "recorded":
            value = _recorded_fact(source, address, key)
        else:
            results = json.loads((source / "results.json").read_text(encoding="utf-8"))
            value = results.get(page, {}).get(key)
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        raise EcgcoreError(f"no result '{address}' in this build.")
    return value


def _read_table(source: Path, page: str, name: str) -> pd.DataFrame:
    """Return a staged table, every cell as text."""
    folder = {"published": "recorded/published"}.get(page, page)
    path = source / TABLES / folder / f"{name}.csv"
    if not path.exists():
        raise EcgcoreError(f"no table '{page}.{name}' in this build.")
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _cell(table: pd.DataFrame, address: str, row: str, column: str) -> Any:
    if column not in table:
        raise EcgcoreError(
            f"'{address}': the table has no column '{column}', only {', '.join(table.columns)}."
        )
    words = next(csv.reader([row], skipinitialspace=True), [])
    if len(words) > len(table.columns):
        raise EcgcoreError(f"'{address}': more values than the table has columns.")
    rows = table
    for position, word in enumerate(words):
        name, equals, value = word.partition("=")
        if not equals or name.strip() not in table:
            name, value = table.columns[position], word
        rows = rows[rows[name.strip()].map(_number) == _number(value.strip())]
    if len(rows) != 1:
        n = "no row" if rows.empty else f"{len(rows)} rows"
        raise EcgcoreError(
            f"'{address}': {n} with [{row}]; give values of {', '.join(table.columns)}, in this "
            "order, until they identify one row."
        )
    return _number(str(rows[column].iloc[0]))


def _number(text: str) -> Any:
    """Return text as an int or a float if possible, else unchanged."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _recorded_fact(source: Path, address: str, key: str) -> Any:
    name, _, path = key.partition(".")
    table = recorded.load(name, source / TABLES / "recorded")
    value: Any = {**table.facts, "label": table.label}
    for word in path.split("."):
        if not isinstance(value, Mapping) or word not in value:
            raise EcgcoreError(f"no fact '{address}' in results/{name}.json.")
        value = value[word]
    return value


def as_shown(value: Any, form: str) -> str:
    """Return a value formatted by Python's ``format``, with a true minus sign in numbers.

    Raises :class:`EcgcoreError` if the format does not suit the value.
    """
    try:
        text = format(value, form)
    except (TypeError, ValueError):
        raise EcgcoreError(f"{value!r} cannot be shown as '{form}'.") from None
    return text.replace("-", "\u2212") if isinstance(value, int | float) else text

"""The two tables of an archive, read with a clear word for each way in which they can be wrong."""

import ast
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.errors import EcgcoreError

_TOO_DEEP = (RecursionError, MemoryError)
"""What Python's parser raises for thousands of nested brackets."""

_LARGEST = 2**53
"""Beyond it, numbers that went through a float are no longer exact."""

REQUIRED = ("ecg_id", "patient_id", "scp_codes", "strat_fold", "filename_lr", "filename_hr")


EXACT = ("ecg_id", "patient_id", "strat_fold", "filename_lr", "filename_hr", "scp_codes")
"""Columns read as they are written: pandas would take ``TRUE`` for a number, digits for no name."""


def read_table(path: Path) -> pd.DataFrame:
    """Read ``ptbxl_database.csv``: index ``ecg_id``, ``scp_codes`` parsed into dicts.

    Raises
    ------
    EcgcoreError
        Missing, truncated, another delimiter, a column missing, or a cell that cannot be read;
        names the file, the row and the column.
    """
    table = _read_csv(path, REQUIRED)
    for column in ("ecg_id", "patient_id", "strat_fold"):
        table[column] = _whole_numbers(table[column], path)
    if table["ecg_id"].duplicated().any():
        twice = table.loc[table["ecg_id"].duplicated(), "ecg_id"].iloc[0]
        raise EcgcoreError(f"{path}: ecg_id {twice} occurs twice; expected one row a record.")
    for column in ("filename_lr", "filename_hr"):
        unsafe = table[column].isna() | table[column].astype(str).str.contains(
            r"^[/\\]|\.\.|:|\x00", regex=True
        )
        if unsafe.any():
            raise EcgcoreError(
                f"{path}: {_row(table, unsafe)} has no usable {column}; the file is truncated or "
                "damaged: fetch or copy it again."
            )
    cells = zip(table["scp_codes"], table["ecg_id"], strict=True)
    codes = [_codes(cell, path, ecg_id) for cell, ecg_id in cells]
    return table.assign(scp_codes=pd.Series(codes, index=table.index, dtype=object)).set_index(
        "ecg_id"
    )


def read_statements(path: Path) -> pd.DataFrame:
    """Read ``scp_statements.csv``: index the statement's code; errors as :func:`read_table`."""
    table = _read_csv(path, ("diagnostic", "rhythm", "diagnostic_class"))
    return table.set_index(table.columns[0]).rename_axis("code")


def _read_csv(path: Path, required: Sequence[str]) -> pd.DataFrame:
    try:
        content = path.read_bytes()
        table = pd.read_csv(io.BytesIO(content), low_memory=False, dtype=dict.fromkeys(EXACT, str))
    except FileNotFoundError:
        raise EcgcoreError(f"{path}: there is no such file; fetch or copy it again.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        why = str(error).strip().splitlines()[0]
        raise EcgcoreError(
            f"{path}: cannot be read as CSV ({why}); it is truncated or damaged: fetch it again."
        ) from None
    if b"\0" in content:  # pandas would end the cell there
        raise EcgcoreError(
            f"{path}: holds a byte that is no text (0); it is damaged: fetch it again."
        )
    if not isinstance(table.index, pd.RangeIndex):  # pandas took the first field for row names
        raise EcgcoreError(
            f"{path}: its lines have more fields than the {len(table.columns)} that its header "
            "names; a comma is missing there or too many here: fetch it again."
        )
    missing = [column for column in required if column not in table.columns]
    if missing:
        first = str(table.columns[0])
        other = next((mark for mark in ";\t|" if mark in first or len(table.columns) == 1), "")
        if other:
            raise EcgcoreError(f"{path}: is not separated by commas; save it as CSV with commas.")
        raise EcgcoreError(f"{path}: column {', '.join(missing)} is missing; fetch it again.")
    return table


def _whole_numbers(column: "pd.Series[Any]", path: Path) -> "pd.Series[int]":
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = numbers.isna() | (numbers % 1 != 0) | (numbers.abs() > _LARGEST)
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0]) + 2
        raise EcgcoreError(
            f"{path}: line {line} has no whole number in column {column.name} "
            f"(found {column[wrong].iloc[0]!r}); the file is truncated or damaged: fetch it again."
        )
    return numbers.astype(np.int64)


def _row(table: pd.DataFrame, where: "pd.Series[bool]") -> str:
    return f"the row of ecg_id {table.loc[where, 'ecg_id'].iloc[0]}"


def _codes(cell: Any, path: Path, ecg_id: int) -> dict[str, float]:
    """Parse one cell such as ``{'NORM': 100.0, 'SR': 0.0}``."""
    try:
        codes = ast.literal_eval(cell)
        found = {str(code): float(likelihood) for code, likelihood in codes.items()}
        if not all(map(math.isfinite, found.values())):
            raise ValueError("1e999 is read as infinity")
        return found
    except (ValueError, SyntaxError, AttributeError, TypeError, ArithmeticError, *_TOO_DEEP):
        raise EcgcoreError(
            f"{path}: the row of ecg_id {ecg_id} has scp_codes {str(cell)[:60]!r}; expected a "
            "dict such as {'NORM': 100.0}: the file is truncated or damaged."
        ) from None

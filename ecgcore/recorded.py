"""Recorded results: small tables of runs that a reader cannot repeat in minutes, with provenance.

``results/NAME.csv`` holds a tidy table, ``results/NAME.json`` how it was made: command,
parameters, archive, commit, versions, machine.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore import files, provenance
from ecgcore.errors import EcgcoreError

FOLDER = Path(__file__).resolve().parents[1] / "results"
"""Of this checkout."""


@dataclass(frozen=True)
class Recorded:
    """A recorded table and how it was made."""

    table: pd.DataFrame
    facts: dict[str, Any]

    @property
    def label(self) -> str:
        """What a page says beside the figures: recorded, by which command, by which code."""
        commit = str(self.facts["git_commit"])[:10]
        return f"Recorded by `{self.facts['command']}`, code `{commit}`; not made by this build."


def load(name: str, folder: Path = FOLDER) -> Recorded:
    """Read a recorded result.

    Raises
    ------
    EcgcoreError
        There is none of that name, or it cannot be read.
    """
    try:
        facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        return Recorded(pd.read_csv(folder / f"{name}.csv"), facts)
    except FileNotFoundError:
        raise EcgcoreError(
            f"{folder / name}.csv: there is no such recorded result; it lies in results/ of the "
            "checkout: run from there, or make it with the benchmark of that name."
        ) from None
    except ValueError as error:
        raise EcgcoreError(f"{folder / name}.csv: cannot be read ({error}).") from None


def save(name: str, table: pd.DataFrame, facts: Mapping[str, Any], folder: Path = FOLDER) -> None:
    """Write a result with its provenance; ``facts`` hold at least ``command``."""
    folder.mkdir(exist_ok=True)
    made = json.dumps({**facts, **provenance.here()}, indent=1) + "\n"
    for suffix, text in ((".csv", table.to_csv(index=False)), (".json", made)):
        files.write_whole(folder / f"{name}{suffix}", text)

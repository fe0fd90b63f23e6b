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

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "results"
"""Of this checkout."""


@dataclass(frozen=True)
class Recorded:
    """A recorded table and how it was made."""

    table: pd.DataFrame
    facts: dict[str, Any]

    @property
    def label(self) -> str:
        """What a page says beside the figures: recorded, by which command, by which code."""
        code = ", ".join(f"`{commit[:10]}`" for commit in self.commits)
        some = ", ".join(f"`{name}`" for name in sorted(self.changed_since() or ())[:3])
        return (
            f"Recorded by `{self.facts['command']}`, code {code}; not made by this build; "
            f"{self.age}{some and f': {some}, …'}."
        )

    @property
    def origin(self) -> str:
        """The same in few words without markup, for a sentence."""
        what = self.facts.get("configuration") or self.facts["command"]
        code = ", ".join(commit[:10] for commit in self.commits)
        return f"{what}, code {code}; {self.age}"

    @property
    def commits(self) -> list[str]:
        """Of the code that made the runs."""
        return [str(one) for one in self.facts.get("runs_commit") or [self.facts["git_commit"]]]

    @property
    def age(self) -> str:
        """Whether code that the result depends on has changed since it was made."""
        again = self.facts.get("repeated")
        told = ""
        if again:
            told = (
                f"of {again['n_runs']} of its runs, made again by code {again['commit'][:10]}, "
                f"{again['n_same']} gave the same bytes; "
            )
        changed = self.changed_since()
        if changed is None:
            return f"{told}whether its code has changed since cannot be told here"
        if not changed:
            return f"{told}no code that it depends on has changed since"
        n = f"{len(changed)} files" if len(changed) > 1 else "a file"
        return f"{told}stale, perhaps: {n} it depends on changed since"

    def changed_since(self, root: Path | None = None) -> set[str] | None:
        """Files that the result depends on and that differ from those that made it.

        Or from those that repeated some of its runs, where all of these gave the same bytes.
        """
        computed = [f"ecgcore/{name}" for name in (*provenance.COMPUTING, *provenance.MAKING)]
        paths = [*computed, *self.facts.get("depends_on", [])]
        again = self.facts.get("repeated")
        commits = self.commits
        if again and again["n_same"] == again["n_runs"]:
            commits = [again["commit"]]
        each = [provenance.changed_since(root or ROOT, commit, paths) for commit in commits]
        if any(changed is None for changed in each):
            return None
        return {name for changed in each for name in changed or ()}


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
    """Write a result with its provenance.

    Parameters
    ----------
    facts
        At least ``command``.  ``runs_commit`` names the commits that made the runs, where it is
        not the present one; ``depends_on`` files of the checkout, such as notebooks, that make the
        result stale when they change, beside the code that computes; ``repeated`` is what
        :func:`repeated` found.
    """
    folder.mkdir(exist_ok=True)
    made = json.dumps({**facts, **provenance.here()}, indent=1) + "\n"
    for suffix, text in ((".csv", table.to_csv(index=False)), (".json", made)):
        files.write_whole(folder / f"{name}{suffix}", text)


def repeated(runs: Path, again: Path) -> dict[str, Any]:
    """Compare runs with some of them made again, by the bytes of their predictions.

    Parameters
    ----------
    runs, again
        Folders of run directories; those of ``again`` are called as in ``runs``.

    Raises
    ------
    EcgcoreError
        ``again`` holds no run, one that ``runs`` lacks, or runs of several commits.
    """
    made = sorted(path.parent for path in again.glob("*/predictions.parquet"))
    commits = {json.loads((run / "provenance.json").read_text())["git_commit"] for run in made}
    if len(commits) != 1:
        raise EcgcoreError(f"{again}: expected runs of one commit, found {len(commits)} commits.")
    same = 0
    for run in made:
        before = runs / run.name / "predictions.parquet"
        if not before.exists():
            raise EcgcoreError(f"{before}: there is no such run; name those made again as before.")
        same += before.read_bytes() == (run / "predictions.parquet").read_bytes()
    return {"commit": commits.pop(), "n_runs": len(made), "n_same": same}

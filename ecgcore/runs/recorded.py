"""Recorded results: small tables of runs that a reader cannot repeat in minutes, with provenance.

``results/NAME.csv`` holds a tidy table, ``results/NAME.json`` its provenance: command, parameters,
archive, commit, versions, machine. ``results/published/`` holds figures that others published, with
their sources; they are shown beside ours, never among them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ecgcore import files
from ecgcore.errors import EcgcoreError
from ecgcore.runs import provenance

FOLDER = provenance.ROOT / "results"


class Recorded(NamedTuple):
    """A recorded table and its provenance."""

    table: pd.DataFrame
    facts: dict[str, Any]

    @property
    def commits(self) -> list[str]:
        """Commits of the code with which the runs were computed."""
        return [str(c) for c in self.facts.get("runs_commit") or [self.facts["git_commit"]]]

    @property
    def label(self) -> str:
        """Sentences in Markdown for a page: command, code, processor, and what changed since.

        The processor is named unless the runs were computed elsewhere (``runs_commit``).
        """
        code = ", ".join(f"`{commit[:10]}`" for commit in self.commits)
        processor = "" if "runs_commit" in self.facts else self.facts.get("processor", "")
        where = f" on {processor}" if processor else ""
        changed = self.changed_since()
        sentences = [f"Recorded by `{self.facts['command']}` with code version {code}{where}."]
        if repeated := self.facts.get("repeated"):
            sentences.append(
                f"We repeated {repeated['n_runs']} of the runs with code version "
                f"`{repeated['commit'][:10]}`; {repeated['n_same']} matched exactly."
            )
        if self.facts.get("runs_dirty", self.facts.get("git_dirty")):
            sentences.append("The code had uncommitted changes at that time.")
        if changed is None:
            sentences.append("This version is not in this repository; later changes are unknown.")
        elif changed:
            names = ", ".join(sorted(changed)[:3]) + (", …" if len(changed) > 3 else "")
            n = "one source file has" if len(changed) == 1 else f"{len(changed)} source files have"
            again = "so this result may need to be computed again"
            sentences.append(f"Since then, {n} changed ({names}), {again}.")
        else:
            sentences.append("No code that this result depends on has changed since.")
        return " ".join(sentences)

    def changed_since(self) -> set[str] | None:
        """Return the files that the result depends on and that have changed since.

        These are the notebooks and scripts in ``depends_on`` and all our modules that they import;
        None if a commit is not in the repository. Repeated runs do not make a result newer.
        """
        root, paths = provenance.ROOT, set(self.facts.get("depends_on", []))
        for source in [root / name for name in paths]:
            if source.suffix in (".py", ".ipynb") and source.exists():
                paths |= {str(p.relative_to(root)) for p in provenance.dependencies(source)}
        listed = sorted(paths or provenance.OUR_PACKAGES)
        changes = [provenance.changed_since(root, commit, listed) for commit in self.commits]
        return None if None in changes else {name for names in changes for name in names or ()}


def load(name: str, folder: Path = FOLDER) -> Recorded:
    """Read a recorded result; raise :class:`EcgcoreError` if it is missing or unreadable."""
    try:
        facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        return Recorded(pd.read_csv(folder / f"{name}.csv"), facts)
    except FileNotFoundError:
        why = "there is no such recorded result; those of the book are in results/ of the checkout"
        raise EcgcoreError(f"{folder / name}.csv: {why}.") from None
    except ValueError as error:
        raise EcgcoreError(f"{folder / name}.csv: cannot be read ({error}).") from None


def load_study(name: str, folder: Path = FOLDER) -> dict[str, Recorded]:
    """Read every table of the folder ``results/NAME``, by the table's name.

    Raises :class:`EcgcoreError` if there is none.
    """
    names = sorted(path.stem for path in (folder / name).glob("*.csv"))
    if not names:
        why = "there are no tables of this study; those of the book come with the checkout"
        raise EcgcoreError(f"{folder / name}: {why}.")
    return {stem: load(f"{name}/{stem}", folder) for stem in names}


def save(name: str, table: pd.DataFrame, facts: Mapping[str, Any], folder: Path = FOLDER) -> None:
    """Write a result with its provenance.

    ``facts`` hold at least ``command``. ``runs_commit`` names the commits that computed the
    runs, if not the present one, and ``runs_dirty`` says that one of them had uncommitted changes;
    ``depends_on`` names notebooks and scripts whose change makes the result stale.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = {**facts, **provenance.here()}  # before the table makes the checkout differ
    files.write_whole(folder / f"{name}.csv", table.to_csv(index=False))
    files.write_json(folder / f"{name}.json", facts)

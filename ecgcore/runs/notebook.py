"""A run, seen from inside its notebook: check the parameters, open the data, leave the results."""

import ast
import datetime
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from ecgcore import files
from ecgcore.data import Store, find_archive, open_data
from ecgcore.errors import EcgcoreError
from ecgcore.runs import directory, parameters, provenance

KERNEL_ENDS_S = 30.0
"""A kernel whose runner was killed notices it within a second or two, and ends."""


@dataclass
class Run:
    """One run. ``params`` are checked values by name; ``dir`` is where results go."""

    notebook: str
    params: dict[str, Any]
    dir: Path
    started: float = field(default_factory=time.time)
    lock: FileLock | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def open_data(self) -> Store:
        """Open the archive that the parameter ``archive`` names, and prepare it first if necessary.

        Its identity goes into the run's provenance. Raises :class:`EcgcoreError` if there is none,
        or if the runs that a summary reads were computed on another archive.
        """
        store = open_data(self.params["archive"])
        self.data = {
            "name": store.name,
            "is_simulated": store.is_simulated,
            "fingerprint": store.fingerprint,
            "n_records": len(store.table),
            "n_patients": int(store.table["patient_id"].nunique()),
        }
        if "runs" in self.params:
            directory.check_archive(self.params["runs"], store.fingerprint, store.name)
        return store

    def note(self, **facts: Any) -> None:
        """Add facts (device, records used, ...) to the run's provenance."""
        self.data.update(facts)

    def finish(
        self,
        *,
        metrics: pd.DataFrame | None = None,
        predictions: pd.DataFrame | None = None,
        tables: Mapping[str, pd.DataFrame] | None = None,
        results: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the run directory: tables first, ``provenance.json`` last, each file whole.

        ``metrics`` is tidy (one row per part and metric, with its interval), ``predictions`` has
        one row per record; ``tables`` are CSV files by stem, none without columns; ``results`` are
        numbers and words by name that prose may quote.
        """
        with files.file_errors(self.dir):
            for stem, table in {"metrics": metrics, **(tables or {})}.items():
                if table is not None and len(table.columns):
                    files.write_whole(self.dir / f"{stem}.csv", table.to_csv(index=False))
            if predictions is not None:
                path = self.dir / "predictions.parquet"
                files.write_whole(path, lambda part: predictions.to_parquet(part, index=False))
            computed = {"notebook": self.notebook, **parameters.computed(self.params)}
            files.write_json(self.dir / "results.json", dict(results or {}))
            files.write_json(self.dir / "params.json", computed)
            file = self.dir / "provenance.json"
            file.unlink(missing_ok=True)
            source = provenance.ROOT / "notebooks" / f"{self.notebook}.ipynb"
            written = (p for p in sorted(self.dir.iterdir()) if p.suffix in directory.RESULTS)
            facts = {
                "notebook": self.notebook,
                "identity": run_identity(self.notebook, self.params),
                "tier": self.params.get("tier", "custom"),
                "seed": self.params.get("seed"),
                "archive": self.data,
                "started": datetime.datetime.fromtimestamp(self.started, datetime.UTC).isoformat(),
                "seconds": round(time.time() - self.started, 2),
                **provenance.here(source if source.exists() else None),
                "files": {path.name: files.sha256(path) for path in written},
            }
            files.write_json(file, facts)
        if self.lock is not None:
            files.release(self.lock)


def run_identity(notebook: str, values: Mapping[str, Any]) -> str:
    """Return a hash of a notebook's parameters and, for a summary, of the runs that it reads."""
    digest = f"-{directory.runs_digest(values['runs'])}" if values.get("runs") else ""
    return parameters.identity(notebook, values) + digest


def begin(notebook: str) -> Run:
    """Check the parameters of the notebook that calls this, and start its run.

    The parameters cell, and what papermill injected after it, come from IPython's history, so that
    an undeclared name is noticed too. Checked values replace those in the notebook's namespace.
    Raises ``EcgcoreError`` for an unknown name, a value that is not allowed, a missing device or
    archive, a run directory that is in use or cannot be written, and outside a notebook.
    """
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise EcgcoreError("runs.begin: call this in a notebook, right after its parameters cell.")
    pd.set_option("display.max_colwidth", None)  # tables show their words in full
    pd.set_option("styler.format.precision", 3, "styler.format.na_rep", "")
    declared, injected = _parameter_cells(notebook, shell.user_ns["In"])
    names = dict.fromkeys([*(parameter.name for parameter in declared), *injected])
    values = parameters.check(declared, {name: shell.user_ns[name] for name in names})
    shell.user_ns.update(values)
    if "device" in values:
        from ecgcore.training import resolve_device

        resolve_device(values["device"])  # fails now, not after minutes of preparation
    if "archive" in values:
        find_archive(values["archive"])
    stem = f"{notebook}-{parameters.identity(notebook, values)}"
    folder = Path(values.get("out") or Path("runs") / stem)
    with files.file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = files.acquire(folder, KERNEL_ENDS_S)
    return Run(notebook, values, folder, lock=lock)


def _parameter_cells(
    notebook: str, history: Sequence[str]
) -> tuple[list[parameters.Parameter], list[str]]:
    """Return declared parameters, and names that papermill injected, from the cells run so far.

    A cell counts as the parameters cell if it declares parameters and nothing else; of several, one
    of which may be a reader's own, the longest counts.
    """
    declared: list[parameters.Parameter] = []
    injected: list[str] = []
    problem = EcgcoreError(f"{notebook}: its parameters cell has not been run; run it first.")
    for source in history:
        if source.startswith(parameters.INJECTED):
            nodes = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
            injected += [ast.unparse(node.targets[0]) for node in nodes]
            continue
        try:
            declared = max(declared, parameters.parse_cell(source), key=len)
        except EcgcoreError as error:
            problem = error if ": str = " in source or ": int = " in source else problem
    if not declared:
        raise problem
    return declared, injected

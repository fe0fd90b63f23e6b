"""Runs: a notebook executed once with one set of parameters, and the directory it leaves.

In a notebook, ``run = study.begin("frequency_train")`` checks the parameters before anything is
computed, and ``run.finish(...)`` writes the run directory. From outside, :func:`run_notebook`
checks, executes through papermill, passes the result through the :func:`gate`, and only then
gives the directory its final name. A plain ``papermill`` call gets the same check and directory.
"""

import ast
import datetime
import json
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from ecgcore import files, parameters, provenance
from ecgcore.errors import EcgcoreError
from ecgcore.run_directory import (
    RESULTS,
    damage,
    digest,
    find_runs,
    is_current,
    is_whole,
    load_predictions,
    load_runs,
    load_tables,
)

__all__ = [
    "Run",
    "begin",
    "damage",
    "find_runs",
    "gate",
    "is_current",
    "is_whole",
    "load_predictions",
    "load_runs",
    "load_tables",
    "run_notebook",
]


KERNEL_ENDS_S = 30.0
"""A kernel whose runner was killed notices it within a second or two, and ends."""


@dataclass
class Run:
    """One run, seen from inside its notebook.

    ``params`` are checked values by name; ``dir`` is where results go.
    """

    notebook: str
    params: dict[str, Any]
    dir: Path
    started: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.monotonic)
    lock: FileLock | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def open_data(self) -> Any:
        """Open the archive that the parameter ``archive`` names, as a prepared store.

        Returns
        -------
        ecgcore.wfdb16.Store
            Prepared on the way if need be; what it is goes into the run's provenance.
        """
        from ecgcore import datasets

        store = datasets.open_data(self.params["archive"])
        self.data = datasets.describe(store)
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

        Parameters
        ----------
        metrics
            Tidy: one row a (part, metric), with its interval.
        predictions
            One row a record, written as ``predictions.parquet``.
        tables
            Further tables by file stem, written as CSV.
        results
            Named numbers and words that prose may quote.
        """
        with files.told_in_words(self.dir):
            for stem, table in {"metrics": metrics, **(tables or {})}.items():
                if table is not None:
                    files.write_whole(self.dir / f"{stem}.csv", table.to_csv(index=False))
            if predictions is not None:
                to = self.dir / "predictions.parquet"
                files.write_whole(to, lambda path: predictions.to_parquet(path, index=False))
            files.write_whole(self.dir / "results.json", _json(dict(results or {})))
            kept = {k: v for k, v in self.params.items() if k not in parameters.PLACES}
            params = _json({"notebook": self.notebook, **kept})
            files.write_whole(self.dir / "params.json", params)
            files.write_whole(self.dir / "provenance.json", _json(self._facts()))
        if self.lock is not None:
            files.release(self.lock)

    def _facts(self) -> dict[str, Any]:
        """What made this run, and the files that it left."""
        return {
            "notebook": self.notebook,
            "identity": parameters.identity(self.notebook, self.params),
            "tier": self.params.get("tier", "custom"),
            "seed": self.params.get("seed"),
            "archive": self.data,
            "started": datetime.datetime.fromtimestamp(self.started, datetime.UTC).isoformat(),
            "seconds": round(time.monotonic() - self.clock, 2),
            **provenance.here(),
            "files": {
                path.name: digest(path)
                for path in sorted(self.dir.iterdir())
                if path.suffix in RESULTS and path.name != "provenance.json"
            },
        }


def begin(notebook: str) -> Run:
    """Check the parameters of the notebook that calls this, and start its run.

    Reads the parameters cell, and what papermill injected after it, from IPython's own history,
    so that a name which the notebook never declared is found too. Checked values are put back
    into the notebook's namespace in their declared types.

    Raises
    ------
    EcgcoreError
        Unknown name or value that is not allowed; a device that is not there; a run directory
        that cannot be written or in which another process works; called outside a notebook.
    """
    from IPython import get_ipython  # type: ignore[attr-defined]

    shell = get_ipython()  # type: ignore[no-untyped-call]
    if shell is None:
        raise EcgcoreError("study.begin: call this in a notebook, right after its parameters cell.")
    declared, injected = _parameter_cells(shell.user_ns["In"])
    known = {parameter.name: parameter for parameter in declared}
    for name in injected:
        if name not in known:
            raise parameters.unknown(name, known)
    values = parameters.check(declared, {name: shell.user_ns[name] for name in known})
    shell.user_ns.update(values)
    stem = f"{notebook}-{parameters.identity(notebook, values)}"
    if "device" in values:
        from ecgcore.training.device import resolve_device

        resolve_device(values["device"])  # told now, not after minutes of preparing
    folder = Path(values.get("out") or Path("runs") / stem)
    with files.told_in_words(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = files.acquire(folder, KERNEL_ENDS_S)
    return Run(notebook, values, folder, lock=lock)


def _parameter_cells(history: Iterable[str]) -> tuple[list[parameters.Parameter], list[str]]:
    """Declared parameters, and names that papermill injected, from the cells run so far."""
    declared: list[parameters.Parameter] = []
    injected: list[str] = []
    for source in history:
        if source.startswith(parameters.INJECTED):
            assigned = [n for n in ast.parse(source).body if isinstance(n, ast.Assign)]
            injected.extend(ast.unparse(node.targets[0]) for node in assigned)
        elif not declared and source.strip():
            declared = parameters.parse_cell(source)
    return declared, injected


def run_notebook(
    notebook: Path,
    given: Mapping[str, Any],
    out: Path,
    *,
    timeout_s: int | None = None,
    force: bool = False,
) -> Path:
    """Execute a notebook with parameters into a run directory, or leave everything as it was.

    Parameters
    ----------
    notebook
        A notebook with one parameters cell that calls :func:`begin` and ``run.finish``.
    given
        Parameters by name; the rest keep their defaults.
    out
        The run directory. Work goes on in ``out`` + ``.partial``, which a later call resumes.
    timeout_s
        Longest time for any one cell.
    force
        Repeat a run that is already there.

    Returns
    -------
    pathlib.Path
        ``out``, complete.

    Raises
    ------
    EcgcoreError
        Wrong parameter; a cell raised (the cell and the error are named); the kernel died; the
        executed notebook did not pass the gate; the disk is full or cannot be written.
    """
    notebook, out = Path(notebook), Path(out)
    values = parameters.check(parameters.of_notebook(notebook), given)
    identity = parameters.identity(notebook.stem, values)
    if not force and is_current(out, identity):
        return out
    partial = out.with_name(out.name + ".partial")
    with files.told_in_words(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with files.told_in_words(out), files.alone(out):
        files.mend(out)
        if not force and is_current(out, identity):  # made by the process that we waited for
            return out
        with files.alone(partial, KERNEL_ENDS_S):
            _reuse_or_clear(partial, identity)
        _execute(notebook, {**values, "out": str(partial)}, partial / "notebook.ipynb", timeout_s)
        gate(partial / "notebook.ipynb", name=notebook.name)
        if not is_current(partial, identity):
            raise EcgcoreError(f"{notebook.name}: ran, but did not call run.finish(...).")
        (partial / "identity").unlink()
        shutil.rmtree(partial / "checkpoints", ignore_errors=True)
        files.put(partial, out)
    return out


def _reuse_or_clear(partial: Path, identity: str) -> None:
    """Keep a half-finished run of the same parameters and code, drop any other."""
    mark, identity = partial / "identity", f"{identity} {provenance.code_fingerprint()}"
    if not mark.exists() or mark.read_text(encoding="utf-8") != identity:
        shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(exist_ok=True)
    (partial / "provenance.json").unlink(missing_ok=True)
    mark.write_text(identity, encoding="utf-8")


def _execute(source: Path, values: Mapping[str, Any], to: Path, timeout_s: int | None) -> None:
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    try:
        papermill.execute_notebook(
            str(source),
            str(to),
            parameters=dict(values),
            kernel_name="python3",
            progress_bar=False,
            execution_timeout=timeout_s,
        )
    except PapermillExecutionError as error:
        why = f"cell {error.exec_count} raised {error.ename}: {error.evalue}"
        raise EcgcoreError(f"{source.name}: {why}") from None
    except DeadKernelError:
        raise EcgcoreError(
            f"{source.name}: the kernel died (out of memory, or killed); run it again to go on."
        ) from None
    except CellTimeoutError:
        raise EcgcoreError(f"{source.name}: a cell ran longer than {timeout_s} s.") from None


def gate(path: Path, *, name: str = "") -> None:
    """Refuse an executed notebook that may not enter the book.

    Every code cell ran, in order, once, without an error; nothing on stderr (warnings, which name
    this machine's folders); no widget, which a static page cannot show.

    Raises
    ------
    EcgcoreError
        Names the notebook, the cell and the reason.
    """
    import nbformat

    name = name or Path(path).name
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:
        raise EcgcoreError(f"{name}: not a readable notebook ({error}).") from None
    if notebook.metadata.get("papermill", {}).get("exception"):
        raise EcgcoreError(f"{name}: its run ended with an error.")
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    for position, cell in enumerate(code, start=1):
        if cell.execution_count != position:
            raise EcgcoreError(f"{name}: code cell {position} did not run in order.")
        for output in cell.outputs:
            if output.output_type == "error":
                raise EcgcoreError(
                    f"{name}: cell {position} raised {output.ename}: {output.evalue}"
                )
            if output.get("name") == "stderr":
                first = output.text.strip().splitlines()[0]
                raise EcgcoreError(f"{name}: cell {position} wrote to stderr: {first}")
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                raise EcgcoreError(f"{name}: cell {position} shows a widget, which a page cannot.")


def _json(value: Any) -> str:
    def plain(item: Any) -> Any:
        return item.item() if hasattr(item, "item") else str(item)

    return json.dumps(value, indent=1, default=plain) + "\n"

"""Runs: a notebook executed once with one set of parameters, and the directory it leaves.

In a notebook, ``run = study.begin("frequency_train")`` checks the parameters before anything is
computed, and ``run.finish(...)`` writes the run directory. From outside, :func:`run_notebook`
checks, executes through papermill, passes the result through the :func:`gate`, and only then
gives the directory its final name. A plain ``papermill`` call gets the same check and directory.
"""

import ast
import datetime
import json
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore import parameters, provenance
from ecgcore.errors import EcgcoreError


@dataclass
class Run:
    """One run, seen from inside its notebook.

    ``params`` are checked values by name; ``dir`` is where results go.
    """

    notebook: str
    params: dict[str, Any]
    dir: Path
    started: float = field(default_factory=time.time)
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
        for stem, table in {"metrics": metrics, **(tables or {})}.items():
            if table is not None:
                _write(self.dir / f"{stem}.csv", table.to_csv(index=False))
        if predictions is not None:
            partial = self.dir / "predictions.parquet.partial"
            predictions.to_parquet(partial, index=False)
            os.replace(partial, self.dir / "predictions.parquet")
        _write(self.dir / "results.json", _json(dict(results or {})))
        kept = {k: v for k, v in self.params.items() if k not in parameters.PLACES}
        _write(self.dir / "params.json", _json({"notebook": self.notebook, **kept}))
        facts = {
            "notebook": self.notebook,
            "identity": parameters.identity(self.notebook, self.params),
            "tier": self.params.get("tier", "custom"),
            "seed": self.params.get("seed"),
            "archive": self.data,
            "started": datetime.datetime.fromtimestamp(self.started, datetime.UTC).isoformat(),
            "seconds": round(time.time() - self.started, 2),
            **provenance.here(),
        }
        _write(self.dir / "provenance.json", _json(facts))


def begin(notebook: str) -> Run:
    """Check the parameters of the notebook that calls this, and start its run.

    Reads the parameters cell, and what papermill injected after it, from IPython's own history,
    so that a name which the notebook never declared is found too. Checked values are put back
    into the notebook's namespace in their declared types.

    Raises
    ------
    EcgcoreError
        Unknown name or value that is not allowed; called outside a notebook.
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
    folder = Path(values.get("out") or Path("runs") / stem)
    folder.mkdir(parents=True, exist_ok=True)
    return Run(notebook, values, folder)


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
        executed notebook did not pass the gate.
    """
    from filelock import FileLock

    notebook, out = Path(notebook), Path(out)
    values = parameters.check(parameters.of_notebook(notebook), given)
    identity = parameters.identity(notebook.stem, values)
    if not force and is_current(out, identity):
        return out
    partial = out.with_name(out.name + ".partial")
    out.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(out.with_name(out.name + ".lock")):
        _reuse_or_clear(partial, identity)
        _execute(notebook, {**values, "out": str(partial)}, partial / "notebook.ipynb", timeout_s)
        gate(partial / "notebook.ipynb", name=notebook.name)
        if not is_current(partial, identity):
            raise EcgcoreError(f"{notebook.name}: ran, but did not call run.finish(...).")
        (partial / "identity").unlink()
        shutil.rmtree(partial / "checkpoints", ignore_errors=True)
        swap(partial, out)
    out.with_name(out.name + ".lock").unlink(missing_ok=True)
    return out


def _reuse_or_clear(partial: Path, identity: str) -> None:
    """Keep a half-finished run of the same parameters (its checkpoints), drop any other."""
    mark = partial / "identity"
    if not mark.exists() or mark.read_text(encoding="utf-8") != identity:
        shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(exist_ok=True)
    (partial / "provenance.json").unlink(missing_ok=True)
    mark.write_text(identity, encoding="utf-8")


def swap(new: Path, final: Path) -> None:
    """Put a finished directory in the place of an old one."""
    old = final.with_name(final.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        os.replace(final, old)
    os.replace(new, final)
    shutil.rmtree(old, ignore_errors=True)


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


def is_whole(folder: Path) -> bool:
    """Whether a run directory has all that a finished run leaves (``provenance.json`` is last)."""
    return (folder / "provenance.json").exists() and (folder / "params.json").exists()


def is_current(folder: Path, identity: str) -> bool:
    """Whether a run directory holds the run of this identity, made by the code of today."""
    try:
        facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    made = (facts.get("identity"), facts.get("code"))
    return (folder / "notebook.ipynb").exists() and made == (
        identity, provenance.code_fingerprint(),
    )  # fmt: skip


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


def find_runs(folder: Path | str, notebook: str) -> dict[str, dict[str, Any]]:
    """Complete runs of one notebook below a folder: parameters by run directory.

    Raises
    ------
    EcgcoreError
        There is no complete run of that notebook.
    """
    found = {}
    for file in sorted(Path(folder).rglob("params.json")):
        params = json.loads(file.read_text(encoding="utf-8"))
        if params.pop("notebook", None) == notebook and is_whole(file.parent):
            found[str(file.parent)] = params
    if not found:
        raise EcgcoreError(
            f"{folder}: no complete run of {notebook} here; run that notebook first."
        )
    return found


def load_tables(folder: Path | str, notebook: str, name: str) -> pd.DataFrame:
    """One table of every run of a notebook, with the run's parameters as columns.

    Parameters
    ----------
    name
        File stem of the table in the run directory; runs that lack it, or where it is empty,
        are passed over.

    Returns
    -------
    pandas.DataFrame
        Rows of each table, the parameters as columns, the run directory in column ``run``.
    """
    frames = []
    for run, params in find_runs(folder, notebook).items():
        file = Path(run, f"{name}.csv")
        if not file.exists() or not file.read_text(encoding="utf-8").strip():
            continue
        frame = pd.read_csv(file)
        for key in params.keys() - set(frame.columns):
            frame[key] = [params[key]] * len(frame)
        frames.append(frame.assign(run=run))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def load_runs(folder: Path | str, notebook: str) -> pd.DataFrame:
    """The tidy metrics of every complete run of a notebook; see :func:`load_tables`."""
    return load_tables(folder, notebook, "metrics")


def load_predictions(run: Path | str) -> pd.DataFrame:
    """One row a record of a run: ecg_id, patient_id, part, y_true, score and logits."""
    return pd.read_parquet(Path(run) / "predictions.parquet")


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def _json(value: Any) -> str:
    def plain(item: Any) -> Any:
        return item.item() if hasattr(item, "item") else str(item)

    return json.dumps(value, indent=1, default=plain) + "\n"

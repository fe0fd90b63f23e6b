"""Execute a notebook with parameters into a run directory, or leave everything as it was."""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ecgcore import files, progress
from ecgcore.data import find_archive
from ecgcore.errors import EcgcoreError
from ecgcore.runs import parameters, provenance
from ecgcore.runs.directory import is_current
from ecgcore.runs.notebook import KERNEL_ENDS_S, run_identity

QUIET = ["--IPKernelApp.log_level=CRITICAL"]
"""Makes a kernel log no interrupt when stopped, and show no progress (:mod:`ecgcore.progress`)."""


def run_notebook(
    notebook: Path,
    overrides: Mapping[str, Any],
    out: Path,
    *,
    force: bool = False,
) -> Path:
    """Execute a notebook with parameters into a run directory; return ``out``, complete.

    Parameters without an override keep their defaults. The work is done in ``out`` with
    ``.partial`` appended, which a later call with the same parameters and code resumes and any
    other call clears. ``force`` repeats a finished run. Raises ``EcgcoreError`` for a wrong
    parameter, a cell that raised an error, a dead kernel, a notebook that does not pass the gate,
    and a full or unwritable disk.
    """
    notebook, out = Path(notebook), files.expand(out)
    values = parameters.check(parameters.of_notebook(notebook), overrides)
    if "archive" in values:
        find_archive(values["archive"])
    identity = run_identity(notebook.stem, values)
    code = provenance.code_fingerprint(notebook)
    if not force and is_current(out, identity, code):
        return out
    if out.is_dir() and any(out.iterdir()) and not (out / "params.json").exists():
        raise EcgcoreError(f"{out}: contains files that do not belong to a run; use a new folder.")
    partial = out.with_name(out.name + ".partial")
    executed, provenance_file = partial / "notebook.ipynb", partial / "provenance.json"
    with files.file_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with files.file_errors(out), files.locked(out):
        files.restore(out)
        if not force and is_current(out, identity, code):  # by the process that we waited for
            return out
        with files.locked(partial, KERNEL_ENDS_S):
            library = provenance.code_fingerprint(notebook, with_source=False)
            same_work, mark = f"{identity} {library}", partial / "identity"
            if not mark.exists() or mark.read_text(encoding="utf-8") != same_work:
                shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(exist_ok=True)
            provenance_file.unlink(missing_ok=True)
            mark.write_text(same_work, encoding="utf-8")
        with _progress(partial / "checkpoints"):
            _execute(notebook, {**values, "out": str(partial)}, executed)
        gate(executed, name=notebook.name)
        if not provenance_file.exists():
            raise EcgcoreError(f"{notebook.name}: ran, but did not call run.finish(...).")
        # Inside its kernel a notebook does not know its own file, so its code is named here.
        files.write_json(provenance_file, {**files.read_json(provenance_file), "code": code})
        mark.unlink()
        shutil.rmtree(partial / "checkpoints", ignore_errors=True)
        files.replace_folder(partial, out)
    return out


@contextlib.contextmanager
def _progress(checkpoints: Path) -> Iterator[None]:
    """Print epoch and remaining time of training runs below a folder, one line per change."""
    finished, printed = threading.Event(), set[str]()

    def watch() -> None:
        while not finished.wait(2.0):
            for file in sorted(checkpoints.rglob("progress.json")):
                try:
                    line = progress.in_words(**json.loads(file.read_bytes()))
                except OSError:
                    continue  # removed after training
                line = line if file.parent == checkpoints else f"{file.parent.name}: {line}"
                if line not in printed:
                    printed.add(line)
                    print(line, file=sys.stderr, flush=True)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _execute(source: Path, values: Mapping[str, Any], to: Path) -> None:
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    quiet = {"extra_arguments": QUIET}
    with tempfile.TemporaryDirectory(prefix="ecgcore-") as sockets:
        # Sockets in files of this run alone: over TCP each kernel warns about eavesdropping.
        is_posix = os.name == "posix"
        kernel = {"transport": "ipc", "ip": f"{sockets}/k"} if is_posix else {}
        try:
            papermill.execute_notebook(
                str(source),
                str(to),
                parameters=dict(values),
                kernel_name="python3",
                progress_bar=False,
                config=Config({"KernelManager": kernel, "NotebookClient": quiet}),
            )
        except PapermillExecutionError as error:
            why = f"cell {error.exec_count} raised {error.ename}: {error.evalue}"
        except DeadKernelError:
            why = "the kernel died (out of memory, or killed); run it again to continue."
        else:
            return
    raise EcgcoreError(f"{source.name}: {why}")


def gate(path: Path, *, name: str = "") -> None:
    """Raise :class:`EcgcoreError` for an executed notebook that may not enter the book.

    It may enter if every code cell ran once, in order and without an error, nothing was written to
    stderr (warnings name this machine's folders), and there is no widget, which a static page
    cannot show. The error names the notebook, the cell and the reason.
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
            why = ""
            if output.output_type == "error":
                why = f"raised {output.ename}: {output.evalue}"
            elif output.get("name") == "stderr":
                why = f"wrote to stderr: {output.text.strip().splitlines()[0]}"
            elif "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                why = "shows a widget, which a static page cannot"
            if why:
                raise EcgcoreError(f"{name}: cell {position} {why}.")

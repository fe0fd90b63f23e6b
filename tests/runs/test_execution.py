"""Runs: nothing incomplete has a final name, and nothing that failed enters the book."""

import contextlib
import json
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import papermill
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_notebook
from run_kit import toy_run
from toy_notebook import PARAMETERS, write_notebook
from traitlets.config import Config

from ecgcore import files, runs
from ecgcore.errors import EcgcoreError
from ecgcore.runs import parameters

BEGIN = 'from ecgcore import runs\nrun = runs.begin("toy")'
WORK = """\
import numpy as np
import pandas as pd
value = np.random.default_rng(seed).normal()
"""
FINISH = """\
run.finish(
    metrics=pd.DataFrame({"metric": ["value"], "value": [value]}),
    predictions=pd.DataFrame({"ecg_id": [1], "score": [value]}),
    results={"value": value},
)
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "toy.ipynb", BEGIN, WORK, FINISH)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run of the toy, which tests must not change."""
    folder = tmp_path_factory.mktemp("finished")
    toy = write_notebook(folder / "toy.ipynb", BEGIN, WORK, SHOW, FINISH)
    return runs.run_notebook(toy, {"seed": 3, "tier": "smoke"}, folder / "runs" / "a")


def test_a_run_leaves_a_complete_directory(finished: Path) -> None:
    names = {file.name for file in finished.iterdir()}
    assert names == {
        "notebook.ipynb", "metrics.csv", "predictions.parquet", "results.json",
        "params.json", "provenance.json",
    }  # fmt: skip
    assert json.loads((finished / "params.json").read_text()) == {"notebook": "toy", "seed": 3}
    facts = json.loads((finished / "provenance.json").read_text())
    assert facts["tier"] == "smoke"
    assert len(facts["git_commit"]) == 40
    assert [path.name for path in finished.parent.iterdir()] == ["a"]  # no lock, no partial

    again = finished / "notebook.ipynb"
    before = again.stat().st_mtime_ns
    runs.run_notebook(finished.parents[1] / "toy.ipynb", {"seed": 3}, finished)
    assert again.stat().st_mtime_ns == before, "a finished run was repeated"

    assert runs.load_tables(finished.parent, "toy", "metrics").loc[0, "seed"] == 3


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("raise ZeroDivisionError('no leads')", "cell 4 raised ZeroDivisionError: no leads"),
        ("import os; os._exit(9)", "the kernel died"),
        (WORK, r"did not call run\.finish"),
    ],
)
def test_a_failing_notebook_leaves_the_old_run(
    finished: Path, tmp_path: Path, cell: str, words: str
) -> None:
    out = shutil.copytree(finished, tmp_path / "a")
    before = (out / "notebook.ipynb").read_bytes()
    toy = write_notebook(tmp_path / "toy.ipynb", BEGIN, cell)
    with pytest.raises(EcgcoreError, match=words) as caught:
        runs.run_notebook(toy, {}, out, force=True)
    assert "toy.ipynb" in str(caught.value)
    assert (out / "notebook.ipynb").read_bytes() == before


def test_checkpoints_of_a_killed_run_are_kept_for_the_same_parameters(
    toy: Path, tmp_path: Path
) -> None:
    seen = 'run.dir.joinpath("checkpoints").mkdir(exist_ok=True)\n'
    seen += 'mark = run.dir / "checkpoints" / "mark"\n'
    seen += "value = int(mark.exists()); mark.touch()\nimport pandas as pd\n"
    write_notebook(toy, BEGIN, seen, "raise RuntimeError", FINISH)
    with pytest.raises(EcgcoreError):
        runs.run_notebook(toy, {}, tmp_path / "a")
    write_notebook(toy, BEGIN, seen, FINISH)
    out = runs.run_notebook(toy, {}, tmp_path / "a")
    assert pd.read_csv(out / "metrics.csv").value[0] == 1
    assert not (out / "checkpoints").exists()
    out = runs.run_notebook(toy, {"seed": 9}, tmp_path / "a")
    assert pd.read_csv(out / "metrics.csv").value[0] == 0, "another run's checkpoints were used"


STREAM = {"output_type": "stream", "name": "stderr", "text": "FutureWarning: soon"}
ERROR = {"output_type": "error", "ename": "KeyError", "evalue": "'V7'", "traceback": []}
WIDGET = {
    "output_type": "display_data", "metadata": {},
    "data": {"application/vnd.jupyter.widget-view+json": {}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "metadata", "words"),
    [
        ({"execution_count": None}, {}, "cell 1 did not run"),
        ({"execution_count": 7}, {}, "cell 1 did not run in order"),
        ({"outputs": [ERROR]}, {}, "KeyError: 'V7'"),
        ({}, {"papermill": {"exception": True}}, "ended with an error"),
        ({"outputs": [STREAM]}, {}, "stderr: FutureWarning: soon"),
        ({"outputs": [WIDGET]}, {}, "shows a widget"),
    ],
)
def test_the_gate_refuses(tmp_path: Path, cell: dict, metadata: dict, words: str) -> None:
    cells = [new_code_cell("1", **{"execution_count": 1, **cell})]
    book = nbformat.from_dict(new_notebook(cells=cells, metadata=metadata))
    nbformat.write(book, tmp_path / "page.ipynb")
    with pytest.raises(EcgcoreError, match=words):
        runs.gate(tmp_path / "page.ipynb")


SHOW = """\
from ecgcore import progress
progress.show("epoch 1 of 2")
progress.show("epoch 2 of 2", is_last=True)
"""


def test_only_an_interactive_notebook_shows_progress(finished: Path, tmp_path: Path) -> None:
    toy = finished.parents[1] / "toy.ipynb"
    papermill.execute_notebook(
        str(toy), str(tmp_path / "b.ipynb"), {"out": str(tmp_path / "b")}, progress_bar=False
    )
    outputs = [
        [output for cell in nbformat.read(path, as_version=4).cells for output in cell.outputs]
        for path in (finished / "notebook.ipynb", tmp_path / "b.ipynb")
    ]
    assert outputs[0] == []
    assert {output.name for output in outputs[1]} == {"stdout"}
    shown = "".join(output.text for output in outputs[1])
    assert shown.split("\r")[-1].strip() == "epoch 2 of 2"
    runs.gate(tmp_path / "b.ipynb")


def test_a_summary_is_computed_again_when_a_run_has_been_added(tmp_path: Path) -> None:
    count = 'run.finish(results={"n": len(run_tools.find_runs(runs, "imn_train"))})'
    begin = 'from ecgcore import runs as run_tools\nrun = run_tools.begin("toy")'
    declared = PARAMETERS + 'runs: str = "runs"  # folder below which the runs lie\n'
    summary = write_notebook(tmp_path / "toy.ipynb", begin, count, declared=declared)
    counts = []
    for seed in (1, 2, 2):
        if not (tmp_path / "runs" / f"seed_{seed}").exists():
            toy_run(tmp_path / "runs" / f"seed_{seed}", seed=seed)
        out = runs.run_notebook(summary, {"runs": str(tmp_path / "runs")}, tmp_path / "summary")
        made = (out / "results.json").stat().st_mtime_ns
        counts.append((json.loads((out / "results.json").read_text())["n"], made))
    assert [n for n, _ in counts] == [1, 2, 2]
    assert counts[1] == counts[2], "a current summary was repeated"


def test_a_folder_that_holds_other_files_is_never_replaced(toy: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(EcgcoreError, match="contains files that do not belong to a run"):
        runs.run_notebook(toy, {"seed": 3}, tmp_path / "mine", force=True)
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def start(folder: Path, notebook: Path, *before: str) -> str:
    """Run cells in this process up to ``runs.begin``; return an error, or an empty string."""
    InteractiveShell.clear_instance()
    session = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    cells = nbformat.read(notebook, as_version=4).cells
    with contextlib.chdir(folder):
        for source in (*before, *(cell.source for cell in cells if cell.cell_type == "code")):
            done = session.run_cell(source, store_history=True)
            if done.error_in_exec or ".begin(" in source:
                break
    InteractiveShell.clear_instance()
    run = session.user_ns.get("run")
    declared = [p.name for p in parameters.of_notebook(notebook)]
    is_right = run is not None and list(run.params) == declared
    if run is not None:
        files.release(run.lock)
    return "" if is_right else f"error {done.error_in_exec}"


@pytest.mark.parametrize("before", ["1 + 1", "import numpy as np", "%pwd", "n: int = 3  # my own"])
def test_a_notebook_starts_after_another_cell(root: Path, tmp_path: Path, before: str) -> None:
    assert start(tmp_path, root / "notebooks" / "imn_train.ipynb", before) == ""

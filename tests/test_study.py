"""Runs: nothing half-made under a final name, and nothing that failed in the book."""

import json
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from ecgcore import parameters, study
from ecgcore.errors import EcgcoreError

PARAMETERS = """\
seed: int = 1  # seed; allowed: 0..
out: str = ""  # run directory
tier: str = "custom"  # tier
"""
BEGIN = 'from ecgcore import study\nrun = study.begin("toy")'
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


def write_notebook(path: Path, *cells: str) -> Path:
    code = [new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
    book = new_notebook(cells=code + [new_code_cell(source) for source in cells])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    book.metadata["language_info"] = {"name": "python"}
    nbformat.write(book, path)
    return path


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "toy.ipynb", BEGIN, WORK, FINISH)


def test_a_run_leaves_a_whole_directory(toy: Path, tmp_path: Path) -> None:
    out = study.run_notebook(toy, {"seed": 3, "tier": "smoke"}, tmp_path / "runs" / "a")
    names = {file.name for file in out.iterdir()}
    assert names == {
        "notebook.ipynb", "metrics.csv", "predictions.parquet", "results.json",
        "params.json", "provenance.json",
    }  # fmt: skip
    assert json.loads((out / "params.json").read_text()) == {"notebook": "toy", "seed": 3}
    facts = json.loads((out / "provenance.json").read_text())
    assert facts["tier"] == "smoke"
    assert len(facts["git_commit"]) == 40
    assert [path.name for path in out.parent.iterdir()] == ["a"]  # no lock, no partial

    again = out / "notebook.ipynb"
    before = again.stat().st_mtime_ns
    study.run_notebook(toy, {"seed": 3}, out)
    assert again.stat().st_mtime_ns == before, "a finished run was repeated"

    runs = study.load_runs(tmp_path / "runs", "toy")
    assert runs.loc[0, "seed"] == 3
    other = study.run_notebook(toy, {"seed": 4}, tmp_path / "runs" / "b")
    one, two = (pd.read_csv(folder / "metrics.csv").value[0] for folder in (out, other))
    same = study.run_notebook(toy, {"seed": 3}, tmp_path / "runs" / "c")
    assert pd.read_csv(same / "metrics.csv").value[0] == one != two


def test_a_changed_parameter_replaces_the_run(toy: Path, tmp_path: Path) -> None:
    out = study.run_notebook(toy, {"seed": 3}, tmp_path / "a")
    study.run_notebook(toy, {"seed": 5}, out)
    assert json.loads((out / "params.json").read_text())["seed"] == 5


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("raise ZeroDivisionError('no leads')", "cell 4 raised ZeroDivisionError: no leads"),
        ("import os; os._exit(9)", "the kernel died"),
        ("import time; time.sleep(60)", "longer than 5 s"),
    ],
)
def test_a_failing_notebook_leaves_the_old_run(
    toy: Path, tmp_path: Path, cell: str, words: str
) -> None:
    out = study.run_notebook(toy, {}, tmp_path / "a")
    before = (out / "notebook.ipynb").read_bytes()
    write_notebook(toy, BEGIN, cell, FINISH)
    with pytest.raises(EcgcoreError, match=words) as caught:
        study.run_notebook(toy, {}, out, force=True, timeout_s=5)
    assert "toy.ipynb" in str(caught.value)
    assert (out / "notebook.ipynb").read_bytes() == before


def test_a_notebook_that_never_finishes_its_run_is_refused(toy: Path, tmp_path: Path) -> None:
    write_notebook(toy, BEGIN, WORK)
    with pytest.raises(EcgcoreError, match=r"did not call run\.finish"):
        study.run_notebook(toy, {}, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_checkpoints_of_a_killed_run_are_kept_for_the_same_parameters(
    toy: Path, tmp_path: Path
) -> None:
    seen = 'run.dir.joinpath("checkpoints").mkdir(exist_ok=True)\n'
    seen += 'mark = run.dir / "checkpoints" / "mark"\n'
    seen += "value = int(mark.exists()); mark.touch()\nimport pandas as pd\n"
    write_notebook(toy, BEGIN, seen, "raise RuntimeError", FINISH)
    with pytest.raises(EcgcoreError):
        study.run_notebook(toy, {}, tmp_path / "a")
    write_notebook(toy, BEGIN, seen, FINISH)
    out = study.run_notebook(toy, {}, tmp_path / "a")
    assert pd.read_csv(out / "metrics.csv").value[0] == 1
    assert not (out / "checkpoints").exists()
    out = study.run_notebook(toy, {"seed": 9}, tmp_path / "a")
    assert pd.read_csv(out / "metrics.csv").value[0] == 0, "another run's checkpoints were used"


def broken(kind: str) -> nbformat.NotebookNode:
    cell = new_code_cell("1", execution_count=1)
    book = new_notebook(cells=[cell, new_code_cell("2", execution_count=2)])
    if kind == "not run":
        book.cells[1].execution_count = None
    elif kind == "out of order":
        book.cells[1].execution_count = 7
    elif kind == "error output":
        error = {"ename": "KeyError", "evalue": "'V7'", "traceback": []}
        cell.outputs = [nbformat.v4.new_output("error", **error)]
    elif kind == "papermill flag":
        book.metadata["papermill"] = {"exception": True}
    elif kind == "warning":
        text = "FutureWarning: soon"
        cell.outputs = [nbformat.v4.new_output("stream", name="stderr", text=text)]
    elif kind == "widget":
        data = {"application/vnd.jupyter.widget-view+json": {}}
        cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
    return book


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("not run", "cell 2 did not run"),
        ("out of order", "cell 2 did not run in order"),
        ("error output", "KeyError: 'V7'"),
        ("papermill flag", "ended with an error"),
        ("warning", "stderr: FutureWarning: soon"),
        ("widget", "shows a widget"),
    ],
)
def test_the_gate_refuses(tmp_path: Path, kind: str, words: str) -> None:
    path = tmp_path / "page.ipynb"
    nbformat.write(broken(kind), path)
    with pytest.raises(EcgcoreError, match=words):
        study.gate(path)


def test_the_gate_lets_a_good_one_pass(tmp_path: Path) -> None:
    path = tmp_path / "page.ipynb"
    nbformat.write(broken("none"), path)
    study.gate(path)


def test_identity_sees_through_papermill(toy: Path) -> None:
    declared = parameters.of_notebook(toy)
    assert [p.name for p in declared] == ["seed", "out", "tier"]

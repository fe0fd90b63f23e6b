"""Notebooks with a set-up cell: they run, and install ecgcore where it is missing."""

import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import nbformat
import pytest
import yaml

from book.tools import launch
from ecgcore.errors import EcgcoreError

PROBE = "import ecgcore.runs.recorded as one; print(one.__file__, one.FOLDER.is_dir())"


def test_the_set_up_cell_installs_ecgcore_where_it_is_missing(root: Path, tmp_path: Path) -> None:
    """It is installed from this checkout, into an environment with all packages but this one."""
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    site = next((tmp_path / "env" / "lib").glob("python*")) / "site-packages"
    others = sysconfig.get_path("purelib")  # its .pth files, and so this package, are not read
    (site / "packages.pth").write_text(others + "\n")
    (tmp_path / "work").mkdir()
    environment = {**os.environ, "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "1"}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONPATH": ""}

    def run(code: str) -> str:
        command, place = [python, "-c", code], tmp_path / "work"
        return subprocess.check_output(command, cwd=place, env=environment, text=True)

    cell = launch.setup_cell(root.as_uri(), "HEAD").source
    assert run("import importlib.util as a; print(a.find_spec('ecgcore'))") == "None\n"
    place = tmp_path / "work" / "ecg-book" / "ecgcore" / "runs" / "recorded.py"
    assert run(cell + PROBE) == f"{place} True\n"
    assert run(cell + "print('again')") == "again\n"  # installed now, so nothing is cloned


def test_an_exported_notebook_is_the_source_after_a_set_up_cell(root: Path, tmp_path: Path) -> None:
    """``tests/runs/test_execution.py`` tests that a run can begin after another cell."""
    launch.export(root / "notebooks", tmp_path / "to", "a/b", "c0ffee")
    for path in (root / "notebooks").glob("*.ipynb"):
        first, *rest = nbformat.read(tmp_path / "to" / path.name, as_version=4).cells
        assert first == launch.setup_cell("https://github.com/a/b", "c0ffee")
        assert rest == nbformat.read(path, as_version=4).cells


def test_links_name_files_on_the_branch(root: Path) -> None:
    links = launch.links("owner/name", "imn_train")
    assert all(address.endswith("notebooks/imn_train.ipynb") for address in links.values())
    assert f"owner/name/blob/{launch.BRANCH}/" in links["Colab"]
    assert f"owner/name/{launch.BRANCH}?" in links["Binder"]
    with pytest.raises(EcgcoreError, match="OWNER/NAME"):
        launch.check_repository("https://github.com/owner/name; rm -rf ~")
    text = (root / ".github" / "workflows" / "publish.yml").read_text()
    steps = [step.get("run", "") for step in yaml.safe_load(text)["jobs"]["book"]["steps"]]
    assert any(f"refs/heads/{launch.BRANCH}" in step for step in steps)
    assert any("-m book.tools launch --repository" in step for step in steps)

"""Notebooks that install themselves: the set-up cell is run where ecgcore is not installed."""

import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import nbformat
import pytest
import yaml

from ecgcore import launch
from ecgcore.errors import EcgcoreError

PROBE = """
import ecgcore, ecgcore.recorded
print(ecgcore.__file__)
print(ecgcore.recorded.FOLDER.is_dir())
"""


def test_the_set_up_cell_installs_where_nothing_is(root: Path, tmp_path: Path) -> None:
    """From this checkout, into an environment that has all packages but this one."""
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    site = next((tmp_path / "env" / "lib").glob("python*")) / "site-packages"
    others = sysconfig.get_path("purelib")  # its .pth files, and so this package, are not read
    (site / "packages.pth").write_text(others + "\n")
    (tmp_path / "work").mkdir()
    environment = {**os.environ, "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "1"}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONPATH": ""}

    def run(code: str) -> str:
        done = subprocess.run(
            [python, "-c", code], cwd=tmp_path / "work", env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    cell = launch.setup_cell(root.as_uri(), "HEAD").source
    assert "None" in run("import importlib.util; print(importlib.util.find_spec('ecgcore'))")
    first = run(cell + PROBE)
    assert str(tmp_path / "work" / "ecg-book" / "ecgcore") in first
    assert "True" in first
    assert run(cell + "print('again')") == "again\n"  # installed now, so nothing is cloned


def test_every_notebook_gets_the_cell_before_all_others(root: Path, tmp_path: Path) -> None:
    written = launch.export(root / "notebooks", tmp_path / "to", repository="a/b", ref="c0ffee")
    assert [p.name for p in written] == sorted(p.name for p in (root / "notebooks").glob("*.ipynb"))
    for path in written:
        ours, source = (
            nbformat.read(p, as_version=4) for p in (path, root / "notebooks" / path.name)
        )
        assert "https://github.com/a/b" in ours.cells[0].source
        assert "c0ffee" in ours.cells[0].source
        assert ours.cells[1:] == source.cells
        nbformat.validate(ours)


def test_links_name_files_that_the_branch_has(root: Path) -> None:
    for page in (root / "notebooks").glob("*.ipynb"):
        for address in launch.links("owner/name", page.stem).values():
            assert address.endswith(f"notebooks/{page.name}")
            assert f"owner/name/{'blob/' * ('colab' in address)}{launch.BRANCH}" in address
    with pytest.raises(EcgcoreError, match="OWNER/NAME"):
        launch.check_repository("https://github.com/owner/name; rm -rf ~")


def test_the_workflow_publishes_to_the_branch_that_links_name(root: Path) -> None:
    text = (root / ".github" / "workflows" / "publish.yml").read_text()
    steps = yaml.safe_load(text)["jobs"]["book"]["steps"]
    assert any(f"refs/heads/{launch.BRANCH}" in step.get("run", "") for step in steps)
    assert any("make book REPOSITORY" in step.get("run", "") for step in steps)

"""Export notebooks that set themselves up on Colab and Binder, and make links that open them.

The notebooks in git have no set-up cell: it would name one copy of the repository, and every
local reader would see it. Instead, the publishing workflow makes the branch :data:`BRANCH` from
one commit, in which each notebook begins with such a cell. A button thus opens the code that made
the page.
"""

import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

from ecgcore import files
from ecgcore.errors import EcgcoreError

BRANCH = "launch"
"""Where the publishing workflow puts the notebooks."""

_CELL = """\
# Set-up on Colab (about two minutes per session); where ecgcore is installed it does nothing.
import importlib.util, os, subprocess, sys
if importlib.util.find_spec("ecgcore") is None:
    subprocess.run(["git", "clone", "--quiet", "{source}", "ecg-book"], check=True)
    subprocess.run(["git", "-C", "ecg-book", "checkout", "--quiet", "{ref}"], check=True)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--editable", "ecg-book"]
    subprocess.run(install, check=True)
    os.chdir("ecg-book")
    sys.path.insert(0, os.getcwd())
"""


def check_repository(repository: str) -> None:
    """Raise :class:`EcgcoreError` if a GitHub repository's name is not ``OWNER/NAME``."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository, re.ASCII):
        raise EcgcoreError(f"--repository {repository}: expected OWNER/NAME, as on GitHub.")


def links(repository: str, page: str) -> dict[str, str]:
    """Return the addresses that open a notebook, by the name of the service.

    GitHub shows the notebook on the default branch, which has no outputs.
    """
    check_repository(repository)
    path = f"notebooks/{page}.ipynb"
    return {
        "Colab": f"https://colab.research.google.com/github/{repository}/blob/{BRANCH}/{path}",
        "Binder": f"https://mybinder.org/v2/gh/{repository}/{BRANCH}?urlpath=lab/tree/{path}",
        "GitHub (source)": f"https://github.com/{repository}/blob/HEAD/{path}",
    }


def name_repository(page: Path, repository: str) -> None:
    """Write the repository's address into a page that shows how to clone it."""
    check_repository(repository)
    text = page.read_text(encoding="utf-8")
    text = text.replace(" (`ADDRESS` stands for its address)", "")
    address = f"https://github.com/{repository}"
    page.write_text(text.replace("git clone ADDRESS", f"git clone {address}"), encoding="utf-8")


def setup_cell(source: str, ref: str) -> nbformat.NotebookNode:
    """Return the cell that installs this book's library from a git address at a commit."""
    return new_code_cell(_CELL.format(source=source, ref=ref), id="set-up")


def export(notebooks: Path, to: Path, repository: str, ref: str) -> list[Path]:
    """Write copies of all notebooks of a folder that begin with the set-up cell.

    The cell checks out the commit ``ref`` of ``repository``, which is ``OWNER/NAME`` on GitHub;
    ``ecgcore.runs.begin`` finds the parameters cell after it.
    """
    check_repository(repository)
    to.mkdir(parents=True, exist_ok=True)
    for path in sorted(notebooks.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.insert(0, setup_cell(f"https://github.com/{repository}", ref))
        files.write_whole(to / path.name, nbformat.writes(notebook) + "\n")
    return [to]

"""A notebook of a few cells, for tests of execution."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

PARAMETERS = """\
seed: int = 1  # seed; allowed: 0..
out: str = ""  # run directory
tier: str = "custom"  # tier
"""


def write_notebook(path: Path, *cells: str, declared: str = PARAMETERS) -> Path:
    """Write code cells after a cell of parameters, whose source is ``declared``."""
    code = [new_code_cell(declared, metadata={"tags": ["parameters"]})]
    book = new_notebook(cells=code + [new_code_cell(source) for source in cells])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    book.metadata["language_info"] = {"name": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, path)
    return path

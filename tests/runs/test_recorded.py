"""Recorded results: written completely, with provenance, and marked when stale."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from refusal import refused

from ecgcore.runs import provenance, recorded

FILES = {
    "ecgcore/__init__.py": "",
    "ecgcore/cli.py": "",
    "ecgcore/leads.py": "",
    "ecgcore/models/__init__.py": "",
    "ecgcore/models/cnn1d.py": "def build():\n    from ecgcore.leads import LEADS",
    "other.ipynb": json.dumps({"cells": []}),
    "one.ipynb": json.dumps(
        {
            "cells": [
                {"cell_type": "markdown", "source": ["import ecgcore.cli"]},
                {"cell_type": "code", "source": ["%pwd\n", "from ecgcore.models import cnn1d"]},
            ]
        }
    ),
}


def commit(folder: Path) -> str:
    """Commit all files of a folder, creating a repository if needed; return the commit."""
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init"], ["add", "--all"], ["commit", "--no-gpg-sign", "-m", "a"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    return subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a small library in its own repository, with nothing committed."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    return tmp_path


def result(made_by: str, **facts: Any) -> recorded.Recorded:
    facts = {"command": "make x", "git_commit": made_by, "runs_commit": [made_by], **facts}
    return recorded.Recorded(pd.DataFrame(), {"depends_on": ["one.ipynb"], **facts})


def test_a_result_is_loaded_with_its_label(tmp_path: Path) -> None:
    table = pd.DataFrame({"seed": [1, 2], "auroc": [0.91, 0.93]})
    recorded.save("judged", table, {"command": "python x.py"}, tmp_path / "results")
    again = recorded.load("judged", tmp_path / "results")
    pd.testing.assert_frame_equal(again.table, table)
    assert again.label.startswith("Recorded by `python x.py` with code version `")
    assert again.facts["processor"] == provenance.processor()
    assert {"git_commit", "packages", "machine", "peak_memory_mib"} <= set(again.facts)
    assert len(list((tmp_path / "results").iterdir())) == 2
    (tmp_path / "results" / "judged.json").write_text("{")
    refused("cannot be read", recorded.load, "judged", tmp_path / "results")
    refused("there is no such recorded result", recorded.load, "judged", tmp_path)


def test_only_what_a_result_imports_makes_it_stale(checkout: Path) -> None:
    made_by = commit(checkout)
    for harmless in ("ecgcore/cli.py", "other.ipynb"):
        (checkout / harmless).write_text("# changed")
    reworded = f'"""Another docstring."""\n\n# A comment.\n{FILES["ecgcore/leads.py"]}'
    (checkout / "ecgcore" / "leads.py").write_text(reworded)
    assert result(made_by).changed_since() == set()
    assert "No code that this result depends on has changed since." in result(made_by).label
    (checkout / "ecgcore" / "leads.py").write_text("LEADS = 12")  # not even committed
    assert result(made_by).changed_since() == {"ecgcore/leads.py"}
    assert "Since then, one source file has changed (ecgcore/leads.py)" in result(made_by).label


def test_the_label_names_code_that_is_not_available(checkout: Path) -> None:
    made_by = commit(checkout)
    assert "uncommitted changes" in result(made_by, runs_dirty=True).label
    assert "not in this repository" in result("c0ffee" * 6 + "c0ff").label

"""Recorded results: written whole with their provenance, read back, and those in the checkout."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from ecgcore import recorded
from ecgcore.errors import EcgcoreError


def test_a_result_comes_back_with_its_label(tmp_path: Path) -> None:
    table = pd.DataFrame({"seed": [1, 2], "auroc": [0.91, 0.93]})
    recorded.save("judged", table, {"command": "python x.py"}, tmp_path / "results")
    kept = recorded.load("judged", tmp_path / "results")
    pd.testing.assert_frame_equal(kept.table, table)
    assert kept.label.startswith("Recorded by `python x.py`, code `")
    assert {"git_commit", "packages", "machine"} <= set(kept.facts)
    assert len(list((tmp_path / "results").iterdir())) == 2


def test_a_result_says_when_its_code_has_changed(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        own = ["-c", "user.name=t", "-c", "user.email=t@t"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *own, *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    (tmp_path / "ecgcore" / "models").mkdir(parents=True)
    for name in ("ecgcore/models/cnn1d.py", "ecgcore/cli.py", "one.ipynb", "other.ipynb"):
        (tmp_path / name).write_text("1")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    facts = {"command": "x", "git_commit": git("rev-parse", "HEAD"), "depends_on": ["one.ipynb"]}
    kept = recorded.Recorded(pd.DataFrame(), facts)
    assert kept.changed_since(tmp_path) == set()
    for harmless in ("ecgcore/cli.py", "other.ipynb"):
        (tmp_path / harmless).write_text("2")
    assert kept.changed_since(tmp_path) == set()
    (tmp_path / "one.ipynb").write_text("2")
    git("commit", "--quiet", "--all", "--message", "second")
    (tmp_path / "ecgcore" / "models" / "cnn1d.py").write_text("2")  # not even committed
    assert kept.changed_since(tmp_path) == {"one.ipynb", "ecgcore/models/cnn1d.py"}
    unknown = recorded.Recorded(pd.DataFrame(), {"command": "x", "git_commit": "0" * 40})
    assert unknown.changed_since(tmp_path) is None
    assert "cannot be told" in unknown.label
    for n_same, changed in ((2, {"ecgcore/models/cnn1d.py"}), (1, kept.changed_since(tmp_path))):
        again = {"commit": git("rev-parse", "HEAD"), "n_runs": 2, "n_same": n_same}
        vouched = recorded.Recorded(pd.DataFrame(), {**facts, "repeated": again})
        assert vouched.changed_since(tmp_path) == changed
        assert (
            f"of 2 of its runs, made again by code {again['commit'][:10]}, {n_same}" in vouched.age
        )


def test_runs_made_again_are_compared_by_their_bytes(tmp_path: Path) -> None:
    for folder, name, content in (
        ("runs", "a", b"1"), ("runs", "b", b"2"), ("runs", "c", b"3"),
        ("again", "a", b"1"), ("again", "b", b"other"),
    ):  # fmt: skip
        run = tmp_path / folder / name
        run.mkdir(parents=True)
        (run / "predictions.parquet").write_bytes(content)
        (run / "provenance.json").write_text('{"git_commit": "c0ffee"}')
    found = recorded.repeated(tmp_path / "runs", tmp_path / "again")
    assert found == {"commit": "c0ffee", "n_runs": 2, "n_same": 1}
    (tmp_path / "again" / "b" / "provenance.json").write_text('{"git_commit": "abad1dea"}')
    with pytest.raises(EcgcoreError, match="found 2 commits"):
        recorded.repeated(tmp_path / "runs", tmp_path / "again")
    (tmp_path / "again" / "b").rename(tmp_path / "again" / "d")
    (tmp_path / "again" / "d" / "provenance.json").write_text('{"git_commit": "c0ffee"}')
    with pytest.raises(EcgcoreError, match="there is no such run"):
        recorded.repeated(tmp_path / "runs", tmp_path / "again")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (set(), "no code that it depends on has changed since."),
        ({"ecgcore/train.py"}, "stale, perhaps: a file it depends on changed since: `ecgcore/t"),
        ({"a", "b"}, "stale, perhaps: 2 files it depends on changed since: `a`, `b`, …."),
    ],
)
def test_the_label_tells(monkeypatch: pytest.MonkeyPatch, changed: set[str], told: str) -> None:
    kept = recorded.Recorded(pd.DataFrame(), {"command": "x", "git_commit": "c0ffee"})
    monkeypatch.setattr(recorded.Recorded, "changed_since", lambda self, root=None: changed)
    assert told in kept.label
    assert "x, code c0ffee; " in kept.origin


def test_what_is_not_there_or_broken_is_told(tmp_path: Path) -> None:
    with pytest.raises(EcgcoreError, match="there is no such recorded result"):
        recorded.load("judged", tmp_path)
    (tmp_path / "judged.json").write_text("{")
    with pytest.raises(EcgcoreError, match="cannot be read"):
        recorded.load("judged", tmp_path)


@pytest.mark.parametrize("name", ["realism", "transfer_to_real"])
def test_recorded_tables_of_the_checkout_say_how_they_were_made(name: str) -> None:
    kept = recorded.load(name)
    assert len(kept.table)
    assert {"command", "parameters", "git_commit", "packages", "seconds"} <= set(kept.facts)
    assert kept.facts["git_dirty"] is False, "recorded by code that nobody can get"


def again(root: Path, place: Path, command: str) -> subprocess.CompletedProcess[str]:
    """``benchmarks/again.py`` in a checkout whose only result was made by that command."""
    (place / "benchmarks").mkdir(parents=True)
    shutil.copy(root / "benchmarks" / "again.py", place / "benchmarks")
    shutil.copytree(root / "ecgcore", place / "ecgcore", ignore=shutil.ignore_patterns("*.pyc"))
    recorded.save("kept", pd.DataFrame({"a": [1.0]}), {"command": command}, place / "results")
    return subprocess.run(
        [sys.executable, "benchmarks/again.py", "kept"],
        cwd=place, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        ("'a\\\\n1.0\\\\n'", 0, "largest_difference"),
        ("'a\\\\n2.0\\\\n'", 1, "1 of 1 columns differ"),
        ("'b\\\\n1.0\\\\n'", 1, "columns in one only"),
        (None, 1, "the command did not write it"),
    ],
)
def test_a_result_is_made_again_and_compared(
    root: Path, tmp_path: Path, code: str | None, status: int, told: str
) -> None:
    write = f"python -c \"open('results/kept.csv', 'w').write({code})\""
    done = again(root, tmp_path, write if code else "python -c pass")
    assert done.returncode == status, done.stderr
    assert told in done.stdout + done.stderr
    assert (tmp_path / "results" / "kept.csv").read_text() == "a\n1.0\n"

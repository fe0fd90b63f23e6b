"""Killed, out of space, damaged: work continues to the same bytes, or an error says why not.

``benchmarks/faults.py`` injects the faults of :data:`FAULTS` many times and records the outcome.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from archives import write_archive
from toy_notebook import write_notebook

from ecgcore import files, runs
from ecgcore.errors import EcgcoreError

ROOT = Path(__file__).resolve().parents[1]
ECGCORE = [sys.executable, "-m", "ecgcore"]
FULL = "the disk is full"
Rng = np.random.Generator

BEGIN = """\
import numpy as np
import pandas as pd
from ecgcore import files, runs
run = runs.begin("toy")
"""
FINISH = """\
files.write_whole(run.dir / "weights.safetensors", b"w" * 100_000)
run.finish(
    metrics=pd.DataFrame({"metric": ["value"], "value": [1.0]}),
    predictions=pd.DataFrame({"ecg_id": [1], "score": [0.5]}),
)
"""
TRAIN = """\
from ecgcore.models import build
from ecgcore.training import TrainConfig, fit, save_weights
x, y = np.random.default_rng(0).standard_normal((60, 12, 160)).astype(np.float32), np.arange(60) % 2
config = TrainConfig(epochs=12, patience=None, scheduler="plateau", device="cpu")
model, folder = build("cnn1d", rate_hz=100, n_samples=160, seed=1), run.dir / "checkpoints"
result = fit(model, x[:44], y[:44], x[44:], y[44:], config, checkpoint_dir=folder)
save_weights(model, run.dir / "weights.safetensors")
run.finish(metrics=result.history[["epoch", "train_loss", "valid_loss"]])
"""


def run_command(notebook: Path, place: Path) -> list[str]:
    return [*ECGCORE, "run", str(notebook), "--out", str(place / "run")]


def prepare_command(archive: Path, place: Path) -> list[str]:
    return [*ECGCORE, "prepare", str(archive), "--to", str(place / "store")]


class Child:
    """A command in its own process group."""

    def __init__(self, command: list[str]) -> None:
        self.output = ""
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
            start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for its end; return its exit code, None if it is still running."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.output = self.process.communicate(timeout=timeout_s)[0]
        return self.process.poll()

    def kill(self, *, whole_group: bool) -> bool:
        """Send SIGKILL, to the whole group if asked; return whether it was still running."""
        was_alive = self.process.poll() is None
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if whole_group else os.kill)(self.process.pid, signal.SIGKILL)
        self.wait()
        return was_alive

    def succeed(self) -> None:
        assert self.wait() == 0, self.output

    def refuse(self, words: str) -> None:
        """Check that it ends with code 2 and one sentence that contains these words."""
        assert self.wait() == 2, self.output
        lines = [line for line in self.output.splitlines() if not line.startswith("epoch ")]
        assert len(lines) == 1, self.output
        assert lines[0].startswith("ecgcore: ") and words in lines[0]  # noqa: PT018


def results(place: Path) -> dict[str, str]:
    """Return digests of all files with final names, without times."""
    if (place / "run").exists():
        assert not runs.damage(place / "run")
    paths = [path for path in place.glob("*/*") if path.parent.name in ("run", "store")]
    timed = ("notebook.ipynb", "provenance.json")
    whole = {path.name: path.read_bytes() for path in sorted(paths) if path.name not in timed}
    return {name: hashlib.sha256(content).hexdigest() for name, content in whole.items()}


def survive(command: Callable[[Path], list[str]], folder: Path, rng: Rng) -> None:
    """Kill work at a random moment; the next call must end as if nothing had happened."""
    began = time.monotonic()
    Child(command(folder / "undisturbed")).succeed()
    seconds, expected = time.monotonic() - began, results(folder / "undisturbed")
    assert expected
    place, was_alive = folder / "killed", False
    while not was_alive:
        child = Child(command(place))
        child.wait(float(rng.uniform(0, seconds)))
        was_alive = child.kill(whole_group=bool(rng.integers(2)))
        seconds *= 1.0 if was_alive else 0.9  # the machine may have been busier before
        assert results(place) in ({}, expected), "something unfinished has a final name"
        if not was_alive:
            shutil.rmtree(place)
    Child(command(place)).succeed()
    assert results(place) == expected, "it ended with different results"


def kill_preparing(folder: Path, rng: Rng) -> None:
    archive = write_archive(folder / "archive", 300)
    survive(lambda place: prepare_command(archive, place), folder, rng)


def kill_run(folder: Path, rng: Rng) -> None:
    notebook = write_notebook(folder / "toy.ipynb", BEGIN, TRAIN)
    survive(lambda place: run_command(notebook, place), folder, rng)


def fill_disk(folder: Path, rng: Rng) -> None:
    """Limit the size of files, as a quota does; without the limit, the work continues."""
    limit = f'ulimit -f {rng.integers(50, 100)}; exec "$@"'
    archive = write_archive(folder / "archive", 40)
    notebook = write_notebook(folder / "toy.ipynb", BEGIN, TRAIN)
    for command in (run_command(notebook, folder), prepare_command(archive, folder)):
        Child(["bash", "-c", limit, "bash", *command]).refuse(FULL)
        assert results(folder) == {}, "something unfinished has a final name"
    Child(command).succeed()
    assert results(folder)


def forbid_writing(folder: Path, rng: Rng) -> None:
    """Put a file where the folder should be, so that even root cannot write below it."""
    (folder / "file").touch()
    archive = write_archive(folder / "archive", 10, rates_hz=(100,))
    simulate = [*ECGCORE, "simulate", "--records", "5", "--to", str(folder / "file" / "archive")]
    Child(simulate).refuse("cannot be used")
    Child(prepare_command(archive, folder / "file")).refuse("cannot be used")
    notebook = write_notebook(folder / "toy.ipynb", BEGIN, FINISH)
    Child(run_command(notebook, folder / "file")).refuse("cannot be used")


def damage_run(folder: Path, rng: Rng) -> None:
    """Delete, cut or change every file of a finished run in turn."""
    notebook = write_notebook(folder / "toy.ipynb", BEGIN, FINISH)
    run = runs.run_notebook(notebook, {}, folder / "runs" / "a")
    for path in [path for path in sorted(run.iterdir()) if path != run / "notebook.ipynb"]:
        whole, kind = path.read_bytes(), rng.choice(["deleted", "cut", "changed"])
        path.write_bytes(whole[: len(whole) // 2] if kind == "cut" else whole[:-9] + b"x" * 9)
        if kind == "deleted":
            path.unlink()
        assert path.name in runs.damage(run), (path.name, kind)
        if path.name not in ("params.json", "provenance.json"):  # these mark it as a run
            with pytest.raises(EcgcoreError, match=path.name):
                runs.load_tables(folder / "runs", "toy", "metrics")
        path.write_bytes(whole)
    (run / "metrics.csv").unlink()
    runs.run_notebook(notebook, {}, run)
    assert not runs.damage(run), "a damaged run was not repeated"


def start_twice(folder: Path, rng: Rng) -> None:
    count = '(run.dir.parents[1] / "count").open("a").write("x")\n'
    notebook = write_notebook(folder / "toy.ipynb", BEGIN, count + FINISH)
    for child in [Child(run_command(notebook, folder / "runs")) for _ in range(2)]:
        child.succeed()
    assert (folder / "count").read_text() == "x", "the run was executed twice"
    assert [path.name for path in (folder / "runs").iterdir()] == ["run"]


GOES_ON = "the next call continues; results are byte-identical; no unfinished file has a final name"
REFUSED = "summaries refuse it by name; the next call repeats the run"
FAULTS: dict[str, tuple[Callable[[Path, Rng], None], str, str]] = {
    "kill -9 of preparing": (kill_preparing, "SIGKILL at a random moment", GOES_ON),
    "kill -9 of a run": (kill_run, "SIGKILL of the runner, or of it and its kernel", GOES_ON),
    "disk full": (fill_disk, "a limit on file size", f"a message says so; {GOES_ON}"),
    "unwritable output": (
        forbid_writing,
        "a file where the folder should be",
        "a message says where",
    ),
    "damaged run": (damage_run, "each file in turn is deleted, truncated or changed", REFUSED),
    "two processes, one run": (
        start_twice,
        "started at the same time",
        "computed once; both succeed",
    ),
}
"""By name: a function that injects the fault and checks the outcome, and the two texts."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_survived(name: str, tmp_path: Path) -> None:
    seed = time.time_ns() % 2**32  # a different moment each time; printed if it fails
    print("seed", seed)
    FAULTS[name][0](tmp_path, np.random.default_rng(seed))


def test_a_folder_moved_aside_by_a_killed_process_is_put_back(tmp_path: Path) -> None:
    (tmp_path / "html.old").mkdir()  # killed between the two renames
    files.restore(tmp_path / "html")
    assert [path.name for path in tmp_path.iterdir()] == ["html"]

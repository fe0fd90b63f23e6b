"""Disks that are full, folders that cannot be written, memory that ends, clocks that go back."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from archives import write_archive
from fault_kills import (
    FINISH,
    STEPS,
    prepare,
    run_command,
    run_left,
    simulate,
    train,
    trained,
    write_notebook,
)
from fault_kit import Child, Digests, Fault, digests, file_size_limit, mounted

from ecgcore import files, study
from ecgcore.errors import EcgcoreError
from ecgcore.models import build
from ecgcore.ptbxl import Archive
from ecgcore.train import TrainConfig, fit
from ecgcore.training.steps import Group
from ecgcore.wfdb16 import preparation

Rng = np.random.Generator
FULL = "the disk is full"


# What a child does in a place that is too small: it must say one sentence, then do it elsewhere.


def told(work: Callable[..., object], words: str, *arguments: object) -> None:
    """A child: ``work`` must fail with an ``EcgcoreError`` that holds these words."""
    with pytest.raises(EcgcoreError, match=words):
        work(*arguments)


def limited(n_bytes: int, work: Callable[..., object], *arguments: object) -> None:
    """A child: no file may grow beyond ``n_bytes``."""
    with file_size_limit(n_bytes):
        told(work, FULL, *arguments)


WORKS: dict[str, tuple[Callable[..., None], Callable[[Path], Digests], int]] = {
    "preparing": (prepare, lambda place: digests(place / "store"), 200_000),
    "simulating": (simulate, lambda place: digests(place / "archive"), 9_000),
    "training": (train, trained, 20_000),
}
"""By name: the work, what it leaves, and a limit in bytes that stops it half-way."""


def full_disk(folder: Path, rng: Rng, times: int) -> None:
    """With a limit on the size of files, as a quota has; anyone can set it."""
    for attempt in range(times):
        for name, (work, left, n_bytes) in WORKS.items():
            place = folder / f"{name}-{attempt}"
            place.mkdir()
            given = (write_archive(place / "a", 40), place) if work is prepare else (place,)
            limit = int(n_bytes * rng.uniform(0.5, 1))
            Child(limited, limit, work, *given).succeed()
            assert left(place) == {}, "something unfinished has a final name"
            Child(work, *given).succeed()
            assert left(place)


def full_tmpfs(folder: Path, rng: Rng, times: int) -> None:
    """A file system of a few hundred KiB, grown when the error has been told (root only)."""
    for attempt in range(times):
        for name, (work, left, n_bytes) in WORKS.items():
            place = folder / f"{name}-{attempt}"
            size = int(n_bytes * rng.uniform(0.5, 1))
            archive = (write_archive(folder / f"a-{name}-{attempt}", 40),)
            with mounted(place, f"size={size}"):
                given = (*archive, place) if work is prepare else (place,)
                words = f"{FULL}|disk is too full"
                Child(told, work, words, *given).succeed()
                assert left(place) == {}
                os.system(f"mount -o remount,size=200m '{place}'")
                Child(work, *given).succeed()
                assert left(place)


def run_on_full_disk(folder: Path, rng: Rng, times: int) -> None:
    """A notebook whose results do not fit: the cell is named, nothing gets the final name."""
    fill = 'run.dir.joinpath("weights.safetensors").write_bytes(b"w" * 300_000)\n'
    limit = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (50_000, 50_000))\n"
    big = 'pd.DataFrame({"value": np.arange(40_000)})'
    weights = 'files.write_whole(run.dir / "weights.safetensors", b"w" * 100_000)\n'
    finish = FINISH.replace(weights, "")
    finish = finish.replace('pd.DataFrame({"ecg_id": [1], "score": [value]})', big)
    for attempt in range(times):
        notebook = write_notebook(folder / "toy.ipynb", STEPS, limit + finish)
        child = Child(run_command(notebook, folder / str(attempt)))
        child.wait()
        assert child.process.returncode == 2, child.output
        assert FULL in child.output
        assert "Traceback" not in child.output
        assert run_left(folder / str(attempt)) == {}
        write_notebook(folder / "toy.ipynb", STEPS, fill, FINISH)
        Child(run_command(notebook, folder / str(attempt))).succeed()
        assert run_left(folder / str(attempt))


def read_only(folder: Path, rng: Rng, times: int) -> None:
    """Where a folder should be there is a file, so that even root cannot write below it."""
    (folder / "file").write_text("")
    unwritable(folder, folder / "file", times)


def read_only_mount(folder: Path, rng: Rng, times: int) -> None:
    """A file system mounted read-only (root only)."""
    with mounted(folder / "mount", "ro,size=1m") as place:
        unwritable(folder, place, times)


def unwritable(folder: Path, place: Path, times: int) -> None:
    archive = write_archive(folder / "archive", 10, rates_hz=(100,))
    notebook = write_notebook(folder / "toy.ipynb", FINISH)
    ecgcore = [sys.executable, "-m", "ecgcore"]
    commands = [
        run_command(notebook, place),
        [*ecgcore, "prepare", str(archive), "--to", str(place / "store")],
        [*ecgcore, "simulate", "--records", "5", "--to", str(place / "archive")],
    ]
    for _ in range(times):
        for command in commands:
            child = Child(command)
            child.wait()
            assert child.process.returncode == 2, child.output
            (line,) = child.output.strip().splitlines()
            assert line.startswith("ecgcore: ")
            assert "cannot be written" in line


def killed_kernel(folder: Path, rng: Rng, times: int) -> None:
    """SIGKILL to itself is what a kernel sees of the kernel's out-of-memory killer."""
    die = 'import os, pathlib\nmark = run.dir / "checkpoints" / "died"\n'
    die += "if not mark.exists(): mark.touch(); os.kill(os.getpid(), 9)\n"
    out_of_memory(folder, times, STEPS + die, [])


def real_out_of_memory(folder: Path, rng: Rng, times: int) -> None:
    """A memory cgroup of 400 MiB, in which the kernel asks for 2 GiB (root, cgroup v1)."""
    group = Path("/sys/fs/cgroup/memory") / f"ecgcore-{os.getpid()}"
    group.mkdir()
    try:
        for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"):
            if (group / name).exists():
                (group / name).write_text(str(400 * 2**20))
        enter = f'echo $$ > {group}/cgroup.procs && exec "$@"'
        grow = 'mark = run.dir / "checkpoints" / "died"\n'
        grow += "if not mark.exists(): mark.touch(); big = np.ones(2**28)\n"
        out_of_memory(folder, times, STEPS + grow, ["bash", "-c", enter, "bash"])
    finally:
        group.rmdir()


def out_of_memory(folder: Path, times: int, cell: str, before: list[str]) -> None:
    notebook = write_notebook(folder / "toy.ipynb", cell, FINISH)
    for attempt in range(times):
        place = folder / str(attempt)
        child = Child([*before, *run_command(notebook, place)])
        child.wait()
        assert child.process.returncode == 2, child.output
        assert "the kernel died (out of memory, or killed)" in child.output
        assert run_left(place) == {}
        Child([*before, *run_command(notebook, place)]).succeed()
        assert run_left(place)


def half_deleted(folder: Path, rng: Rng, times: int) -> None:
    """Each file of a finished run in turn is deleted, cut, or changed."""
    notebook = write_notebook(folder / "toy.ipynb", FINISH.replace("value", "seed"))
    for _ in range(times):
        run = study.run_notebook(notebook, {}, folder / "runs" / "a")
        names = [path.name for path in run.iterdir()]
        for name in [names[k] for k in rng.permutation(len(names))][: 2 if times == 1 else None]:
            whole = (run / name).read_bytes()
            kind = rng.choice(["deleted", "cut", "changed"])
            damage_file(run / name, str(kind))
            if name != "notebook.ipynb":
                assert study.damage(run), (name, kind)
            if name not in ("notebook.ipynb", "params.json", "provenance.json"):
                with pytest.raises(EcgcoreError, match=name):
                    study.load_runs(folder / "runs", "toy")
            if name != "notebook.ipynb" or kind == "deleted":
                study.run_notebook(notebook, {}, run)
                assert study.is_whole(run), (name, kind)
            else:
                (run / name).write_bytes(whole)


def damage_file(path: Path, kind: str) -> None:
    content = path.read_bytes()
    if kind == "deleted":
        path.unlink()
    elif kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])


def clock_goes_back(folder: Path, rng: Rng, times: int) -> None:
    """The system's time jumps back by years in the middle of a run."""
    back = "time.time = lambda: 1.0\n"
    notebook = write_notebook(folder / "toy.ipynb", STEPS + back, FINISH)
    for attempt in range(times):
        run = study.run_notebook(notebook, {}, folder / str(attempt))
        facts = json.loads((run / "provenance.json").read_text())
        assert 0.4 < facts["seconds"] < 100
        past = float(rng.uniform(0, 1e9))
        for path in run.iterdir():
            os.utime(path, (past, past))
        assert study.is_current(run, facts["identity"])


def two_processes(folder: Path, rng: Rng, times: int) -> None:
    """Both are asked for the same run at once: it is made once, and both end well."""
    count = '(run.dir.parents[1] / "count").open("a").write("x")\n'
    notebook = write_notebook(folder / "toy.ipynb", STEPS + count, FINISH)
    for attempt in range(times):
        place = folder / f"{attempt}" / "runs"
        both = [Child(run_command(notebook, place)) for _ in range(2)]
        for child in both:
            child.succeed()
        assert (place.parent / "count").read_text() == "x", "it was made twice"
        assert run_left(place)
        assert [path.name for path in place.iterdir()] == ["run"]


def hold(folder: Path, ready: Path) -> None:
    """A child that is at work in a folder for ever."""
    import time

    lock = files.acquire(folder)
    assert lock.is_locked
    ready.touch()
    time.sleep(600)


def no_gpu(folder: Path, rng: Rng, times: int) -> None:
    """A CUDA device is asked for where PyTorch is told that there is none."""
    more = ["-p", "device=cuda", "-p", f"archive={folder}"]
    notebook = Path(__file__).parents[1] / "notebooks" / "frequency_train.ipynb"
    hidden = ["env", "CUDA_VISIBLE_DEVICES="]
    for _ in range(times):
        child = Child([*hidden, *run_command(notebook, folder, *more)])
        child.wait()
        assert child.process.returncode == 2, child.output
        assert "cell 3 raised EcgcoreError: device: 'cuda' was asked for" in child.output
        assert not (folder / "run").exists()


def out_of_gpu_memory(folder: Path, rng: Rng, times: int) -> None:
    """``torch.OutOfMemoryError`` from a step on a batch beyond a size, as a GPU raises it."""
    x, y = rng.standard_normal((40, 12, 100)).astype(np.float32), np.arange(40) % 2
    losses = Group.losses

    def trained_on(card_size: int, place: Path, **how: int) -> tuple[torch.nn.Module, object]:
        def on_small_card(group: Group, index: torch.Tensor) -> torch.Tensor:
            if len(index) > card_size:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return losses(group, index)

        model = build("cnn1d", rate_hz=100, n_samples=100, seed=1)
        config = TrainConfig(epochs=2, device="cpu", **how)  # type: ignore[arg-type]
        with mock.patch.object(Group, "losses", on_small_card):
            result = fit(model, x[:32], y[:32], x[32:], y[32:], config, checkpoint_dir=place)
        return model, result

    for attempt in range(times):
        size = int(rng.integers(1, 8))
        fits = 2 ** int(np.log2(size))
        with pytest.raises(EcgcoreError, match=f"batches of 16 records; batch_size={fits} fits"):
            trained_on(size, folder / f"a{attempt}", batch_size=16)
        asked, result = trained_on(size, folder / f"b{attempt}", batch_size=16, halve_batch=True)
        expected, _ = trained_on(99, folder / f"c{attempt}", batch_size=fits)
        assert result.batch_size == fits  # type: ignore[attr-defined]
        pairs = zip(asked.state_dict().values(), expected.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
        with pytest.raises(EcgcoreError, match="not even one record fits"):
            trained_on(0, folder / f"d{attempt}", batch_size=16, halve_batch=True)


def truncated_header(folder: Path, rng: Rng, times: int) -> None:
    """What a kill leaves between making the array's file and its first byte."""
    archive = Archive(write_archive(folder / "archive", 12, rates_hz=(100,)))
    for attempt in range(times):
        place = folder / f"{attempt}"
        partial = place / "store.partial"
        partial.mkdir(parents=True)
        key = {"fingerprint": archive.fingerprint, "rates_hz": [100], "chunk": preparation.CHUNK}
        (partial / preparation.LOG).write_text(json.dumps(key) + "\n")
        (partial / "adu_100.npy").touch()
        store = preparation.prepare(archive, place / "store")
        np.testing.assert_array_equal(store.signals(100), archive.signals(100))


TOLD = "one sentence says so; nothing unfinished has a final name; with space the next call goes on"
PLACES = [
    Fault("disk full: prepare, simulate, train", "a limit on the size of files", TOLD,
          full_disk, 1, 10),
    Fault("disk full: a notebook's results", "a limit on the size of files in the kernel", TOLD,
          run_on_full_disk, 1, 10),
    Fault("output cannot be written", "a file where the folder should be",
          "one sentence says where", read_only, 1, 5),
    Fault("a kernel dies", "SIGKILL of the kernel by itself",
          "one sentence says so; the next call goes on", killed_kernel, 1, 10),
    Fault("a run directory half deleted", "every file in turn deleted, cut or changed",
          "summaries refuse it by name; the next call makes it anew", half_deleted, 1, 10),
    Fault("the clock goes back", "time.time() returns 1970 in the middle of a run",
          "times taken are right; the run counts as current", clock_goes_back, 1, 10),
    Fault("two processes, one run directory", "started at once",
          "made once; both end well", two_processes, 1, 10),
    Fault("a GPU asked for that is not there", "device=cuda without a device",
          "one sentence, before the records are read", no_gpu, 1, 5),
    Fault("out of memory on the GPU", "torch.OutOfMemoryError beyond a size of batch",
          "an error that names the batch that fits; only if asked, training anew with that",
          out_of_gpu_memory, 2, 40),
    Fault("killed between making an array and its header", "an empty file, as that kill leaves it",
          "the store is whole", truncated_header, 1, 20),
]  # fmt: skip
RECORDED_PLACES = [
    Fault("disk full: a file system", "a tmpfs of some hundred KiB", TOLD, full_tmpfs, 0, 10),
    Fault("output cannot be written: a file system", "a tmpfs mounted read-only",
          "one sentence says where", read_only_mount, 0, 5),
    Fault("a kernel runs out of memory", "a memory cgroup of 400 MiB; the kernel asks for 2 GiB",
          "one sentence says so; the next call goes on", real_out_of_memory, 0, 5),
]  # fmt: skip

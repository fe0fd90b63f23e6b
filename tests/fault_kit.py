"""How to inject faults: a few times by test_faults_*.py, many times by benchmarks/faults.py."""

import contextlib
import hashlib
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
Inject = Callable[[Path, np.random.Generator, int], None]
Digests = dict[str, str]

# A server that has imported everything forks each child in milliseconds.
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(
    ["ecgcore.train", "ecgcore.ptbxl", "ecgcore.staging", "torch._dynamo", "torch.profiler"]
)


@dataclass(frozen=True)
class Fault:
    """One row of the table: ``inject(folder, rng, times)`` raises unless the promise is kept."""

    name: str
    injected: str
    outcome: str
    inject: Inject
    quick: int
    """Times in a test."""
    times: int
    """Times in the recorded run."""


class Child:
    """A process that can be asked, waited for and killed; alone, or with all that it started."""

    def __init__(self, start: Callable[..., Any] | Sequence[str], *arguments: object) -> None:
        if callable(start):
            self.process: Any = CHILDREN.Process(target=start, args=arguments)
            self.process.start()
            self.wait = self.process.join
        else:
            self.process = subprocess.Popen(
                list(start), cwd=ROOT, start_new_session=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            self.wait = self._wait

    def _wait(self, timeout: float | None = None) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.output = self.process.communicate(timeout=timeout)[0].decode()

    @property
    def is_alive(self) -> bool:
        if isinstance(self.process, subprocess.Popen):
            return self.process.poll() is None
        return bool(self.process.is_alive())

    def kill(self, *, family: bool = False) -> bool:
        """SIGKILL; whether it was still alive. ``family``: also of what it started."""
        alive = self.is_alive
        with contextlib.suppress(ProcessLookupError):
            if family:
                os.killpg(self.process.pid, signal.SIGKILL)
            elif alive:
                self.process.kill()
        self.wait()
        return alive

    def succeed(self) -> None:
        """Wait for it; it must end well."""
        self.wait()
        ended = self.process
        code = ended.returncode if isinstance(ended, subprocess.Popen) else ended.exitcode
        assert code == 0, getattr(self, "output", code)


@dataclass(frozen=True)
class Deed:
    """Something that may be killed: how to start it on a place, and what it leaves there."""

    start: Callable[[Path], Child]
    left: Callable[[Path], Digests]
    """Digests of the results under their final names; empty as long as there are none."""
    has_family: bool = False
    mid_way: Callable[[Path], None] = lambda place: None
    """What must hold after every kill."""


def survive(deed: Deed, folder: Path, rng: np.random.Generator, n_kills: int) -> None:
    """Kill a deed at random moments; it must go on and end as if nothing had happened."""
    Child(int).succeed()  # the server of children has started
    began = time.monotonic()
    deed.start(folder / "undisturbed").succeed()
    seconds = time.monotonic() - began
    expected = deed.left(folder / "undisturbed")
    assert expected
    place, kills = folder / "killed", 0
    while kills < n_kills:
        child = deed.start(place)
        child.wait(float(rng.uniform(0, seconds)))
        alive = child.kill(family=deed.has_family and bool(rng.integers(2)))
        kills += alive
        seconds *= 1.0 if alive else 0.9  # the undisturbed one may have had a busier machine
        deed.mid_way(place)
        left = deed.left(place)
        assert left in ({}, expected), "something unfinished lies under a final name"
        if left:
            shutil.rmtree(place)
    deed.start(place).succeed()
    assert deed.left(place) == expected, "it went on, to another end"


def digests(folder: Path, pattern: str = "*") -> Digests:
    """SHA-256 of every file below a folder, by its name there."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob(pattern))
        if path.is_file()
    }


@contextlib.contextmanager
def file_size_limit(n_bytes: int) -> Iterator[None]:
    """No file of this process can grow beyond ``n_bytes``: EFBIG, as a quota would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system in memory (root only)."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)

"""Read a tier's YAML file: its archives, and its runs and summaries with their parameters."""

import itertools
import json
import os
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SUMMARIES = yaml.safe_load(Path(__file__).with_name("summaries.yaml").read_text(encoding="utf-8"))
# executed on its own, since importing it as part of ecgcore would load torch
_dependencies = runpy.run_path(str(ROOT / "ecgcore/runs/provenance.py"))["dependencies"]


@dataclass(frozen=True)
class Job:
    """One execution of a notebook.

    ``path`` is its directory below that of the tier's runs; ``archive`` is one of
    :attr:`Plan.archives`, or "" for a notebook that reads recorded results only; ``reads`` names
    the groups of runs that a summary reads.
    """

    path: str
    group: str
    notebook: str
    archive: str
    params: dict[str, Any]
    reads: tuple[str, ...] = ()

    @property
    def rate_hz(self) -> int:
        """Sampling rate of the run."""
        return int(self.params.get("rate_hz", 100))

    @property
    def folder(self) -> str:
        """Parent of its directory, relative to the directory of the tier's runs, or ""."""
        return self.path.rpartition("/")[0]


class Plan:
    """A tier: its ``archives`` by name, its ``runs`` and ``summaries`` by path.

    ``config`` is the content of the YAML file plus the workflow's option ``archive``, which becomes
    ``given_archive``. Raises SystemExit with a sentence that says what to do if the tier needs an
    archive that does not exist, or if two of its runs have the same name.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config, self.tier = config, str(config["tier"])
        self.given_archive = os.path.expanduser(config.get("archive") or "")
        self.archives = self._archives()
        jobs = [job for group, entry in config["runs"].items() for job in self._jobs(group, entry)]
        if len({job.path for job in jobs}) < len(jobs):
            raise SystemExit(
                f"Tier {self.tier}: two runs have the same name; give each entry its own name."
            )
        self.runs = {job.path: job for job in jobs if not self._is_recorded(job)}
        entries = config.get("summaries", SUMMARIES)
        summaries = [self._summary(name, entry) for name, entry in entries.items()]
        self.summaries = {j.path: j for j in summaries if not set(j.reads) & set(self.studies)}

    @property
    def studies(self) -> dict[str, str]:
        """Study in ``results/`` that records a group's predictions; empty for a user's archive."""
        return {} if self.given_archive else dict(self.config.get("studies", {}))

    @property
    def records(self) -> int:
        """Number of records for estimates of memory."""
        if self.given_archive:
            with open(Path(self.given_archive, "ptbxl_database.csv"), "rb") as file:
                return max(0, sum(1 for _ in file) - 1)
        return int(self.config.get("simulate", self.config).get("records", 0))

    def simulate_options(self, archive: str) -> dict[str, Any]:
        """Return the options for simulating an archive: the tier's, with a variant's changes."""
        return {**self.config["simulate"], **self.config.get("variants", {}).get(archive, {})}

    @property
    def pages(self) -> dict[str, str]:
        """Path of the run or summary that each page of ``notebooks/`` shows."""
        runs = {page: self.path_of(name) for page, name in self.config.get("pages", {}).items()}
        return {**runs, **{job.notebook: path for path, job in self.summaries.items()}}

    def _archives(self) -> list[str]:
        """Return the archives' names; ``given`` is the one that the user named."""
        path, real = self.given_archive, self.config.get("real")
        if path and not Path(path, "ptbxl_database.csv").exists():
            raise SystemExit(
                f"ARCHIVE={path}: no ptbxl_database.csv there; name a folder in PTB-XL layout."
            )
        if path:
            return ["given"]
        if "simulate" in self.config:
            return list(self.config.get("variants", ["simulated"]))
        if real and Path(real["script"]).exists():
            return list(real["archives"])
        command = f"make book TIER={self.tier} ARCHIVE=path/to/ptb-xl"
        raise SystemExit(f"Tier {self.tier} needs a real archive: {command}")

    def _is_recorded(self, job: Job) -> bool:
        """Return whether ``results/`` has a run's predictions and no page shows the run itself."""
        name, pages = job.path.rpartition("/")[2], self.config.get("pages", {}).values()
        on_pages = [*pages, *self.config.get("explorer", {}).get("runs", [])]
        if job.group not in self.studies or name in on_pages:
            return False
        cell, _, seed = name.rpartition("-")
        facts = ROOT / "results" / self.studies[job.group] / f"{cell}.json"
        return facts.exists() and seed in json.loads(facts.read_text(encoding="utf-8"))["runs"]

    def archive_of(self, entry: Mapping[str, Any]) -> str:
        """Return the tier's archive that an entry reads: the first, if it names none."""
        return entry["archive"] if entry.get("archive") in self.archives else self.archives[0]

    def _jobs(self, group: str, entry: Any) -> Iterator[Job]:
        """Yield the runs of a group's grid, named after the grid's values.

        A list of entries yields the runs of each. A group has its notebook's name or else specifies
        its notebook, since a notebook can have several groups. An entry's ``name`` precedes its
        values where the values alone would not distinguish its runs from others.
        """
        for part in entry if isinstance(entry, list) else [entry]:
            grid, archive = part.get("grid", {}), self.archive_of(part)
            for values in itertools.product(*grid.values()):
                cell = dict(zip(grid, values, strict=True))
                params = {**part.get("fixed", {}), **cell}
                words = filter(None, [group, part.get("name"), *map(str, values)])
                path, notebook = self._path("-".join(words), archive), part.get("notebook", group)
                yield Job(path, group, notebook, archive, params)

    def _summary(self, name: str, entry: Mapping[str, Any]) -> Job:
        params = {**entry.get("fixed", {})}
        params |= self.config.get("summary_parameters", {}).get(name, {})
        archive = self.archive_of(entry) if entry.get("records", True) else ""
        path, reads = self._path(name, archive), tuple(entry.get("reads", ()))
        return Job(path, name, name, archive, params, reads)

    def _path(self, name: str, archive: str) -> str:
        """Return a path; each of several archives has its own folder, which its summaries read."""
        return f"{archive}/{name}" if archive and len(self.archives) > 1 else name

    def path_of(self, name: str) -> str:
        """Return the path of a run by its name."""
        return next(path for path in self.runs if path.rpartition("/")[2] == name)

    def job(self, path: str) -> Job:
        """Return a run or summary by its path."""
        return self.runs.get(path) or self.summaries[path]

    def read_by(self, job: Job) -> list[str]:
        """Return the paths of the runs that a summary reads."""
        runs = [run for run in self.runs.values() if run.group in job.reads]
        return [run.path for run in runs if run.archive == job.archive]

    def gpu_of(self, n_gpus: int) -> dict[str, int]:
        """Return the GPU of each run, assigned in turn from the highest rate down."""
        longest = sorted(self.runs, key=lambda path: -self.runs[path].rate_hz)
        return {path: i % n_gpus for i, path in enumerate(longest)} if n_gpus else {}

    def minutes(self, path: str) -> int:
        """Return a run's time limit: the tier's, which is for 100 Hz, scaled by the rate."""
        slower = max(1, self.job(path).rate_hz / 100)
        return int(self.config.get("minutes", 60) * slower)


def free_mebibytes() -> int:
    """Return the memory [MiB] that runs may use: what is free, up to the container's limit."""
    import psutil  # not needed by `make plan`

    free = int(psutil.virtual_memory().available)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # cgroups of versions 2 and 1
        file = Path("/sys/fs/cgroup", name)
        if file.exists() and (limit := file.read_text().strip()).isdecimal():
            free = min(free, int(limit))
    return free // 2**20


def count_gpus() -> int:
    """Return the number of GPUs that PyTorch can use; 0 without NVIDIA's driver."""
    if not shutil.which("nvidia-smi"):
        return 0
    question = [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"]
    return int(subprocess.run(question, capture_output=True, text=True, check=False).stdout or 0)


def runs_at_once(n_gpus: int, runs_per_gpu: int | str | None = None) -> dict[str, int]:
    """Return the number of runs that may share each GPU, by resource; 1 if none is given.

    Raises SystemExit with one sentence if ``runs_per_gpu`` is not a whole number above zero.
    """
    text = "1" if runs_per_gpu in (None, "") else str(runs_per_gpu)
    if not text.isdecimal() or int(text) < 1:
        raise SystemExit(f"RUNS_PER_GPU={text}: expected a whole number above zero.")
    return {f"gpu_{i}": int(text) for i in range(n_gpus)}


def code(*sources: str) -> list[str]:
    """Return the files whose changes make results of these notebooks or modules stale."""
    paths = {p for source in sources for p in [*_dependencies(ROOT / source), ROOT / source]}
    return sorted(os.path.relpath(path) for path in paths)


def options(entry: Mapping[str, Any], *skipped: str) -> str:
    """Return an entry as command-line options, such as ``--records 200 --prevalence AF=0.2``."""
    words = []
    for name, value in entry.items():
        pairs = [f"{k}={v}" for k, v in value.items()] if isinstance(value, dict) else [str(value)]
        words += [] if name in skipped else [f"--{name}", *pairs]
    return " ".join(words)


def parameters(params: Mapping[str, Any]) -> str:
    """Return parameters as options of the command ``ecgcore run``."""
    words = (",".join(map(str, v)) if isinstance(v, list) else str(v) for v in params.values())
    pairs = zip(params, words, strict=True)
    return " ".join(f"-p {shlex.quote(f'{name}={word}')}" for name, word in pairs)

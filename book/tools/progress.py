"""Print Snakemake's progress in one line per finished run: runs done and time left."""

import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STEPS = {
    "simulate": "simulating the records",
    "real_archive": "writing the archive of real records",
    "store": "preparing the store",
    "explorer": "computing the explorer's data",
    "book": "building the pages",
}
_LINE = re.compile(
    r"(?:local)?rule (?P<rule>\w+):|\s+(?P<fact>jobid|wildcards|log): (?P<value>.+)"
    r"|Finished jobid: (?P<finished>\d+).*"
    r"|(?P<error>(?:ecgcore|book\.tools): .+|\S+:\d+: (?:WARNING|ERROR): .+)"
    r"|(?P<counted>(?:long_)?run) +(?P<count>\d+)|(?P<stats>Job stats:)"
)


@dataclass
class Progress:
    """The state of a workflow, from the lines of Snakemake's log.

    ``n_runs`` and ``n_done`` count the jobs that execute a notebook; ``jobs`` holds the facts
    of running jobs by their number.
    """

    clock: Callable[[], float] = time.monotonic
    n_runs: int = 0
    n_done: int = 0
    started: float | None = None
    jobs: dict[str, dict[str, str]] = field(default_factory=dict)
    _job: dict[str, str] = field(default_factory=dict)

    def read(self, line: str) -> Iterator[str]:
        """Process a line of the log; yield the text to print, if any."""
        match = _LINE.fullmatch(line.rstrip())
        if match is None:
            self._job = self._job if line.startswith(" ") else {}
            return
        if match["stats"]:
            self.n_runs = self.n_done
        elif match["counted"]:
            self.n_runs += int(match["count"])
        elif match["rule"]:
            self._job = {"rule": match["rule"]}
        elif match["error"]:
            yield match["error"]
        elif match["finished"]:
            if "run" in self.jobs.pop(match["finished"], {"rule": ""})["rule"]:
                self.n_done += 1
                yield self.status()
        elif self._job:
            self._job[match["fact"]] = match["value"]
            if match["fact"] == "jobid":
                self.jobs[match["value"]] = self._job
                if step := STEPS.get(self._job["rule"]):
                    yield f"{step} ..."
                elif self.started is None:
                    self.started = self.clock()
                    yield self.status()

    def status(self) -> str:
        """Return a status such as ``12 of 25 runs (48 %), about 4 min left``."""
        text, left = f"{self.n_done} of {self.n_runs} runs", self.n_runs - self.n_done
        if self.n_done and left > 0 and self.started is not None:
            seconds = (self.clock() - self.started) / self.n_done * left
            text += f" ({100 * self.n_done // self.n_runs} %), {duration_words(seconds)} left"
        return text

    def at_work(self) -> str:
        """Return the status with the runs in progress and the last line of each one's log."""
        jobs = [job for job in list(self.jobs.values()) if job["rule"] not in STEPS]
        names = [job.get("wildcards", "").removeprefix("path=") for job in jobs]
        lines = [_last_line(job.get("log", "")) for job in jobs]
        words = "; ".join(" ".join(pair).strip() for pair in zip(names, lines, strict=True))
        return f"{self.status()}; at work: {words}" if jobs else ""


def duration_words(seconds: float) -> str:
    """Return a rounded duration such as ``about 4 min``."""
    if seconds < 6000:
        return f"about {max(1, round(seconds / 60))} min"
    return f"about {seconds / 3600:.1f} h"


def _last_line(log: str) -> str:
    path = Path(log.split(" (")[0])
    text = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    return f"({text.splitlines()[-1][:80]})" if text else ""


def run(command: Sequence[str]) -> int:
    """Execute a Snakemake command, print its progress, and return its exit status.

    If it fails, the error messages of its jobs are printed, or else the end of its log.
    """
    progress, errors, last = Progress(), set[str](), deque[str](maxlen=20)
    has_ended = threading.Event()

    def name_runs_at_work() -> None:
        while not has_ended.wait(60):
            print(progress.at_work() or "...", flush=True)

    threading.Thread(target=name_runs_at_work, daemon=True).start()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in map(str.rstrip, process.stdout or ()):
            if not line.startswith("Using "):  # the profile, the shell
                last.append(line)
            for text in progress.read(line):
                if text not in errors:  # Snakemake repeats them at the end
                    print(text, flush=True)
                errors |= {text} if text == line else set()
    has_ended.set()
    if process.returncode and not errors:
        print("\n".join(last), file=sys.stderr)
    return process.returncode

"""The smoke tier on a real Slurm, with a job that dies. ``.ci/slurm start`` makes such a Slurm."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from ecgcore import runs

VICTIM = "frequency_train-cnn1d-62"
FOLDER = Path("_build/runs/slurm")


def slurm_answers() -> bool:
    try:
        done = subprocess.run(["sinfo", "--noheader"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


pytestmark = [
    pytest.mark.skipif(
        not slurm_answers(), reason="Slurm: no cluster here (.ci/slurm start makes one, as root)"
    ),
    pytest.mark.skipif(
        find_spec("snakemake_executor_plugin_slurm") is None,
        reason="Slurm: its plugin is not installed (pip install -c constraints.txt '.[slurm]')",
    ),
]


def kill_once(stop: threading.Event, killed: list[int]) -> None:
    """SIGKILL the first process that executes the victim's run, as if its node had failed."""
    while not (killed or stop.wait(0.2)):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().decode().split("\0")
            except OSError:
                continue
            if {"ecgcore", "run", f"{FOLDER}/{VICTIM}"} <= set(words):
                time.sleep(2)
                os.kill(int(path.parent.name), signal.SIGKILL)
                killed.append(int(path.parent.name))


def test_a_sweep_succeeds_although_a_job_dies(root: Path, tmp_path: Path) -> None:
    config = yaml.safe_load((root / "workflow/tiers/smoke.yaml").read_text())
    tier = tmp_path / "slurm.yaml"
    tier.write_text(yaml.safe_dump({**config, "tier": "slurm"}, sort_keys=False))
    for place in ("data", "runs", "staging"):
        shutil.rmtree(root / "_build" / place / "slurm", ignore_errors=True)
    stop, killed = threading.Event(), list[int]()
    killer = threading.Thread(target=kill_once, args=(stop, killed))
    killer.start()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile",
             "--profile", "workflow/profiles/slurm", "--configfile", str(tier),
             "--slurm-status-command", "squeue",  # this Slurm has no accounting
             "--slurm-init-seconds-before-status-checks", "2",
             "--seconds-between-status-checks", "2",
             "--config", f"html={tmp_path}/html", "gpus=2"],
            cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        stop.set()
        killer.join()
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert len(killed) == 1
    assert "Trying to restart" in output
    queue = ["squeue", "--states=all", "--noheader", "--format=%T"]
    states = subprocess.run(queue, capture_output=True, text=True, check=True).stdout.split()
    assert states.count("COMPLETED") >= 8
    assert "FAILED" in states
    assert (tmp_path / "html" / "index.html").exists()
    for run in [path for path in (root / FOLDER).iterdir() if path.name != "logs"]:
        assert not runs.damage(run), run
        assert (run / "log.txt").stat().st_size > 0

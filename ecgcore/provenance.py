"""What made a result: code, packages, machine."""

import hashlib
import importlib.metadata
import platform
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COMPUTING = (
    "beats.py", "compare", "explain", "faithful", "fills.py", "inputs.py", "metrics", "models",
    "resampling.py", "signals.py", "splits.py", "study.py", "tasks.py", "territories.py",
    "train.py", "training", "variants.py",
)  # fmt: skip
"""Modules whose change makes results stale; figures and the book's tools are not among them."""

MAKING = ("archive_tables.py", "simulate", "wfdb16")
"""Modules whose change makes other records."""

PACKAGES = ("torch", "numpy", "scipy", "pandas", "scikit-learn", "wfdb", "captum", "papermill")


def here() -> dict[str, Any]:
    """Commit, package versions, machine and peak memory of this process, ready for JSON."""
    commit, dirty = git_state(Path(__file__).parent)
    return {
        "git_commit": commit,
        "git_dirty": dirty,
        "code": code_fingerprint(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "machine": f"{platform.system()} {platform.machine()}",
        "peak_memory_mib": round(peak_memory_mib()),
    }


def git_state(folder: Path) -> tuple[str, bool]:
    """Commit and whether tracked files differ from it; ``("unknown", True)`` outside git."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit, bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return "unknown", True


def changed_since(root: Path, commit: str, paths: Sequence[str]) -> list[str] | None:
    """Files below some paths of a checkout that differ from a commit; None where git cannot tell.

    It cannot outside a repository, or where the commit lies before the history that was cloned.
    """
    try:
        return _git(root, "diff", "--name-only", f"{commit}^{{commit}}", "--", *paths).splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def code_fingerprint(package: str = "") -> str:
    """Short hash over the source files of ``ecgcore``, or of a package in it."""
    digest = hashlib.sha256()
    root = Path(__file__).parent / package
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def peak_memory_mib() -> float:
    """Largest resident memory of this process so far (Linux counts KiB, macOS bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)

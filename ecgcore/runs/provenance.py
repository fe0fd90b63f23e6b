"""What a result was computed with: code, packages, machine."""

import ast
import functools
import hashlib
import importlib.metadata
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
"""The checkout, or the folder that the packages are installed in."""

OUR_PACKAGES = ("ecgcore", "ecgsim")
PACKAGES = ("torch", "numpy", "scipy", "pandas", "scikit-learn", "wfdb", "captum", "papermill")
"""Packages whose versions a run records."""


def here(source: Path | None = None) -> dict[str, Any]:
    """Return commit, package versions, machine and peak memory of this process, ready for JSON.

    ``source`` is the notebook or module whose code, with all that it imports, is fingerprinted.
    """
    commit, dirty = git_state(ROOT)
    return {
        "git_commit": commit,
        "git_dirty": dirty,
        "code": code_fingerprint(source),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "peak_memory_mib": round(peak_memory_mib()),
    }


def processor() -> str:
    """Return the processor's model as the system names it; "" if it does not."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def git_state(folder: Path) -> tuple[str, bool]:
    """Return the commit and whether tracked files differ; unknown and True without git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return "unknown", True
    return commit, bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))


def changed_since(root: Path, commit: str, paths: Sequence[str]) -> list[str] | None:
    """Return the files among ``paths`` whose code differs from a commit; None if git cannot tell.

    Comments, docstrings and the text of notebooks do not count as code.
    """
    names = _git(root, "diff", "--name-only", f"{commit}^{{commit}}", "--", *paths)

    def differs(name: str) -> bool:
        now = (root / name).read_text(encoding="utf-8") if (root / name).exists() else ""
        return _statements(name, now) != _statements(name, _git(root, "show", f"{commit}:{name}"))

    return None if names is None else [name for name in names.splitlines() if differs(name)]


@functools.lru_cache(maxsize=1000)
def _statements(name: str, text: str | None) -> str | None:
    """Return a module's or notebook's statements without docstrings; of another file, its text."""
    try:
        tree = _parse(name, text or "")
    except (SyntaxError, ValueError):
        return text
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            strings = [s for s in node.body if isinstance(s, ast.Expr)]
            strings = [s for s in strings if isinstance(s.value, ast.Constant)]
            node.body = [s for s in node.body if s not in strings]
    return ast.dump(tree)


def _parse(name: str, text: str) -> ast.Module:
    """Return the syntax tree of a module, or of a notebook's code without its commands."""
    if name.endswith(".ipynb"):
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    lines = (line for line in text.splitlines() if not line.lstrip().startswith(("%", "!")))
    return ast.parse("\n".join(lines))


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what a git command prints, None if it fails or there is no git."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def dependencies(source: Path) -> list[Path]:
    """Return the files of our packages that a notebook or module imports, directly or not."""
    modules: set[Path] = set()
    waiting = [source]
    while waiting:
        new = set(_imported(waiting.pop())) - modules
        modules |= new
        waiting += new
    return sorted(modules)


@functools.cache
def _imported(source: Path) -> tuple[Path, ...]:
    """Return the files of our modules that a source imports, and of the packages around them."""
    names: set[str] = set()
    for node in ast.walk(_parse(source.name, source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    ours = [name.split(".") for name in names if name.split(".")[0] in OUR_PACKAGES]
    paths = {ROOT.joinpath(*parts[:n]) for parts in ours for n in range(1, len(parts) + 1)}
    files = {file for path in paths for file in (path / "__init__.py", path.with_suffix(".py"))}
    return tuple(file for file in files if file.is_file())


def code_fingerprint(source: Path | None = None, *, with_source: bool = True) -> str:
    """Return a short hash of the code that ``source`` depends on (by default all of our packages).

    ``with_source`` includes the notebook or module itself.
    """
    if source is None:
        paths = sorted(path for name in OUR_PACKAGES for path in (ROOT / name).rglob("*.py"))
    else:
        paths = [*dependencies(source), *([source] if with_source else [])]
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def peak_memory_mib() -> float:
    """Return the peak resident memory of this process so far."""
    try:
        import resource  # Linux counts KiB, macOS bytes; Windows has no such module
    except ImportError:
        import psutil

        memory = psutil.Process().memory_info()
        return float(getattr(memory, "peak_wset", memory.rss) / 2**20)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)

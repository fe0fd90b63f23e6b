"""Shared fixtures: the real slice where it lies beside the checkout, a small simulated archive."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import missing, offline_browser
from hypothesis import settings

# One thread a test process: the machine's cores are shared out by pytest-xdist.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shared machine may stall for a second; how long an example takes is no property of the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def ptbxl_500() -> Path:
    """500 real PTB-XL records in the official layout; skips where they are not at hand."""
    path = ROOT.parent / "shared" / "ptbxl-500"
    if not path.is_dir():
        pytest.skip("real archive: shared/ptbxl-500 does not lie beside this checkout")
    return path


@pytest.fixture(scope="session")
def simulated_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 simulated records, seed 7, made once a session (and worker)."""
    from ecgcore.simulate import simulate_archive

    path = tmp_path_factory.mktemp("archive") / "simulated"
    simulate_archive(path, n_records=240, seed=7)
    return path


@pytest.fixture(scope="session")
def small_store(simulated_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The simulated archive, prepared."""
    from ecgcore import ptbxl, wfdb16

    path = tmp_path_factory.mktemp("store") / "store"
    wfdb16.prepare(ptbxl.Archive(simulated_archive), path)
    return str(path)


@pytest.fixture(scope="session")
def html(root: Path) -> Path:
    """The built book: ``ECGCORE_HTML``, else ``_build/html``."""
    folder = root / os.environ.get("ECGCORE_HTML", "_build/html")
    if not (folder / "index.html").exists():
        missing(f"no built book in {folder}: run make book TIER=smoke")
    return folder


@pytest.fixture(scope="session")
def context() -> Iterator[Any]:
    """A context of Chromium with the network off, the same for all tests of a process."""
    with offline_browser() as opened:
        yield opened

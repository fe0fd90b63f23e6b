"""Shared fixtures: the real data beside the checkout and a small simulated archive."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# One thread per test process: pytest-xdist shares out the machine's cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shared machine may stall for a second, so the time of an example says nothing about the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "workflow"))  # scripts, which some tests import
SLOW = ("test_pages.py", "test_repeat.py", "test_shown_commands.py", "test_notebooks.py")
"""Files whose tests take minutes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow tests first, split between two workers that each get half of the list.

    Otherwise, one worker would end with them while the other has nothing left to do.
    """
    slow = [[item for item in items if item.path.name == name] for name in SLOW]
    fast = [item for item in items if item.path.name not in SLOW]
    first, second = slow[0] + slow[1], slow[2] + slow[3]
    n = max(0, len(items) // 2 - len(first))
    items[:] = [*first, *fast[:n], *second, *fast[n:]]


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real records and published figures; skip the test without it."""
    path = ROOT.parent / "shared"
    if not path.is_dir():
        pytest.skip("real data: the folder 'shared' is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def ptbxl_500(shared: Path) -> Path:
    """Return 500 real PTB-XL records in the official layout."""
    path = shared / "ptbxl-500"
    if not path.is_dir():
        pytest.skip("real archive: shared/ptbxl-500 is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def simulated_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 240 simulated records with seed 7, made once per session and worker."""
    from ecgsim import simulate_archive

    path = tmp_path_factory.mktemp("archive") / "simulated"
    simulate_archive(path, n_records=240, seed=7)
    return path


@pytest.fixture(scope="session")
def small_store(simulated_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the store of the simulated archive."""
    from ecgcore.data import Archive, prepare

    path = tmp_path_factory.mktemp("store") / "store"
    prepare(Archive(simulated_archive), path)
    return str(path)

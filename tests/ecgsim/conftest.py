"""A small simulated archive for the tests of the simulator."""

from pathlib import Path

import pytest

from ecgsim import simulate_archive


@pytest.fixture(scope="session")
def simulated_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 simulated records, seed 7, written once per session (and worker)."""
    return simulate_archive(tmp_path_factory.mktemp("ecgsim") / "simulated", n_records=240, seed=7)

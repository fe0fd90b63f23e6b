"""Full disks, unwritable folders, too little memory, damaged runs: told in words, nothing lost."""

from pathlib import Path

import numpy as np
import pytest
from fault_kit import Child, Fault
from fault_places import PLACES, hold

from ecgcore import files
from ecgcore.errors import EcgcoreError


@pytest.mark.parametrize("fault", PLACES, ids=lambda fault: fault.name)
def test_it_is_told_and_nothing_is_lost(fault: Fault, tmp_path: Path) -> None:
    fault.inject(tmp_path, np.random.default_rng(1), fault.quick)


def test_a_folder_in_use_is_refused_until_its_holder_dies(tmp_path: Path) -> None:
    holder = Child(hold, tmp_path / "run", tmp_path / "ready")
    while not (tmp_path / "ready").exists():
        holder.wait(0.05)
    with pytest.raises(EcgcoreError, match="run: another process is at work there"):
        files.acquire(tmp_path / "run", wait_s=0.1)
    holder.kill()
    with files.alone(tmp_path / "run", wait_s=5):
        assert (tmp_path / "run.lock").exists()
    assert not (tmp_path / "run.lock").exists()

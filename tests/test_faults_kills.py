"""Killed at any moment, everything goes on and ends as if nothing had happened."""

import time
from pathlib import Path

import numpy as np
import pytest
from fault_kills import KILLS
from fault_kit import Fault

from ecgcore import files


@pytest.mark.parametrize("fault", KILLS, ids=lambda fault: fault.name)
def test_it_is_survived(fault: Fault, tmp_path: Path) -> None:
    seed = time.time_ns() % 2**32  # other moments each time; printed if it fails
    print("seed", seed)
    fault.inject(tmp_path, np.random.default_rng(seed), fault.quick)


def test_a_folder_moved_aside_by_a_killed_process_is_put_back(tmp_path: Path) -> None:
    for name in ("html", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "page").write_text(name)
    (tmp_path / "html").rename(tmp_path / "html.old")  # killed between the two renames
    files.mend(tmp_path / "html")
    assert (tmp_path / "html" / "page").read_text() == "html"
    files.put(tmp_path / "new", tmp_path / "html")
    assert (tmp_path / "html" / "page").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["html"]

"""Recorded results: written whole with their provenance, read back, and those in the checkout."""

from pathlib import Path

import pandas as pd
import pytest

from ecgcore import recorded
from ecgcore.errors import EcgcoreError


def test_a_result_comes_back_with_its_label(tmp_path: Path) -> None:
    table = pd.DataFrame({"seed": [1, 2], "auroc": [0.91, 0.93]})
    recorded.save("judged", table, {"command": "python x.py"}, tmp_path / "results")
    kept = recorded.load("judged", tmp_path / "results")
    pd.testing.assert_frame_equal(kept.table, table)
    assert kept.label.startswith("Recorded by `python x.py`, code `")
    assert {"git_commit", "packages", "machine"} <= set(kept.facts)
    assert len(list((tmp_path / "results").iterdir())) == 2


def test_what_is_not_there_or_broken_is_told(tmp_path: Path) -> None:
    with pytest.raises(EcgcoreError, match="there is no such recorded result"):
        recorded.load("judged", tmp_path)
    (tmp_path / "judged.json").write_text("{")
    with pytest.raises(EcgcoreError, match="cannot be read"):
        recorded.load("judged", tmp_path)


@pytest.mark.parametrize("name", ["realism", "transfer_to_real"])
def test_recorded_tables_of_the_checkout_say_how_they_were_made(name: str) -> None:
    kept = recorded.load(name)
    assert len(kept.table)
    assert {"command", "parameters", "git_commit", "packages", "seconds"} <= set(kept.facts)
    assert kept.facts["git_dirty"] is False, "recorded by code that nobody can get"

"""Tiers: every parameter they set is one that the notebook knows, and the plan hangs together."""

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecgcore import datasets, parameters

TIERS = ("smoke", "lecture", "ptbxl-500", "study", "paper")


def load(root: Path, tier: str) -> dict[str, Any]:
    return yaml.safe_load((root / "workflow" / "tiers" / f"{tier}.yaml").read_text())


def test_there_is_a_file_for_every_tier(root: Path) -> None:
    assert {path.stem for path in (root / "workflow" / "tiers").glob("*.yaml")} == set(TIERS)


@pytest.mark.parametrize("tier", TIERS)
def test_tiers_set_only_what_notebooks_allow(root: Path, tier: str) -> None:
    config = load(root, tier)
    assert config["tier"] == tier
    for group, entry in {**config["runs"], **config["summaries"]}.items():
        for one in entry if isinstance(entry, list) else [entry]:
            notebook = one.get("notebook", group)
            declared = parameters.of_notebook(root / "notebooks" / f"{notebook}.ipynb")
            grid = one.get("grid", {})
            for values in itertools.product(*grid.values()):
                given = {**config.get("common", {}), **one.get("fixed", {})}
                parameters.check(declared, {**given, **dict(zip(grid, values, strict=True))})


def test_the_default_archive_is_the_lecture_tiers(root: Path) -> None:
    simulate = load(root, "lecture")["simulate"]
    assert simulate["records"] == datasets.DEFAULT_ARCHIVE["n_records"]
    assert simulate["seed"] == datasets.DEFAULT_ARCHIVE["seed"]
    assert simulate["prevalence"] == datasets.DEFAULT_ARCHIVE["prevalence"]


def plan(root: Path, tmp_path: Path, tier: str, *config: str) -> subprocess.CompletedProcess[str]:
    # --directory would move the paths of inputs too, so the plan is made in the checkout, dry
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--dry-run",
         "--configfile", f"workflow/tiers/{tier}.yaml", "--nolock", "--cores", "2", "--quiet",
         "rules", "--config", f"html={tmp_path}/html", *config],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("tier", ["smoke", "lecture", "study"])
def test_a_simulated_tier_can_be_planned(root: Path, tmp_path: Path, tier: str) -> None:
    done = plan(root, tmp_path, tier)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("tier", ["ptbxl-500", "paper"])
def test_a_real_tier_asks_for_its_archive(root: Path, tmp_path: Path, tier: str) -> None:
    done = plan(root, tmp_path, tier)
    assert done.returncode != 0
    assert f"make book TIER={tier} ARCHIVE=" in done.stdout + done.stderr
    done = plan(root, tmp_path, tier, f"archive={tmp_path}")
    assert "no ptbxl_database.csv there" in done.stdout + done.stderr


def test_a_real_tier_can_be_planned(root: Path, tmp_path: Path, ptbxl_500: Path) -> None:
    done = plan(root, tmp_path, "ptbxl-500", f"archive={ptbxl_500}")
    assert done.returncode == 0, done.stderr


def test_no_two_runs_of_a_tier_share_a_name(root: Path) -> None:
    """A group can have several entries, and a notebook several groups."""
    for tier in TIERS:
        names = []
        for group, entry in load(root, tier)["runs"].items():
            for one in entry if isinstance(entry, list) else [entry]:
                own = [group, *([one["name"]] if "name" in one else [])]
                for values in itertools.product(*one.get("grid", {}).values()):
                    names.append("-".join([*own, *map(str, values)]))
        assert len(names) == len(set(names)), tier


@pytest.mark.parametrize("tier", TIERS)
def test_a_summary_takes_what_the_workflow_gives_it(root: Path, tier: str) -> None:
    for notebook, entry in load(root, tier)["summaries"].items():
        declared = {
            p.name for p in parameters.of_notebook(root / "notebooks" / f"{notebook}.ipynb")
        }
        assert "tier" in declared
        assert ("archive" in declared) == entry.get("records", True), notebook
        assert ("runs" in declared) == bool(entry.get("reads")), notebook

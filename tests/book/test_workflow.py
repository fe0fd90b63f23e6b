"""Tiers: notebooks accept every parameter that they set, and the plan is consistent."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import torch
import yaml
from plan import Plan, count_gpus, free_mebibytes, runs_at_once
from record import record

from ecgcore import cli, models
from ecgcore.data import DEFAULT_ARCHIVE
from ecgcore.runs import InputPipeline, model_options, parameters
from ecgcore.runs.recorded import load_study

ROOT = Path(__file__).resolve().parents[2]
TIERS = sorted(path.stem for path in (ROOT / "workflow" / "tiers").glob("*.yaml"))


def load(tier: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "workflow" / "tiers" / f"{tier}.yaml").read_text())


@pytest.fixture
def archive(tmp_path: Path) -> str:
    (tmp_path / "ptbxl_database.csv").touch()
    return str(tmp_path)


@pytest.mark.parametrize("tier", TIERS)
def test_notebooks_and_networks_allow_what_a_tier_sets(tier: str, archive: str) -> None:
    config = load(tier)
    assert config["tier"] == tier
    plan = Plan({**config, **({} if "simulate" in config else {"archive": archive})})
    networks = {}
    for job in [*plan.runs.values(), *plan.summaries.values()]:
        declared = parameters.of_notebook(ROOT / "notebooks" / f"{job.notebook}.ipynb")
        values = parameters.check(declared, job.params)
        assert "tier" in values
        assert ("archive" in values) == bool(job.archive), job.path
        assert ("runs" in values) == bool(job.reads), job.path
        if job.path in plan.runs:
            InputPipeline.from_params(values)
            shape = {"rate_hz": job.rate_hz, "n_samples": 10 * job.rate_hz}
            options = {**shape, **model_options(values)}
            networks[str([values["model"], options])] = values["model"], options
    for name, options in networks.values():
        with torch.device("meta"):
            models.build(name, **options)
    assert set(plan.pages) <= {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_the_default_archive_is_that_of_the_lecture_tier() -> None:
    simulate = load("lecture")["simulate"]
    assert {"n_records": simulate.pop("records"), **simulate} == DEFAULT_ARCHIVE


@pytest.fixture
def real(tmp_path: Path) -> dict[str, Any]:
    """Return the tier *real* with a stand-in for the script that builds its archives."""
    script = tmp_path / "build.py"
    script.touch()
    return {**load("real"), "real": {"script": str(script), "archives": ["af500", "imn100"]}}


def test_runs_of_two_archives_have_separate_folders(real: dict[str, Any]) -> None:
    plan = Plan({**real, "studies": {}})
    paths = [p for p in [*plan.runs, *plan.summaries] if "/" in p]
    assert {path.split("/")[0] for path in paths} == {"af500", "imn100"}
    reads = plan.read_by(plan.job("af500/frequency_sweep"))
    assert reads
    assert all(path.startswith("af500/frequency_train") for path in reads)
    assert plan.pages["imn_train"].startswith("imn100/")


def test_a_simulated_tier_can_have_a_second_archive(capsys: Any) -> None:
    plan = Plan(load("study"))
    assert [plan.job(p).archive for p in plan.runs if "device" in p] == ["tied"] * 10
    options = [plan.simulate_options(archive) for archive in plan.archives]
    assert [one.get("device-confounding") for one in options] == [None, 0.9]
    assert options[0] == {k: v for k, v in options[1].items() if k != "device-confounding"}
    with pytest.raises(SystemExit):
        cli.main(["simulate", "--help"])
    known = capsys.readouterr().out
    assert all(f"--{name}" in known for name in options[1])


def test_recorded_runs_are_not_repeated(real: dict[str, Any]) -> None:
    cell, page = "af500/frequency_train-cnn1d-500-1", "af500/frequency_train-cnn1d-100-1"
    plan = Plan(real)
    assert cell not in plan.runs
    assert page in plan.runs
    assert "af500/frequency_sweep" not in plan.summaries  # it would read only part of the runs
    assert {cell, page} <= set(Plan({**real, "studies": {}}).runs)


def test_a_study_gains_seeds_and_loses_none(tmp_path: Path) -> None:
    for seed in (1, 2):
        run = tmp_path / "runs" / f"cell-{seed}"
        run.mkdir(parents=True)
        (run / "notebook.ipynb").write_text("{}")
        (run / "provenance.json").write_text('{"tier": "study"}')
        (run / "params.json").write_text('{"notebook": "page", "rate_hz": 100}')
        (run / "history.csv").write_text("epoch\n1\n2\n")
        (run / "explained.csv").write_text("method,score\nimn,0.5\n")
        answer = {"ecg_id": 1, "patient_id": 7, "part": "test", "y_true": 1, "logit": 2.0}
        pd.DataFrame([answer]).to_parquet(run / "predictions.parquet")
        assert record("study", tmp_path / "runs", tmp_path) == ["cell"]
        shutil.rmtree(run)
    study = load_study("study", tmp_path)
    assert all(study[name].table["seed"].tolist() == [1, 2] for name in ("cell", "cell-maps"))
    assert study["cell"].facts["runs"]["2"]["epochs"] == [2]
    assert study["cell"].facts["command"] == "make book TIER=study (cell)"


def test_gpus_are_assigned_to_the_longest_runs_first() -> None:
    plan = Plan(load("study"))
    gpus = plan.gpu_of(3)
    per_gpu = [[plan.job(p).rate_hz for p, gpu in gpus.items() if gpu == g] for g in range(3)]
    assert max(map(sum, per_gpu)) < 1.1 * min(map(sum, per_gpu))
    assert plan.gpu_of(0) == {}


def test_the_allowed_number_of_runs_shares_a_gpu() -> None:
    assert runs_at_once(2) == runs_at_once(2, "") == {"gpu_0": 1, "gpu_1": 1}
    assert runs_at_once(1, "8") == {"gpu_0": 8}
    with pytest.raises(SystemExit, match="RUNS_PER_GPU=0: expected a whole number above zero"):
        runs_at_once(1, 0)


def test_a_local_build_respects_the_memory_and_gpus_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 0 < free_mebibytes() <= psutil.virtual_memory().total / 2**20
    monkeypatch.setenv("PATH", str(tmp_path))
    assert count_gpus() == 0  # without NVIDIA's driver
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    assert count_gpus() == torch.cuda.device_count()


def test_memory_is_estimated_for_the_records_of_the_given_archive(archive: str) -> None:
    Path(archive, "ptbxl_database.csv").write_text("ecg_id\n1\n2\n3\n")
    assert Plan({**load("smoke"), "archive": archive}).records == 3
    assert Plan(load("smoke")).records == 240


def test_errors_in_a_tier_are_named() -> None:
    config = load("smoke")
    group = config["runs"]["imn_train"]
    with pytest.raises(SystemExit, match="two runs have the same name"):
        Plan({**config, "runs": {"imn_train": [group, group]}})
    with pytest.raises(SystemExit, match="make book TIER=paper ARCHIVE=path/to/ptb-xl"):
        Plan(load("paper"))


def test_a_folder_without_an_archive_is_refused_at_once(tmp_path: Path) -> None:
    """``test_shown_commands.py`` tests good archives, with the book's commands."""
    done = subprocess.run(
        [sys.executable, "-m", "book.tools", "progress", "--", sys.executable, "-m", "snakemake",
         "--snakefile", "workflow/Snakefile", "--dry-run", "--cores", "2", "--configfile",
         "workflow/tiers/real.yaml", "--config", f"html={tmp_path}/html", "archive=/nowhere"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stderr == (
        "ARCHIVE=/nowhere: no ptbxl_database.csv there; name a folder in PTB-XL layout.\n"
    )


def test_a_killed_grid_continues_with_the_same_command(tmp_path: Path) -> None:
    """``kill -9`` leaves no lock behind, and incomplete results are computed again."""
    tier = f"killed_{os.getpid()}"
    cells = {
        "grid": {"model": ["cnn1d"], "rate_hz": [62, 75], "seed": [1]},
        "fixed": {"folds": 2, "epochs": 1, "n_resamples": 100},
    }
    records = {"records": 80, "seed": 7, "prevalence": {"NORM": 0.5, "AF": 0.5}}
    grid = {"tier": tier, "simulate": records, "runs": {"frequency_train": cells}, "summaries": {}}
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid))
    runs = ROOT / "_build" / "runs" / tier
    targets = [f"_build/runs/{tier}/frequency_train-cnn1d-{hz}-1/notebook.ipynb" for hz in (62, 75)]
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile",
               "--configfile", str(tmp_path / "grid.yaml"), "--cores", "1", *targets]  # fmt: skip
    try:
        first = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        end = time.monotonic() + 300
        while time.monotonic() < end and not list(runs.glob("*.partial/notebook.ipynb")):
            time.sleep(0.2)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        assert list(runs.glob("*.partial"))
        subprocess.run(command, cwd=ROOT, check=True)
        assert all((ROOT / target).exists() for target in targets)
    finally:
        for kind in ("runs", "data"):
            shutil.rmtree(ROOT / "_build" / kind / tier, ignore_errors=True)

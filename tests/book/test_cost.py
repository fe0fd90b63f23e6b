"""What ``make plan`` prints, and the rehearsal that it reads, on an archive of 300 records."""

import json
import subprocess
import sys
from pathlib import Path

import cost

from ecgcore import explanations
from ecgcore.explanations.attribute import COSTLY
from ecgcore.explanations.deletion import FRACTIONS
from ecgcore.runs import parameters

ROOT = Path(__file__).resolve().parents[2]


def test_the_plan_of_the_paper_tier_states_its_cost() -> None:
    report = cost.report("paper")
    for word in ("810 runs", "GiB", "estimates", "H100", "12 GB card", "laptop", "To cut"):
        assert word in report
    assert "nan" not in report
    assert "no minutes are known" in cost.report("smoke"), "smoke was not rehearsed"


def test_every_run_has_a_cost_and_reserves_little_more_memory_than_was_measured() -> None:
    rows, paper = cost.rehearsed(), cost.dry_plan("paper")
    for job in paper.runs.values():
        expected, reserved = cost.run_cost(job, rows), cost.mebibytes(paper, job, rows)
        assert 0 < expected["h100"] <= expected["card_12gb"] < expected["core"], job.path
        assert expected["memory_gib"] < 16, job.path
        assert 1.25 < reserved / (1024 * expected["memory_gib"]) < 1.6, job.path
        assert (expected["explain"] > 0) == job.path.startswith("imn_train"), job.path
    smoke = cost.dry_plan("smoke")  # where runs took 270 to 950 MiB
    for job in [*smoke.runs.values(), *smoke.summaries.values()]:
        assert 1000 <= cost.mebibytes(smoke, job, rows) < 1600, job.path


def test_forward_passes_are_counted_as_explanations_use_them() -> None:
    effort = explanations.Effort()
    units = 12 * round(10 / effort.window_s)
    assert cost.METHOD_ANSWERS["occlusion"] == units
    assert cost.METHOD_ANSWERS["kernel_shap"] == effort.n_runs
    assert cost.METHOD_ANSWERS["gradient_shap"] == 3 * effort.n_steps
    assert set(COSTLY) & set(cost.METHOD_ANSWERS) == cost.COSTLY
    assert effort.n_attainable == cost.ATTAINABLE_RECORDS
    assert 2 * sum(round(share * units) < units for share in FRACTIONS) == cost.CURVE_ANSWERS
    measured = cost.kinds(cost.dry_plan("paper"))["imn_train imn 100 Hz"]["methods"]
    assert set(cost.METHOD_ANSWERS) == set(measured)
    for notebook, batch_size in cost.BATCH_SIZE.items():
        declared = parameters.of_notebook(ROOT / "notebooks" / f"{notebook}.ipynb")
        assert {p.name: p.default for p in declared}["batch_size"] == batch_size


def test_a_rehearsal_continues_where_it_stopped(tmp_path: Path, simulated_archive: Path) -> None:
    kind = "frequency_train cnn1d 62 Hz"
    command = [
        sys.executable, "benchmarks/rehearsal.py", "--templates", str(simulated_archive),
        "--folder", str(tmp_path), "--records", "300", "--steps", "1", "--kinds", "archive",
        "store", kind,
    ]  # fmt: skip
    for n_lines in (3, 0):
        printed = subprocess.check_output(command, cwd=ROOT, text=True)
        assert printed.count("minutes left") == n_lines
    log = (tmp_path / "300" / "rows.jsonl").read_text().splitlines()
    rows = {row["kind"]: row for row in map(json.loads, log)}
    assert rows["store"]["n_af_vs_rest"] == 300
    assert rows[kind]["step_cpu_s"] > 0
    assert rows[kind]["steps_per_epoch"] > rows[kind]["steps"]

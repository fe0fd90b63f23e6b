"""Progress of a build: runs done, percentage, time left, and an error instead of a log."""

import sys
from pathlib import Path

import pytest

from book.tools import progress

LOG = """\
Job stats:
long_run        1
run             3
book            1
rule simulate:
    jobid: 9
Finished jobid: 9 (Rule: simulate)
rule long_run:
    output: x
    log: LOG (check log file(s) for error details)
    jobid: 1
    wildcards: path=frequency_train-500
localrule run:
    jobid: 2
    wildcards: path=other
Finished jobid: 2 (Rule: run)
"""


def test_a_log_becomes_a_line_per_run(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("started\nepoch 3 of 5, at most 2 minutes left\n")
    times = iter([0.0, 100.0, 100.0])
    state = progress.Progress(clock=lambda: next(times))
    lines = LOG.replace("LOG", str(tmp_path / "log")).splitlines()
    printed = [text for line in lines for text in state.read(line)]
    assert printed == [
        "simulating the records ...", "0 of 4 runs", "1 of 4 runs (25 %), about 5 min left",
    ]  # fmt: skip
    assert state.at_work().endswith(
        "at work: frequency_train-500 (epoch 3 of 5, at most 2 minutes left)"
    )


def test_a_failure_prints_its_error_and_keeps_its_status(
    capfd: pytest.CaptureFixture[str],
) -> None:
    script = "print('rule run:'); print('ecgcore: no such lead'); raise SystemExit(3)"
    assert progress.run([sys.executable, "-c", script]) == 3
    assert capfd.readouterr() == ("ecgcore: no such lead\n", "")
    assert progress.run([sys.executable, "-c", "print('odd'); raise SystemExit(1)"]) == 1
    assert "odd" in capfd.readouterr().err
    assert progress.run([sys.executable, "-c", "pass"]) == 0

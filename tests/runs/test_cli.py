"""The command line: one sentence per error, status 2."""

import subprocess
import sys
from pathlib import Path

import pytest
from archives import damage, write_archive

from ecgcore import cli
from ecgcore.data import Archive

Capture = pytest.CaptureFixture[str]


def call(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    try:
        status = cli.main([str(word) for word in arguments])
    except SystemExit as end:  # argparse exits in this way
        status = int(end.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("-p=rate_hz", "NAME=VALUE"),
        ("-p=archive=~/nowhere", f"there is no folder {Path.home()}/nowhere"),
        ("-f=p.yaml", "'rate_hz'"),
    ],
)
def test_run_refuses_a_wrong_parameter(
    root: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch,
    option: str, words: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text("rate_hz: fast\n")
    notebook = root / "notebooks" / "frequency_train.ipynb"
    status, out, err = call(capsys, "run", notebook, option, "--out", "run")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert not Path("run").exists()


def test_folders_without_a_name_and_users_who_do_not_exist(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_archive(tmp_path / "archive"))
    for to in (".", "", "/"):
        status, _, err = call(capsys, "prepare", ".", "--to", to)
        assert (status, err.count("\n")) == (2, 1)
        assert "contains files that do not belong to a store" in err
    for words in (("doctor", "--archive"), ("simulate", "--to"), ("prepare", "x", "--to")):
        status, _, err = call(capsys, *words, "~nobody-of-this-name/x")
        assert (status, err.count("\n"), "unknown user" in err) == (2, 1, True)


def test_simulate_prepare_doctor(tmp_path: Path, capsys: Capture) -> None:
    archive, store = tmp_path / "archive", tmp_path / "store"
    options = ("--to", archive, "--records", 20, "--seed", 3, "--prevalence", "NORM=0.5", "AF=0.5")
    assert call(capsys, "simulate", *options)[0] == 0
    assert call(capsys, "prepare", archive, "--to", store)[0] == 0
    for path in (archive, store):
        status, out, _ = call(capsys, "doctor", "--archive", path)
        assert status == 0
        assert "20 records" in out
        assert "simulated" in out
    next((archive / "records100").rglob("*.dat")).write_bytes(b"")
    status, _, err = call(capsys, "doctor", "--archive", archive)
    assert (status, err.count("\n"), "1 files are missing or changed" in err) == (2, 1, True)


def test_prepare_lists_what_it_leaves_out(tmp_path: Path, capsys: Capture) -> None:
    archive = Archive(write_archive(tmp_path / "archive"))
    damage(archive, 2)
    arguments = ("prepare", archive.path, "--to", tmp_path / "store")
    assert "strict: record 2 at 100 Hz" in call(capsys, *arguments, "--strict")[2]
    status, out, _ = call(capsys, *arguments)
    assert status == 0
    assert "5 records at 100 and 500 Hz\n1 left out as damaged; all problems: " in out
    assert "cut off" in Path(out.split("all problems: ")[1].strip()).read_text()


@pytest.mark.parametrize(
    "words",
    ["simulate --records=nan", "simulate --seed=-1", "simulate --prevalence=AF", "fetch --rate=0",
     "explain --rate=x", "explain --start=x", "explain --model=", "run -p="],
)  # fmt: skip
def test_an_impossible_option_is_refused(tmp_path: Path, capsys: Capture, words: str) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    required = {
        "simulate": ["--to", taken], "fetch": ["ludb", "--to", taken],
        "explain": [taken, "--model", taken], "run": [taken, "--out", taken],
    }  # fmt: skip
    command, option = words.split(" ")
    status, _, err = call(capsys, command, *required[command], option)
    assert (status, err.count("\n")) == (2, 1)


def test_importing_the_library_loads_nothing_slow_noisy_or_unix_only() -> None:
    """Python on Windows has no module ``resource``; doctor and explain import more when called."""
    code = "import sys; sys.modules['resource'] = None; import ecgcore.runs, ecgcore.cli"
    code += "; print(*sys.modules); import ecgcore.runs.trained"
    command = [sys.executable, "-W", "error", "-c", code]
    loaded = set(subprocess.check_output(command, text=True).split())
    assert not loaded & {"tqdm.auto", "papermill", "torch", "matplotlib", "pooch"}

"""The command line: one sentence an error, status 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from archives import damage, write_archive

from ecgcore import cli, study
from ecgcore.ptbxl import Archive


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rate=125", ["'rate'", "did you mean 'rate_hz'"]),
        ("rate_hz=fast", ["'rate_hz'", "from 25 to 500 [Hz]", "'fast'"]),
        ("model=cnn2", ["'model'", "cnn1d, cnn_lstm"]),
        ("folds=1", ["'folds'", "from 2 to 10"]),
        ("rate_hz", ["NAME=VALUE"]),
    ],
)
def test_run_refuses_a_wrong_parameter(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: list[str]
) -> None:
    notebook = str(root / "notebooks" / "frequency_train.ipynb")
    status, out, err = call(capsys, "run", notebook, "-p", text, "--out", str(tmp_path / "run"))
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    for word in words:
        assert word in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_keep_heap_reaches_the_kernel(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import resource\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(6): old = faults(); bytearray(b'x') * 64_000_000; new = faults() - old\n"
        "print(new)"
    )

    def faults(*_: object, **__: object) -> str:
        return subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout

    monkeypatch.setattr(study, "run_notebook", faults)
    notebook = str(root / "notebooks" / "data_tour.ipynb")
    arguments = ("run", notebook, "--out", str(tmp_path / "run"))
    assert int(call(capsys, *arguments)[1]) > 2000
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=0")  # and what was there stays
    assert int(call(capsys, *arguments, "--keep-heap")[1]) < 500
    assert os.environ["GLIBC_TUNABLES"].startswith("glibc.malloc.check=0:")


def test_a_yaml_file_of_parameters_is_checked_too(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("rate_hz: fast\n")
    notebook = str(root / "notebooks" / "frequency_train.ipynb")
    arguments = ("run", notebook, "-f", str(file), "--out", str(tmp_path / "run"))
    assert "'rate_hz'" in call(capsys, *arguments)[2]
    file.write_text("- rate_hz\n")
    assert "expected lines 'name: value'" in call(capsys, *arguments)[2]


def test_params_lists_what_a_notebook_takes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capsys, "params", str(root / "notebooks" / "imn_train.ipynb"))
    assert status == 0
    assert "rate_hz = 100\n    sampling rate: an integer from 25 to 500 [Hz]" in out


def test_simulate_prepare_doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive, store = tmp_path / "archive", tmp_path / "store"
    arguments = ("--to", str(archive), "--records", "20", "--seed", "3")
    assert call(capsys, "simulate", *arguments)[0] == 0
    assert call(capsys, "prepare", str(archive), "--to", str(store))[0] == 0
    status, out, _ = call(capsys, "doctor", "--archive", str(archive))
    assert status == 0
    assert "simulated, 20 records" in out
    assert "whole" in out

    next((archive / "records100").rglob("*.dat")).write_bytes(b"")
    status, out, err = call(capsys, "doctor", "--archive", str(archive))
    assert status == 2
    assert "1 files missing or changed" in out
    assert err.count("\n") == 1


def test_prepare_tells_what_it_leaves_out_and_strict_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = Archive(write_archive(tmp_path / "archive"))
    damage(archive, 2)
    arguments = ("prepare", str(archive.path), "--to", str(tmp_path / "store"))
    status, out, err = call(capsys, *arguments, "--strict")
    assert (status, out) == (2, "")
    assert "strict: record 2 at 100 Hz" in err
    assert not (tmp_path / "store").exists()
    status, out, _ = call(capsys, *arguments)
    assert status == 0
    assert "5 records at 100 and 500 Hz\n1 left out as damaged; all faults: " in out
    assert "truncated" in Path(out.split("all faults: ")[1].strip()).read_text()


def test_doctor_knows_a_prepared_store(
    small_store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = call(capsys, "doctor", "--archive", small_store)
    assert status == 0
    assert "prepared store, simulated, 240 records at 100 and 500 Hz; 0 were left out" in out
    (tmp_path / "store.json").write_text("{")
    status, out, _ = call(capsys, "doctor", "--archive", str(tmp_path))
    assert status == 2
    assert str(tmp_path) in out


def test_doctor_says_when_there_is_no_archive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ECGCORE_ARCHIVE", raising=False)
    status, out, _ = call(capsys, "doctor")
    assert status == 0
    assert {line.split()[0] for line in out.splitlines()} == {
        "python", "packages", "device", "archive",
    }  # fmt: skip
    status, out, _ = call(capsys, "doctor", "--archive", str(tmp_path / "nowhere"))
    assert status == 2
    assert "nowhere" in out

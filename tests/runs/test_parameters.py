"""Parameters: declared in one cell, refused with a message."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from papermill.inspection import _infer_parameters
from papermill.iorw import load_notebook_node
from refusal import refused

from ecgcore.errors import EcgcoreError
from ecgcore.runs import parameters

CELL = """\
rate_hz: int = 100  # sampling rate [Hz]; allowed: 25..500
model: str = "cnn1d"  # network; allowed: cnn1d | cnn_lstm
learning_rate: float = 0.001  # step size; allowed: 0..
balance: bool = True  # down-sample the larger class
leads: list[str] = ["II", "V1"]  # leads to draw; allowed: I | II | V1
archive: str = "simulated"  # where the records are
penalty: float = -1.0  # weight, -1 for the model's own; allowed: -1 | 0..
"""


@pytest.fixture(scope="module")
def declared() -> list[parameters.Parameter]:
    return parameters.parse_cell(CELL)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("rate_hz", 250.0, 250),
        ("learning_rate", "1e-3", 0.001),  # YAML 1.1 reads 1e-3 as text
        ("balance", "false", False),  # papermill -p reads false as text
        ("leads", ["I"], ["I"]),
        ("leads", "II", ["II"]),  # papermill -p leads II
        ("leads", "II, V1", ["II", "V1"]),
        ("leads", '["I", "II"]', ["I", "II"]),
        ("rate_hz", "125", 125),
        ("archive", "00001", "00001"),
        ("penalty", "-1", -1.0),
        ("penalty", 0, 0.0),
    ],
)
def test_values_that_papermill_changes_are_corrected(
    declared: list[parameters.Parameter], name: str, value: object, expected: object
) -> None:
    got = parameters.check(declared, {name: value})[name]
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("given_values", "words"),
    [
        ({"rate": 125}, ["'rate'", "did you mean 'rate_hz'"]),
        ({"rate_hz": "fast"}, ["'rate_hz'", "from 25 to 500 [Hz]", "'fast'"]),
        ({"rate_hz": 62.5}, ["'rate_hz'", "integer"]),
        ({"model": "cnn2"}, ["'model'", "cnn1d, cnn_lstm"]),
        ({"balance": "yes"}, ["'balance'", "true or false"]),
        ({"penalty": -0.5}, ["'penalty'", "at least 0, or -1"]),
        ({"leads": 3}, ["'leads'", "a list"]),
        ({"leads": ["II", "V9"]}, ["'leads'", "I, II, V1"]),
        ({"archive": 1}, ["'archive'", "text"]),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(
    declared: list[parameters.Parameter], given_values: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(EcgcoreError) as caught:
        parameters.check(declared, given_values)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.integers())))
def test_any_value_is_checked_or_refused_never_passed_on(value: object) -> None:
    rate = parameters.parse_cell(CELL)[0]
    try:
        got = rate.check(value)
    except EcgcoreError:
        return
    assert isinstance(got, int)
    assert 25 <= got <= 500


@pytest.mark.parametrize("line", ["x = 1", "x: int = 1", "x: dict = {}  # a dict", "print(1)"])
def test_a_line_that_declares_nothing_is_refused(line: str) -> None:
    refused("Parameters cell", parameters.parse_cell, line)


def test_the_folder_of_a_run_does_not_change_its_identity() -> None:
    one = parameters.identity("a", {"seed": 1, "out": "x", "tier": "smoke"})
    assert one == parameters.identity("a", {"seed": 1, "out": "y", "tier": "paper"})
    assert one != parameters.identity("a", {"seed": 2, "out": "x", "tier": "smoke"})
    assert one != parameters.identity("b", {"seed": 1, "out": "x", "tier": "smoke"})


def test_papermill_reads_the_same_parameters(root: Path) -> None:
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    assert notebooks
    for path in notebooks:
        ours = [p.name for p in parameters.of_notebook(path)]
        theirs = [p.name for p in _infer_parameters(load_notebook_node(str(path)))]
        assert ours == theirs, path.name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_parameter_files_as_people_save_them(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes("archive: /daten/Köln\r\nrate_hz: 125\r\n".encode(encoding))
    assert parameters.from_yaml(path) == {"archive": "/daten/Köln", "rate_hz": 125}
    path.write_bytes("archive: /daten/Köln\n".encode("cp1252"))
    refused("not a YAML file", parameters.from_yaml, path)
    path.write_bytes(b"- listed\n")
    refused("expected lines such as", parameters.from_yaml, path)


def test_a_broken_notebook_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.ipynb"
    bad.write_text("not json")
    refused(r"bad\.ipynb: not a Jupyter notebook", parameters.of_notebook, bad)
    bad.write_text(json.dumps({"cells": []}))
    refused("exactly one cell tagged", parameters.of_notebook, bad)
    refused("no such notebook", parameters.of_notebook, tmp_path / "none.ipynb")

"""Addresses of numbers in prose: one cell, or an error that says why not."""

import json
from pathlib import Path

import pytest
from refusal import refused

from book.tools import results


@pytest.fixture
def source(tmp_path: Path) -> Path:
    tables = tmp_path / "tables"
    for folder in ("page", "recorded/published"):
        (tables / folder).mkdir(parents=True)
    (tables / "page" / "differences.csv").write_text(
        'model,rate_hz,low,note\ncnn1d,500.0,-0.25,\ncnn1d,100,3,a word\n"a, b",100,,x\n'
    )
    (tables / "recorded" / "claims.csv").write_text("claim,value\nA,0.5\n")
    facts = {"command": "x", "git_commit": "c" * 40, "size": {"n_seeds": 3}}
    (tables / "recorded" / "claims.json").write_text(json.dumps(facts))
    (tables / "recorded" / "published" / "test.csv").write_text("model,auroc\ncnn1d,0.98\n")
    (tmp_path / "results.json").write_text('{"page": {"n": 3, "bad": NaN, "word": "so-so"}}')
    return tmp_path


@pytest.mark.parametrize(
    ("address", "value"),
    [
        ("page.n", 3),
        ("page.differences[cnn1d,500].low", -0.25),
        ("page.differences[cnn1d,100].note", "a word"),
        ('page.differences["a, b"].note', "x"),
        ("recorded.claims[A].value", 0.5),
        ("recorded.claims.size.n_seeds", 3),
        ("published.test[cnn1d].auroc", 0.98),
    ],
)
def test_an_address_names_one_value(source: Path, address: str, value: object) -> None:
    assert results.look_up(source, address) == value


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("page.bad", "no result"),
        ("page.differences[cnn1d].low", "2 rows"),
        ("page.differences[cnn1d,500].high", "no column 'high'"),
        ('page.differences["a, b",100].low', "no result"),
        ("recorded.claims.size.n_runs", "no fact"),
        ("recorded.absent[A].value", "no table"),
    ],
)
def test_a_missing_value_is_refused(source: Path, address: str, reason: str) -> None:
    refused(reason, results.look_up, source, address)
    refused("cannot be shown", results.as_shown, "so-so", ".3f")

"""Outcomes and verdicts of experiments between two explanations, on planted differences."""

from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgcore import contrasts, parameters
from ecgcore.contrasts import Contrast, answer, having, judged, outcome


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.009, 0.009, "same"),
        (-0.009, -0.001, "same"),  # certain, and too small to count
        (-0.02, -0.005, "lower"),
        (0.001, 0.03, "higher"),
        (-0.02, 0.003, "undecided"),
        (-0.2, 0.2, "undecided"),
    ],
)
def test_an_outcome_is_what_the_interval_allows(low, high, expected) -> None:
    assert outcome(low, high, 0.01) == expected


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.001, 0.2))
def test_outcomes_mirror(low, width, margin) -> None:
    mirrored = {"lower": "higher", "higher": "lower"}
    found = outcome(low, low + width, margin)
    assert outcome(-low - width, -low, margin) == mirrored.get(found, found)


def contrast(arm: str, if_field: str, if_noise: str) -> Contrast:
    return Contrast(arm, f"{arm}?", {"rate_hz": 500}, {"rate_hz": 100}, if_field, if_noise)


def difference(low: float, high: float) -> SimpleNamespace:
    return SimpleNamespace(difference=(low + high) / 2, low=low, high=high, p=0.1, n_seeds=3)


DROP, FLAT, OPEN = difference(-0.05, -0.02), difference(-0.004, 0.004), difference(-0.05, 0.05)
DESIGN = [contrast("a", "lower", "lower"), contrast("b", "same", "lower"),
          contrast("e", "lower", "same")]  # fmt: skip


@pytest.mark.parametrize(
    ("came", "verdicts", "explained_by"),
    [
        ((DROP, FLAT, DROP), ("as both predict", *["receptive field"] * 2), "receptive field"),
        ((DROP, DROP, FLAT), ("as both predict", "noise", "noise"), "noise"),
        ((DROP, OPEN, DROP), ("as both predict", "undecided", "receptive field"),
         "receptive field"),
        ((DROP, DROP, DROP), ("as both predict", "noise", "receptive field"), "neither alone"),
        ((FLAT, difference(0.02, 0.03), OPEN),
         ("as neither predicts", "as neither predicts", "undecided"), "neither alone"),
        ((OPEN, OPEN, OPEN), ("undecided",) * 3, "undecided"),
        ((None, None, None), ("not run",) * 3, "undecided"),
    ],
)  # fmt: skip
def test_verdicts_and_answer(came, verdicts, explained_by) -> None:
    table = judged(DESIGN, came, margin=0.01)
    assert tuple(table.verdict) == verdicts
    assert list(table.decides) == [False, True, True]
    found = answer(table)
    assert found.explained_by == explained_by
    assert found.n_decided == found.n_for_field + found.n_for_noise + found.n_against_both


def test_runs_are_found_by_their_parameters() -> None:
    table = pd.DataFrame(
        [
            {**contrasts.NATIVE, "rate_hz": rate, **more, "run": f"{rate}{list(more)}"}
            for rate in (100, 500)
            for more in ({}, {"content_hz": 50.0}, {"receptive_field_ms": 540.0})
        ]
    )
    assert list(having(table, rate_hz=100).run) == ["100[]"]
    assert list(having(table, rate_hz=500, content_hz=50).run) == ["500['content_hz']"]
    assert len(having(table)) == 2
    assert having(table, resampler="decimate").empty
    assert list(having(table, rate_hz=500, receptive_field_ms=539.98).rate_hz) == [500]
    assert having(table, rate_hz=500, receptive_field_ms=550).empty


def test_native_is_what_the_run_notebook_does_by_default(root) -> None:
    declared = parameters.of_notebook(root / "notebooks" / "frequency_train.ipynb")
    defaults = {parameter.name: parameter.default for parameter in declared}
    assert {name: defaults[name] for name in contrasts.NATIVE} == contrasts.NATIVE

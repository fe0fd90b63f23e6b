"""What is measured on real and simulated records alike, and how the two are told apart."""

from pathlib import Path

import numpy as np
import pytest

from ecgcore import realism
from ecgcore.errors import EcgcoreError
from ecgcore.ptbxl import Archive
from ecgcore.simulate import NoiseLevels, draw, plan_cohort
from ecgcore.simulate.cohort import only

RATE_HZ = 500


def pulses(rr_s: list[float], heights_mv: list[float]) -> np.ndarray:
    """Triangles of 80 ms, as high as said, in every lead; lead k is (k + 1) times lead I."""
    lead = np.zeros(10 * RATE_HZ)
    for at_s, height in zip(np.cumsum([0.5, *rr_s]), heights_mv, strict=True):
        centre = round(at_s * RATE_HZ)
        lead[centre - 20 : centre + 21] = height * (1 - np.abs(np.arange(-20, 21)) / 20)
    return np.outer(np.arange(1, 13), lead)


def test_measures_of_a_record_that_can_be_worked_out_by_hand() -> None:
    even = realism.measure(pulses([0.9] * 10, [1.0] * 11)[None], RATE_HZ).iloc[0]
    assert list(even.index) == list(realism.MEASURES)
    assert even["heart rate"] == pytest.approx(60 / 0.9, rel=0.01)
    assert even["RR variation"] < 0.01
    assert even["QRS height I"] == pytest.approx(1.0, rel=0.01)
    assert even["QRS height V5"] == pytest.approx(11.0, rel=0.01)
    assert even["beat-to-beat change"] < 0.02
    uneven = realism.measure(pulses([0.7, 1.1] * 5, [1.0, 0.6] * 5 + [1.0])[None], RATE_HZ).iloc[0]
    assert uneven["RR variation"] == pytest.approx(0.2 / 0.9, rel=0.05)
    assert uneven["beat-to-beat change"] == pytest.approx(0.25, rel=0.1)


def test_wander_and_noise_are_those_that_were_added() -> None:
    clean = pulses([0.9] * 10, [1.0] * 11)
    time_s = np.arange(10 * RATE_HZ) / RATE_HZ
    added = 0.2 * np.sin(2 * np.pi * 0.3 * time_s) + 0.05 * np.sin(2 * np.pi * 60 * time_s)
    found = realism.measure((clean + added)[None], RATE_HZ).iloc[0]
    assert found["wander below 0.5 Hz"] == pytest.approx(0.2 / np.sqrt(2), rel=0.2)
    assert found["noise above 40 Hz"] == pytest.approx(0.05 / np.sqrt(2), rel=0.2)


def test_detected_beats_are_those_that_were_drawn() -> None:
    for case in plan_cohort(4, 2, only("NORM"), None):
        _, record = draw(case, 2, NoiseLevels(), None)
        r_s = record.beats.r_s[(record.beats.r_s > 0.3) & (record.beats.r_s < 10.1)]
        found = realism.measure(record.at(RATE_HZ)["signal"][None] / 1000, RATE_HZ).iloc[0]
        assert found["heart rate"] == pytest.approx(60 / np.diff(r_s).mean(), rel=0.1)


def test_a_record_without_beats_has_no_measures() -> None:
    assert realism.measure(np.zeros((1, 12, 1000)), 100).isna().all(axis=None)


def test_the_same_records_cannot_be_told_apart_and_others_can() -> None:
    rng = np.random.default_rng(0)
    signals = [pulses(list(rng.uniform(0.8, 0.9, 10)), [1.0] * 11) for _ in range(6)]
    frame = realism.measure(np.stack(signals), RATE_HZ)
    same = realism.told_apart(frame, frame).set_index("measure")
    assert (same["auroc"] == 0.5).all()
    taller = frame.assign(**{"QRS height II": frame["QRS height II"] * 2})
    found = realism.told_apart(taller, frame).set_index("measure").loc["QRS height II"]
    assert (found["auroc"], found["real_n"], found["unit"]) == (1.0, 6, "mV")
    assert found["real_median"] == pytest.approx(2 * found["simulated_median"])


def test_examples(simulated_archive: Path) -> None:
    made = realism.simulated_example("CD", "CLBBB", 100, seed=1)
    assert (made.title, made.signals_mv.shape) == ("simulated: CLBBB", (12, 1000))
    with pytest.raises(EcgcoreError, match="no simulated MI record with CLBBB"):
        realism.simulated_example("MI", "CLBBB", 100, seed=1)
    archive = Archive(simulated_archive)  # any archive will do
    seen = [realism.real_example(archive, "AFIB", 100, choice) for choice in (0, 1)]
    assert seen[0] is not None
    assert seen[1] is not None
    assert "AFIB" in seen[0].title
    assert seen[0].title != seen[1].title
    assert realism.real_example(archive, "XYZ", 100) is None

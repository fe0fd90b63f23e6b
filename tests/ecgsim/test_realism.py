"""Measures on real and simulated records, and how well they separate the two."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from ecgcore.data import Archive
from ecgsim import CONDITIONS, NoiseLevels, draw, plan_cohort, realism

RATE_HZ = 500


def pulses(rr_s: list[float], heights_mv: list[float]) -> np.ndarray:
    """Return triangles of 80 ms with the given heights; lead k is (k + 1) times lead I."""
    lead = np.zeros(10 * RATE_HZ)
    for at_s, height in zip(np.cumsum([0.5, *rr_s]), heights_mv, strict=True):
        centre = round(at_s * RATE_HZ)
        lead[centre - 20 : centre + 21] = height * (1 - np.abs(np.arange(-20, 21)) / 20)
    return np.outer(np.arange(1, 13), lead)


def test_measures_of_a_record_match_calculations_by_hand() -> None:
    even = realism.measure(pulses([0.9] * 10, [1.0] * 11)[None], RATE_HZ).iloc[0]
    assert list(even.index) == list(realism.MEASURES)
    assert even["heart rate"] == pytest.approx(60 / 0.9, rel=0.01)
    assert even["RR variation"] < 0.01
    assert even["QRS height I"] == pytest.approx(1.0, rel=0.01)
    assert even["QRS height V5"] == pytest.approx(11.0, rel=0.01)
    assert even["beat-to-beat change"] < 0.02
    assert realism.measure(np.zeros((1, 12, 1000)), 100).isna().all(axis=None)
    uneven = realism.measure(pulses([0.7, 1.1] * 5, [1.0, 0.6] * 5 + [1.0])[None], RATE_HZ).iloc[0]
    assert uneven["RR variation"] == pytest.approx(0.2 / 0.9, rel=0.05)
    assert uneven["beat-to-beat change"] == pytest.approx(0.25, rel=0.1)


def test_offset_and_bands_equal_those_that_were_added() -> None:
    time_s = np.arange(10 * RATE_HZ) / RATE_HZ
    amplitude_uv = {0.3: 50.0, 30.0: 20.0, 80.0: 10.0}
    signal_uv = -7 + sum(a * np.sin(2 * np.pi * f * time_s) for f, a in amplitude_uv.items())
    bands = realism.measure_bands(np.tile(signal_uv / 1000, (2, 12, 1)), RATE_HZ).iloc[0]
    expected = [7.0, *(a / np.sqrt(2) for a in amplitude_uv.values())]
    np.testing.assert_allclose(bands[list(realism.BANDS)], expected, rtol=1e-6)
    assert realism.measure_bands(np.zeros((1, 12, 1000)), 100)["above 60 Hz"].isna().all()


def test_equal_records_are_not_separable_and_others_are() -> None:
    rng = np.random.default_rng(0)
    signals = [pulses(list(rng.uniform(0.8, 0.9, 10)), [1.0] * 11) for _ in range(6)]
    frame = realism.measure(np.stack(signals), RATE_HZ)
    same = realism.separability(frame, frame).set_index("measure")
    np.testing.assert_allclose(same["auroc"], 0.5)
    taller = frame.assign(**{"QRS height II": frame["QRS height II"] * 2})
    row = realism.separability(taller, frame).set_index("measure").loc["QRS height II"]
    assert (row["auroc"], row["real_n"], row["unit"]) == (1.0, 6, "mV")
    assert row["real_median"] == pytest.approx(2 * row["simulated_median"])


def test_the_interval_of_the_auroc_is_that_of_delong() -> None:
    """The variance by its definition: a double loop over pairs (DeLong et al. 1988)."""
    rng = np.random.default_rng(1)
    real, simulated = rng.normal(0.5, 1, 40).round(1), rng.normal(0, 1, 60).round(1)
    wins = (real[:, None] > simulated) + 0.5 * (real[:, None] == simulated)
    variance = wins.mean(axis=1).var(ddof=1) / 40 + wins.mean(axis=0).var(ddof=1) / 60
    row = realism._auroc(real, simulated)
    labels = np.repeat([1, 0], [40, 60])
    assert row["auroc"] == pytest.approx(roc_auc_score(labels, np.r_[real, simulated]))
    assert row["auroc_high"] - row["auroc"] == pytest.approx(1.959964 * np.sqrt(variance))


def test_offset_and_bands_lie_within_the_spread_of_raw_real_records(ptbxl_500: Path) -> None:
    """Each class has its median between the real 10th and 90th percentiles and a similar spread;
    before the simulator had AC coupling, its offset was 60 uV (real: 3 uV)."""
    table = realism.compare_classes(
        Archive(ptbxl_500), 40, 1, conditions=CONDITIONS, measure_by=realism.measure_bands
    )
    assert len(table) == len(CONDITIONS) * len(realism.BANDS)
    assert table["inside"].all(), table[~table["inside"]].to_string()
    for side in ("p10", "p90"):
        ratio = table[f"simulated_{side}"] / table[f"real_{side}"]
        assert ratio.between(0.4, 2.0).all(), table.assign(ratio=ratio).to_string()


def test_the_mean_of_a_lead_does_not_reveal_the_class() -> None:
    """A logistic regression on the twelve means: NORM against MI near chance, though not
    standardised; the shape of the leads (standard deviation) does separate them."""
    n_records = 150
    records = [
        draw(case, 4, NoiseLevels())[1].at(100)["signal"]
        for name in ("NORM", "MI")
        for case in plan_cohort(n_records, 4, {name: 1.0})
    ]
    signals_mv, labels = np.stack(records) / 1000, np.repeat([0, 1], n_records)
    model = LogisticRegression(C=1e3, max_iter=5000)

    def auroc(features: np.ndarray) -> float:
        scaled = (features - features.mean(axis=0)) / features.std(axis=0)
        scores = cross_val_predict(model, scaled, labels, cv=5, method="decision_function")
        return float(roc_auc_score(labels, scores))

    assert 0.38 < auroc(signals_mv.mean(axis=-1)) < 0.62
    assert auroc(signals_mv.std(axis=-1)) > 0.6

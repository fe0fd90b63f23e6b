"""Beats and waves against signals whose beats we placed, and against what a cardiogram must be."""

import numpy as np
import pandas as pd
import pytest

from ecgcore import beats, territories
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS, index_of

RATE_HZ = 100


def heart(r_s: list[float], rate_hz: int = RATE_HZ, size: float = 1.0) -> np.ndarray:
    """P, QRS and T as bells around given R times, in all leads alike."""
    t = np.arange(10 * rate_hz) / rate_hz
    bells = [(-0.16, 0.02, 0.15), (0, 0.012, 1.0), (0.25, 0.04, 0.3)]
    trace = sum(
        height * np.exp(-(((t - r - at) / width) ** 2)) for r in r_s for at, width, height in bells
    )
    return np.broadcast_to(size * trace, (12, len(t))).astype(np.float32)


R_S = [0.7 + 0.9 * k for k in range(10)]


@pytest.mark.parametrize("rate_hz", [62, 100, 500])
def test_r_peaks_are_where_we_put_them(rate_hz):
    found = beats.r_peaks(heart(R_S, rate_hz), rate_hz) / rate_hz
    assert len(found) == len(R_S)
    np.testing.assert_allclose(found, R_S, atol=1.5 / rate_hz)


def test_a_dead_lead_is_replaced_and_a_dead_record_has_no_beats():
    signal = heart(R_S).copy()
    signal[index_of("II")] = 0
    assert len(beats.r_peaks(signal, RATE_HZ)) == len(R_S)
    assert len(beats.r_peaks(np.zeros((12, 1000)), RATE_HZ)) == 0
    assert (beats.waves(np.zeros((12, 1000)), RATE_HZ) == beats.WAVES.index("rest")).all()


def test_waves_come_in_their_order_around_each_beat():
    wave_of = beats.waves(heart(R_S), RATE_HZ)
    for r in R_S[1:-1]:
        centre = round(r * RATE_HZ)
        assert beats.WAVES[wave_of[centre]] == "QRS"
        assert beats.WAVES[wave_of[centre - 16]] == "P"
        assert beats.WAVES[wave_of[centre + 25]] == "T"
        assert beats.WAVES[wave_of[centre + 50]] == "rest"
    assert set(np.unique(wave_of)) == set(range(len(beats.WAVES)))


def test_wave_budget_by_hand():
    wave_of = np.array([[0, 0, 2, 2, 4, 5, 5, 5]])
    attribution = np.zeros((1, 2, 8))
    attribution[0, 0, 2], attribution[0, 1, 4], attribution[0, 1, 0] = 3.0, 1.0, -4.0
    found = beats.wave_budget(attribution, wave_of).iloc[0]
    assert found[list(beats.WAVES)].tolist() == [0, 0, 0.75, 0, 0.25, 0]
    assert found["time_P"] == 0.25
    assert found["time_rest"] == 3 / 8
    both = beats.wave_budget(attribution, wave_of, absolute=True).iloc[0]
    assert both["P"] == pytest.approx(0.5)
    assert beats.wave_budget(np.zeros((1, 2, 8)), wave_of)["P"].isna().all()


def test_aligned_beats_are_averaged():
    signal = heart(R_S)[None]
    peaks = np.round(np.array(R_S) * RATE_HZ).astype(int)
    mean, time_s = beats.aligned(signal, [peaks], RATE_HZ)
    assert time_s[0] == pytest.approx(-0.3)
    assert time_s[mean[0, 3].argmax()] == 0
    np.testing.assert_allclose(mean[0, 0], signal[0, 0, 130:211], atol=1e-3)
    nothing, _ = beats.aligned(signal, [np.empty(0, int)], RATE_HZ)
    assert np.isnan(nothing).all()


def test_borrowed_beats_follow_the_records_rhythm():
    donor, record = heart(R_S, size=2.0), heart([0.5 + 0.6 * k for k in range(16)])
    peaks = beats.r_peaks(record, RATE_HZ)
    lent = beats.on_rhythm(donor, beats.r_peaks(donor, RATE_HZ), peaks, 1000)
    assert lent.shape == record.shape
    for peak in peaks:
        assert lent[0, peak] == pytest.approx(2.0, abs=0.25)
    between = (peaks[:-1] + peaks[1:]) // 2
    assert np.abs(lent[0, between]).max() < 0.8
    with pytest.raises(EcgcoreError, match="two R peaks"):
        beats.on_rhythm(donor, peaks[:1], peaks, 1000)


def test_swapped_beats_leave_no_record_without_a_donor():
    x = np.stack([heart(R_S), np.zeros((12, 1000), np.float32)])
    healthy = np.stack([heart([0.4 + 0.8 * k for k in range(12)], size=s) for s in (1.0, 3.0)])
    lent = beats.swapped_beats(x, healthy, RATE_HZ, seed=0)
    assert lent.shape == x.shape
    assert any(np.array_equal(lent[1], one) for one in healthy)
    again = beats.swapped_beats(x, healthy, RATE_HZ, seed=0)
    np.testing.assert_array_equal(lent, again)


def test_real_records_have_physiological_beats(ptbxl_500):
    from ecgcore.ptbxl import Archive

    archive = Archive(ptbxl_500)
    sinus = [i for i, codes in archive.table.scp_codes.items() if "NORM" in codes][:6]
    for signal in archive.signals(100, sinus):
        rr_s = np.diff(beats.r_peaks(signal, 100)) / 100
        assert 0.4 < np.median(rr_s) < 1.6
        share = pd.Series(beats.waves(signal, 100)).value_counts(normalize=True)
        assert 0.04 < share.get(beats.WAVES.index("QRS"), 0) < 0.25


def test_expected_leads_and_the_statement_a_record_is_filed_under():
    inferior = territories.expected_leads({"IMI": 100.0, "SR": 0.0})
    assert [lead for lead, hit in zip(LEADS, inferior, strict=True) if hit] == ["II", "III", "aVF"]
    assert not territories.expected_leads({"SR": 0.0}).any()
    both = territories.expected_leads({"IMI": 50.0, "IRBBB": 80.0})
    assert both.sum() == 5
    codes = {"IMI": 50.0, "ASMI": 80.0, "NDT": 100.0}
    assert territories.pathology(codes, {"IMI", "ASMI"}) == "ASMI"
    assert territories.pathology({"B": 1.0, "A": 1.0}, {"A", "B"}) == "A"
    assert territories.pathology(codes, {"LVH"}) == ""


def test_territories_speak_of_leads_and_waves_that_exist():
    assert {lead for leads in territories.EXPECTED_LEADS.values() for lead in leads} <= set(LEADS)
    waves = {wave for waves in territories.EXPECTED_WAVES.values() for wave in waves}
    assert waves <= set(beats.WAVES)

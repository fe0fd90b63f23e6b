"""Beats, waves, windows and territories against signals whose beats we placed, and LUDB."""

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgcore.data import ludb_waves
from ecgcore.errors import EcgcoreError
from ecgcore.explanations import beats, lead_shares, territories, top_segments, window_sums
from ecgcore.leads import LEADS, index_of

RATE_HZ = 100
R_S = [0.7 + 0.9 * k for k in range(10)]


def heart(r_s: list[float], rate_hz: int = RATE_HZ, size: float = 1.0) -> np.ndarray:
    """P, QRS and T as bells around given R times, in all leads alike."""
    t = np.arange(10 * rate_hz) / rate_hz
    bells = [(-0.16, 0.02, 0.15), (0, 0.012, 1.0), (0.25, 0.04, 0.3)]
    trace = sum(
        height * np.exp(-(((t - r - at) / width) ** 2)) for r in r_s for at, width, height in bells
    )
    return np.broadcast_to(size * trace, (12, len(t))).astype(np.float32)


@pytest.fixture
def ludb(shared):
    """The folder of LUDB's records."""
    folder = shared / "ludb" / "data"
    if not folder.is_dir():
        pytest.skip("real data: shared/ludb does not lie beside this checkout")
    return folder


@pytest.mark.parametrize("rate_hz", [62, 100, 500])
def test_r_peaks_are_where_we_put_them(rate_hz):
    peaks_s = beats.r_peaks(heart(R_S, rate_hz), rate_hz) / rate_hz
    assert len(peaks_s) == len(R_S)
    np.testing.assert_allclose(peaks_s, R_S, atol=1.5 / rate_hz)


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
        around = [beats.WAVES[wave_of[centre + k]] for k in (-16, 0, 25, 50)]
        assert around == ["P", "QRS", "T", "rest"]
    assert set(np.unique(wave_of)) == set(range(len(beats.WAVES)))


def test_swapped_beats_follow_the_records_rhythm():
    record = heart([0.5 + 0.6 * k for k in range(16)])
    x = np.stack([record, np.zeros((12, 1000), np.float32)])
    healthy = np.stack([heart([0.4 + 0.8 * k for k in range(12)], size=2.0)])
    donor = beats.swapped_beats(x, healthy, RATE_HZ, seed=0)
    peaks = beats.r_peaks(record, RATE_HZ)
    np.testing.assert_allclose(donor[0, 0, peaks], 2.0, atol=0.25)
    assert np.abs(donor[0, 0, (peaks[:-1] + peaks[1:]) // 2]).max() < 0.8
    np.testing.assert_array_equal(donor[1], healthy[0])  # no beats to follow: unchanged


def delineation_errors(found: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Delineated minus annotated boundaries of lead II at 500 Hz [ms], one row per annotated one.

    nan where none is nearer than 150 ms (ANSI/AAMI EC57).
    """
    rows = []
    for mark in truth[(truth.lead == "II") & truth.wave.isin(["P", "QRS", "T"])].to_dict("records"):
        for boundary in ("onset", "offset"):
            errors_ms = 2 * (found.loc[found.wave == mark["wave"], boundary] - mark[boundary])
            nearest = errors_ms[errors_ms.abs() <= 150].abs().min()
            rows.append((mark["wave"], boundary, errors_ms[errors_ms.abs() == nearest].mean()))
    return pd.DataFrame(rows, columns=["wave", "boundary", "error_ms"])


def test_delineation_of_ludb_is_near_the_cardiologists(ludb):
    parts = []
    for record in (1, 3, 5):
        signal = wfdb.rdrecord(str(ludb / str(record))).p_signal.T
        found = beats.intervals(signal, 500)
        parts.append(delineation_errors(found, ludb_waves(ludb, record)))
    table = pd.concat(parts).groupby(["wave", "boundary"])["error_ms"]
    assert (table.count() / table.size() > 0.7).all()
    assert table.mean().abs().max() < 60
    assert table.mean()["QRS"].abs().max() < 30


def test_ludb_waves_are_those_of_wfdb_with_the_intervals_between(ludb):
    table = ludb_waves(ludb, 1)
    symbols = wfdb.rdann(str(ludb / "1"), "avf").symbol
    counts = table[table.lead == "aVF"].wave.value_counts()
    assert counts[["P", "QRS", "T"]].tolist() == [symbols.count(s) for s in "pNt"]
    codes = beats.wave_codes(table, 5000)
    assert codes.shape == (12, 5000)
    first = table[(table.lead == "V2") & (table.wave == "ST")].iloc[0]
    inside = codes[index_of("V2"), first.onset : first.offset]
    assert (inside == beats.WAVES.index("ST")).all()
    with pytest.raises(EcgcoreError, match=r"999\.i"):
        ludb_waves(ludb, 999)


def test_delineation_errors_by_hand():
    rows = [("II", "QRS", 100, 150), ("II", "QRS", 600, 650), ("V1", "QRS", 0, 10)]
    truth = pd.DataFrame(rows, columns=["lead", "wave", "onset", "offset"])
    found = pd.DataFrame([("QRS", 105, 149)], columns=["wave", "onset", "offset"])
    table = delineation_errors(found, truth)
    assert table.query("boundary == 'onset'").error_ms.tolist() == pytest.approx(
        [10, np.nan], nan_ok=True
    )
    assert table.query("boundary == 'offset'").error_ms.iloc[0] == -2


def test_windows_and_shares_by_hand():
    values = np.zeros((12, 100))
    values[3, 20:30], values[5, 60:65] = 1.0, -3.0
    sums, start_s = window_sums(values, 10, window_s=1.0)
    assert (sums[3, start_s == 2.0], sums.shape[1]) == (10, 19)
    top = top_segments(values, 10, k=1, window_s=1.0)
    assert top[["sign", "lead"]].to_numpy().tolist() == [[1, "aVR"], [-1, "aVF"]]
    np.testing.assert_allclose(lead_shares(values)[[3, 5]], [0.4, 0.6])
    with pytest.raises(EcgcoreError, match="window_s"):
        window_sums(values, 10, window_s=0)


def test_expected_leads_and_the_statement_of_a_record():
    inferior = territories.expected_leads({"IMI": 100.0, "SR": 0.0})
    assert np.array(LEADS)[inferior].tolist() == ["II", "III", "aVF"]
    assert not territories.expected_leads({"SR": 0.0}).any()
    codes = {"IMI": 50.0, "ASMI": 80.0, "NDT": 100.0}
    assert territories.pathology(codes, {"IMI", "ASMI"}) == "ASMI"
    assert territories.pathology({"B": 1.0, "A": 1.0}, {"A", "B"}) == "A"
    assert territories.pathology(codes, {"LVH"}) == ""
    assert {lead for leads in territories.EXPECTED_LEADS.values() for lead in leads} <= set(LEADS)
    waves = {wave for waves in territories.EXPECTED_WAVES.values() for wave in waves}
    assert waves <= set(beats.WAVES)

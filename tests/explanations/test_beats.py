"""Beats in signals with known beats, and LUDB's annotations."""

import numpy as np
import pytest
import wfdb

from ecgcore.data import ludb_waves
from ecgcore.explanations import beats
from ecgcore.leads import LEADS

RATE_HZ = 100
R_S = [0.7 + 0.9 * k for k in range(10)]


def heart(r_s: list[float], rate_hz: int = RATE_HZ, size: float = 1.0) -> np.ndarray:
    """Return bell-shaped P, QRS and T around the given R times, the same in all leads."""
    t = np.arange(10 * rate_hz) / rate_hz
    bells = [(-0.16, 0.02, 0.15), (0, 0.012, 1.0), (0.25, 0.04, 0.3)]
    trace = sum(
        height * np.exp(-(((t - r - at) / width) ** 2)) for r in r_s for at, width, height in bells
    )
    return np.broadcast_to(size * trace, (12, len(t))).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [62, 100, 500])
def test_r_peaks_are_where_we_put_them(rate_hz):
    peaks_s = beats.r_peaks(heart(R_S, rate_hz), rate_hz) / rate_hz
    assert len(peaks_s) == len(R_S)
    np.testing.assert_allclose(peaks_s, R_S, atol=1.5 / rate_hz)


def test_a_dead_lead_is_replaced_and_a_dead_record_has_no_beats():
    signal = heart(R_S).copy()
    signal[LEADS.index("II")] = 0
    assert len(beats.r_peaks(signal, RATE_HZ)) == len(R_S)
    assert len(beats.r_peaks(np.zeros((12, 1000)), RATE_HZ)) == 0


def test_swapped_beats_follow_the_records_rhythm():
    record = heart([0.5 + 0.6 * k for k in range(16)])
    x = np.stack([record, np.zeros((12, 1000), np.float32)])
    healthy = np.stack([heart([0.4 + 0.8 * k for k in range(12)], size=2.0)])
    donor = beats.swapped_beats(x, healthy, RATE_HZ, seed=0)
    peaks = beats.r_peaks(record, RATE_HZ)
    np.testing.assert_allclose(donor[0, 0, peaks], 2.0, atol=0.25)
    assert np.abs(donor[0, 0, (peaks[:-1] + peaks[1:]) // 2]).max() < 0.8
    np.testing.assert_array_equal(donor[1], healthy[0])  # no beats to follow: unchanged


def test_ludb_waves_are_those_of_wfdb_with_the_intervals_between(shared):
    ludb = shared / "ludb" / "data"
    table = ludb_waves(ludb, 1)
    symbols = wfdb.rdann(str(ludb / "1"), "avf").symbol
    counts = table[table.lead == "aVF"].wave.value_counts()
    assert counts[["P", "QRS", "T"]].tolist() == [symbols.count(s) for s in "pNt"]
    v2 = table[table.lead == "V2"].reset_index(drop=True)
    st = v2.index[v2.wave == "ST"][0]
    assert v2.wave.loc[st - 1 : st + 1].tolist() == ["QRS", "ST", "T"]
    assert (v2.onset[st], v2.offset[st]) == (v2.offset[st - 1], v2.onset[st + 1])
    with pytest.raises(FileNotFoundError, match=r"999\.i"):
        ludb_waves(ludb, 999)

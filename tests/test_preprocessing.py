"""Preprocessing against scipy and against the published chain, record by record."""

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal import refused

from ecgcore.errors import EcgcoreError
from ecgcore.preprocessing import (
    RESAMPLERS,
    band_limit,
    flat_leads,
    lead_statistics,
    preprocess,
    resample,
    shuffle_blocks,
)


def published_chain(record: np.ndarray, rate_in_hz: int, rate_hz: int) -> np.ndarray:
    """Return paper B's preprocessing of one record (sample, lead), restated with loops."""
    x = np.nan_to_num(record, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
    if rate_hz != rate_in_hz:
        x = scipy.signal.resample(x, round(len(x) * rate_hz / rate_in_hz)).astype(np.float32)
    x = np.clip(x.T, -15.0, 15.0)
    for lead in x:
        still = np.abs(np.diff(lead)) < 1e-6 * (np.std(lead) + 1e-8)
        run = longest = 0
        for is_still in still:
            run = run + 1 if is_still else 0
            longest = max(longest, run)
        if longest >= int(3.0 * rate_hz):
            lead[:] = 0.0
    mean, sd = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True) + 1e-8
    return ((x - mean) / sd).astype(np.float32)


@pytest.fixture(scope="module")
def records_mv(ptbxl_500: Path) -> np.ndarray:
    """Return 24 real records at 500 Hz with every kind of damage that the chain repairs."""
    headers = sorted(ptbxl_500.glob("records500/*/*.hea"))[:24]
    records = np.stack([wfdb.rdrecord(str(h.with_suffix(""))).p_signal.T for h in headers])
    records = records.astype(np.float32)
    for k in range(12):
        records[k, k] = 0.0
    records[13, 2, 1000:2600] = 0.1
    records[14, 2, 1000:2400] = 0.1
    records[15, :, 5], records[16, 2, 7] = np.nan, -np.inf
    records[17, 1] *= 30
    return records


@pytest.mark.parametrize("rate_hz", [25, 62, 100, 125, 250])
def test_chain_is_the_published_one_below_500_hz(records_mv: np.ndarray, rate_hz: int) -> None:
    before = records_mv.copy()
    got = preprocess(records_mv, 500, rate_hz)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(records_mv, before)
    for record, ours in zip(records_mv, got, strict=True):
        np.testing.assert_array_equal(ours, published_chain(record.T.copy(), 500, rate_hz))


def test_at_500_hz_the_chain_is_nearer_to_float64(records_mv: np.ndarray) -> None:
    whole, undamaged = preprocess(records_mv, 500, 500), [*range(13), *range(18, 24)]
    assert np.isfinite(whole).all()
    zero = np.argwhere(~whole.any(axis=-1)).tolist()
    assert zero == [*([k, k] for k in range(12)), [13, 2]], "only flat leads become zero"
    records, ours = records_mv[undamaged], whole[undamaged]
    published = np.stack([published_chain(r.T.copy(), 500, 500) for r in records])
    exact = records.astype(np.float64)
    with np.errstate(invalid="ignore"):
        exact = (exact - exact.mean(-1, keepdims=True)) / (exact.std(-1, keepdims=True) + 1e-8)
    exact[ours.any(axis=-1) == 0] = 0
    assert np.abs(ours - published).max() < 1e-4
    assert np.abs(ours - exact).max() < np.abs(published - exact).max() / 5


@pytest.mark.parametrize("rate_hz", [100, 500])
@pytest.mark.parametrize("offset_mv", [16.0, -40.0, 14.9])
def test_an_offset_does_not_turn_a_lead_into_a_constant(
    records_mv: np.ndarray, rate_hz: int, offset_mv: float
) -> None:
    clean, shifted = records_mv[20:24], records_mv[20:24].copy()
    shifted[:, 6:] += np.float32(offset_mv)
    expected = preprocess(clean, 500, rate_hz)
    got = preprocess(shifted, 500, rate_hz)
    np.testing.assert_allclose(got, expected, atol=0.01)
    published = np.stack([published_chain(r.T.copy(), 500, rate_hz) for r in shifted])
    np.testing.assert_allclose(got[:, :6], published[:, :6], atol=1e-4)
    assert np.abs(published[:, 6:] - expected[:, 6:]).max() > 1


@settings(max_examples=40, deadline=None)
@given(
    rate_hz=st.integers(25, 500),
    rate_in_hz=st.sampled_from([100, 250, 360, 500]),
    n_samples=st.integers(200, 700),
    seed=st.integers(0, 99),
)
def test_resampling_equals_scipy_on_single_records(
    rate_hz: int, rate_in_hz: int, n_samples: int, seed: int
) -> None:
    x = np.random.default_rng(seed).normal(size=(2, 3, n_samples)).astype(np.float32)
    n_out = round(n_samples * rate_hz / rate_in_hz)
    fft = resample(x, rate_in_hz, rate_hz)
    poly = resample(x, rate_in_hz, rate_hz, method="polyphase")
    assert fft.shape == poly.shape == (2, 3, n_out)
    for record in range(2):
        one = x[record].T
        expected = one if rate_hz == rate_in_hz else scipy.signal.resample(one, n_out)
        np.testing.assert_array_equal(fft[record], expected.T)
        if rate_hz != rate_in_hz:
            expected = scipy.signal.resample_poly(
                one, rate_hz, rate_in_hz, window=("kaiser", 5.0), padtype="line"
            )
            np.testing.assert_allclose(poly[record], expected[:n_out].T, atol=1e-5)


def sine(frequency_hz: float, rate_hz: int = 500, duration_s: int = 10) -> np.ndarray:
    time_s = np.arange(rate_hz * duration_s) / rate_hz
    return np.sin(2 * np.pi * frequency_hz * time_s).astype(np.float32)[None, None]


def test_only_decimation_aliases() -> None:
    above = sine(70.0)  # above the Nyquist frequency of 100 Hz: should vanish, aliases to 30 Hz
    power = {m: resample(above, 500, 100, method=m)[..., 100:-100].std() for m in RESAMPLERS}
    assert power["decimate"] > 0.6
    assert power["fft"] < 1e-3
    assert power["polyphase"] < 1e-2


def test_band_limit_and_upsampling_keep_what_lies_below() -> None:
    mixed = sine(20.0) + sine(80.0)
    high = resample(sine(20.0, 100), 100, 500)
    np.testing.assert_allclose(high, sine(20.0), atol=1e-5)
    np.testing.assert_allclose(band_limit(mixed, 500, 50), sine(20.0), atol=1e-5)


def test_normalisation_by_training_set_or_none() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(30, 12, 400)) * np.arange(1, 13)[:, None] + 2).astype(np.float32)
    chain, clipped = preprocess(x, 100, 100, normalise="none"), np.clip(x, -15, 15)
    np.testing.assert_array_equal(chain, clipped)
    how = {"normalise": "train_lead", "statistics": lead_statistics(chain)}
    scaled = preprocess(x, 100, 100, **how)
    np.testing.assert_allclose(scaled.mean(axis=(0, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=(0, 2)), 1, atol=1e-4)
    assert scaled[0].std() != pytest.approx(scaled[1].std(), abs=1e-4)  # absolute voltage is kept


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 20), st.integers(8, 120))
def test_flat_leads_are_those_with_a_flat_run(seed: int, rate_hz: int, n_samples: int) -> None:
    rng, n_flat = np.random.default_rng(seed), 3 * rate_hz
    x = rng.integers(0, 2, (1, 4, n_samples)).astype(np.float32)
    start = rng.integers(0, n_samples)
    x[0, 0, start : start + n_flat + 1] = 0.0
    x[0, 1, start : start + n_flat] = 1.0
    flat = flat_leads(x, rate_hz)
    for lead, is_flat in zip(x[0], flat[0], strict=True):
        runs = "".join("s" if s else "." for s in np.diff(lead) == 0).split(".")
        assert is_flat == (max(map(len, runs)) >= n_flat)


def test_impossible_requests_are_refused() -> None:
    x = np.zeros((2, 12, 500), dtype=np.float32)
    for rate_hz in (24, 62.5):
        with pytest.raises(EcgcoreError, match=f"rate_hz: {rate_hz} Hz; expected a whole number"):
            preprocess(x, 500, rate_hz)  # type: ignore[arg-type]
    refused(r"has shape \(12, 500\)", preprocess, x[0], 500, 100)
    refused("method: there is no 'soxr'", preprocess, x, 500, 100, method="soxr")
    refused("needs statistics", preprocess, x, 500, 100, normalise="train_lead")


def test_shuffled_blocks_are_those_of_the_record_with_faded_steps() -> None:
    ramp = np.tile(np.arange(1000, dtype=np.float32), (2, 12, 1))
    shuffled = shuffle_blocks(ramp, 500, 200, seed=1)
    kept = shuffled[..., 50::100]  # the middle of each block, where no step is faded
    assert sorted(kept[0, 0]) == ramp[0, 0, 50::100].tolist()
    assert (kept[0, 0] != ramp[0, 0, 50::100]).any()
    assert np.abs(np.diff(shuffled, axis=-1)).max() < 250, "a cut between blocks was not faded"
    assert (shuffled[:, :1] == shuffled).all(), "leads were shuffled differently"
    assert (shuffle_blocks(ramp, 500, 200, seed=1) == shuffled).all()

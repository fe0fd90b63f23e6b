"""Batches against scipy and against the published chain, record by record."""

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcore import ptbxl, signals
from ecgcore.errors import EcgcoreError
from ecgcore.runs import has_still_run, longest_run


def published_chain(record: np.ndarray, rate_in_hz: int, rate_hz: int) -> np.ndarray:
    """Paper B's preprocessing of one record (sample, lead), restated plainly, loops and all."""
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
    """40 real records at 500 Hz, damaged in every way that the chain knows."""
    archive = ptbxl.Archive(ptbxl_500)
    records = archive.signals(500, archive.table.index[:40])
    for k in range(12):
        records[k, k] = 0.0
    records[13, 2, 1000:2600] = 0.1
    records[14, 2, 1000:2400] = 0.1
    records[15, :, 5], records[16, 2, 7] = np.nan, -np.inf
    records[17, 1] *= 30
    return records


@pytest.mark.parametrize("rate_hz", [25, 62, 63, 100, 125, 250, 333])
def test_chain_is_bit_identical_to_the_published_one_below_500_hz(
    records_mv: np.ndarray, rate_hz: int
) -> None:
    got = signals.preprocess(records_mv, 500, rate_hz)
    assert got.dtype == np.float32
    for record, ours in zip(records_mv, got, strict=True):
        np.testing.assert_array_equal(ours, published_chain(record.T.copy(), 500, rate_hz))


def test_at_500_hz_a_float64_calculation_shows_who_is_right(records_mv: np.ndarray) -> None:
    records = records_mv[[*range(13), *range(18, 40)]]
    ours = signals.preprocess(records, 500, 500)
    published = np.stack([published_chain(r.T.copy(), 500, 500) for r in records])
    exact = records.astype(np.float64)
    with np.errstate(invalid="ignore"):
        exact = (exact - exact.mean(-1, keepdims=True)) / (exact.std(-1, keepdims=True) + 1e-8)
    exact[ours.any(axis=-1) == 0] = 0
    assert np.abs(ours - published).max() < 1e-4
    assert np.abs(ours - exact).max() < np.abs(published - exact).max() / 5


def test_one_transform_for_all_rates_gives_the_same(records_mv: np.ndarray) -> None:
    rates = (62, 100, 250, 500)
    together = signals.preprocess_rates(records_mv, 500, rates, jobs=2)
    for rate_hz in rates:
        np.testing.assert_array_equal(
            together[rate_hz], signals.preprocess(records_mv, 500, rate_hz)
        )


def test_chain_writes_into_what_it_is_given_and_leaves_its_input(records_mv: np.ndarray) -> None:
    before = records_mv.copy()
    out = {100: np.empty((40, 12, 1000), dtype=np.float32)}
    done = signals.preprocess_rates(records_mv, 500, (100,), out=out)
    assert done[100] is out[100]
    np.testing.assert_array_equal(records_mv, before)
    np.testing.assert_array_equal(out[100], signals.preprocess(before, 500, 100))


def test_flat_leads_become_zero_and_others_do_not(records_mv: np.ndarray) -> None:
    got = signals.preprocess(records_mv, 500, 500)
    zero = ~got.any(axis=-1)
    assert [tuple(p) for p in np.argwhere(zero)] == [*((k, k) for k in range(12)), (13, 2)]
    assert np.isfinite(got).all()


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
    fft = signals.resample(x, rate_in_hz, rate_hz)
    poly = signals.resample(x, rate_in_hz, rate_hz, method="polyphase")
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
    power = {
        m: signals.resample(above, 500, 100, method=m)[..., 100:-100].std() for m in signals.METHODS
    }
    assert power["decimate"] > 0.6
    assert power["fft"] < 1e-3
    assert power["polyphase"] < 1e-2


@pytest.mark.parametrize("method", signals.METHODS)
def test_a_slow_wave_survives_every_method(method: str) -> None:
    got = signals.resample(sine(5.0), 500, 125, method=method)
    np.testing.assert_allclose(got[..., 50:-50], sine(5.0, 125)[..., 50:-50], atol=0.01)


def test_decimation_takes_the_latest_sample_at_uneven_rates() -> None:
    x = np.arange(500, dtype=np.float32)[None, None]
    got = signals.resample(x, 500, 62, method="decimate")[0, 0]
    np.testing.assert_array_equal(got, np.floor(np.arange(62) * 500 / 62))


def test_band_limit_keeps_below_and_removes_above() -> None:
    mixed = sine(20.0) + sine(80.0)
    np.testing.assert_allclose(signals.band_limit(mixed, 500, 50), sine(20.0), atol=1e-5)


def test_upsampling_adds_samples_but_no_content(records_mv: np.ndarray) -> None:
    low = signals.resample(signals.finite(records_mv), 500, 100)
    high = signals.upsample(low, 100, 500)
    assert high.shape[-1] == 5000
    np.testing.assert_allclose(high[..., ::5], low, atol=1e-3)
    limited = signals.band_limit(high, 500, 50.05)
    np.testing.assert_allclose(limited, high, atol=1e-3)


def test_normalisation_by_training_set_and_none() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(30, 12, 400)) * np.arange(1, 13)[:, None] + 2).astype(np.float32)
    statistics = signals.lead_statistics(x)
    scaled = signals.normalise(x, "train_lead", statistics)
    np.testing.assert_allclose(scaled.mean(axis=(0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=(0, 2)), 1, atol=1e-5)
    assert scaled[0].std() != pytest.approx(scaled[1].std(), abs=1e-4)  # absolute voltage is kept
    chain = signals.preprocess(x, 100, 100, normalise="train_lead", statistics=statistics)
    clipped = np.clip(x, -15, 15)
    np.testing.assert_array_equal(chain, signals.normalise(clipped, "train_lead", statistics))
    np.testing.assert_array_equal(signals.preprocess(x, 100, 100, normalise="none"), clipped)
    np.testing.assert_array_equal(
        signals.preprocess(x, 100, 100, clip_mv=99.0), signals.normalise(x, "record_lead")
    )


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(8, 120))
def test_probing_finds_exactly_the_still_runs(seed: int, n_still: int, n_samples: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (4, n_samples)).astype(np.float32)
    start = rng.integers(0, n_samples)
    x[0, start : start + n_still + 1] = 0.0
    x[1, start : start + n_still] = 1.0
    got = has_still_run(x, np.full(4, 0.5), n_still)
    for lead, found in zip(x, got, strict=True):
        runs = "".join("s" if s else "." for s in np.diff(lead) == 0).split(".")
        assert found == (max(map(len, runs)) >= n_still)


def test_sixteen_bit_steps_do_not_overflow() -> None:
    x = np.tile(np.array([-32768, 0], dtype=np.int16), 20)[None]
    assert not has_still_run(x, np.ones(1), 8)
    assert longest_run(np.array([True, True, False, True])) == 2


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: signals.preprocess(x, 500, 24), "rate_hz: 24 Hz; expected a whole number from"),
        (lambda x: signals.preprocess(x, 500, 501), "rate_hz: 501 Hz"),
        (lambda x: signals.preprocess(x, 500, 62.5), r"rate_hz: 62\.5 Hz"),
        (lambda x: signals.preprocess(x[0], 500, 100), r"has shape \(12, 500\)"),
        (lambda x: signals.preprocess(x, 500, 100, method="soxr"), "method: there is no 'soxr'"),
        (lambda x: signals.preprocess(x, 500, 100, normalise="max"), "normalise: there is no"),
        (lambda x: signals.preprocess(x, 500, 100, normalise="train_lead"), "needs statistics"),
        (lambda x: signals.upsample(x, 500, 100), "100 Hz is below the records' 500 Hz"),
        (lambda x: signals.band_limit(x, 500, 251), "cut_hz: 251 Hz"),
        (lambda x: signals.band_limit(x, 500, 0), "cut_hz: 0 Hz"),
    ],
)
def test_impossible_requests_are_refused(call, said: str) -> None:
    with pytest.raises(EcgcoreError, match=said):
        call(np.zeros((2, 12, 500), dtype=np.float32))

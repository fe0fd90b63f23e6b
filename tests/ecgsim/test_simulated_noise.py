"""Noise of devices and added noise: strength, spectrum, and the identities of the leads."""

import numpy as np
import pytest
from scipy.signal import welch

from ecgcore.leads import twelve_from_eight
from ecgsim import DEVICES
from ecgsim.noise import KINDS, NO_NOISE, NoiseLevels, add_noise, draw_noise

RATE_HZ = 500


@pytest.fixture(scope="module")
def records() -> np.ndarray:
    """Return two records of 12 leads that obey the lead identities."""
    t = np.arange(5000) / RATE_HZ
    beats = np.exp(-(((t % 0.8 - 0.4) / 0.02) ** 2))
    eight = np.random.default_rng(0).uniform(-1, 2, (2, 8, 1)) * beats
    return twelve_from_eight(eight).astype(np.float32)


def added(records: np.ndarray, kind: str, snr_db: float = 0.0, seed: int = 1) -> np.ndarray:
    return add_noise(records, RATE_HZ, kind, snr_db, seed=seed) - records


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_the_ratio_is_the_requested_one(records, kind, snr_db) -> None:
    noise = added(records, kind, snr_db)
    ratio_db = 10 * np.log10(records.var(axis=-1).mean(axis=1) / noise.var(axis=-1).mean(axis=1))
    np.testing.assert_allclose(ratio_db, snr_db, atol=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_obeys_the_lead_identities_and_the_seed(records, kind) -> None:
    noise = added(records, kind)
    np.testing.assert_allclose(noise[:, 2], noise[:, 1] - noise[:, 0], atol=1e-5)
    np.testing.assert_allclose(noise[:, 3], -(noise[:, 0] + noise[:, 1]) / 2, atol=1e-5)
    assert np.array_equal(noise, added(records, kind))
    assert not np.allclose(noise[0] / noise[0].std(), noise[1] / noise[1].std(), atol=0.1)
    weaker = added(records, kind, 20.0)  # a tenth of the amplitude, the same course
    np.testing.assert_allclose(weaker, noise / 10, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "low_hz", "high_hz"), [("muscle", 15, 250), ("baseline", 0, 1), ("mains", 45, 155)]
)
def test_power_lies_where_physiology_puts_it(records, kind, low_hz, high_hz) -> None:
    noise = added(records, kind)[:, 6:]
    frequency_hz, power = welch(noise, RATE_HZ, nperseg=2500)
    inside = (frequency_hz >= low_hz) & (frequency_hz <= high_hz)
    assert power[..., inside].sum() > 0.95 * power.sum()


def test_devices_differ_above_60_hz_and_not_below() -> None:
    """The noisy device has the most noise, the quiet one with the low cut-off the least."""
    rms_uv = {}
    for device in DEVICES:
        drawn = [draw_noise(np.random.default_rng(k), NoiseLevels(), device) for k in range(24)]
        power = np.square(np.abs(np.fft.rfft([d.background_mv for d in drawn], axis=-1)))
        frequency_hz = np.fft.rfftfreq(5200, 1 / RATE_HZ)
        for low_hz, high_hz in ((0.1, 25), (60, 140), (155, 250)):
            inside = (frequency_hz > low_hz) & (frequency_hz < high_hz)
            band = 1000 * np.sqrt(2 * power[..., inside].sum(axis=-1)) / 5200
            rms_uv[device.name[-1], low_hz] = np.median(band)
    for low_hz in (60, 155):
        assert rms_uv["C", low_hz] > 1.3 * rms_uv["A", low_hz]
        assert rms_uv["A", low_hz] > 1.05 * rms_uv["B", low_hz]
    silent = draw_noise(np.random.default_rng(1), NO_NOISE, DEVICES[0])
    assert np.abs(silent.background_mv).max() == 0
    below = [rms_uv[name, 0.1] for name in "ABC"]
    assert max(below) < 1.05 * min(below)
    loss = {name: rms_uv[name, 155] / rms_uv[name, 60] for name in "BC"}
    assert loss["B"] < 0.7 * loss["C"]

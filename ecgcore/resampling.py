"""Changing the sampling rate of records, or their bandwidth alone.

Everything works on the last axis of arrays of shape ``(..., sample)``.
"""

from math import gcd

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

from ecgcore.errors import EcgcoreError

Signals = NDArray[np.float32]

METHODS = ("fft", "polyphase", "decimate")
RATE_LIMITS_HZ = (25, 500)
"""Rates that :func:`resample` makes."""


def n_samples_at(n_samples: int, rate_in_hz: float, rate_hz: float) -> int:
    """Length of a record after resampling, rounded half to even as in the paper's code."""
    return round(n_samples * rate_hz / rate_in_hz)


def resample(signals_mv: Signals, rate_in_hz: int, rate_hz: int, *, method: str = "fft") -> Signals:
    """Resample to any rate from 25 to 500 Hz.

    Parameters
    ----------
    signals_mv
        Shape (..., sample).
    rate_in_hz, rate_hz
        Sampling rate before and after.
    method
        ``"fft"``: brick wall at the lower Nyquist frequency, periodic, so that a step between a
        record's ends rings there; bit-identical to ``scipy.signal.resample``.
        ``"polyphase"``: ``scipy.signal.resample_poly``; anti-alias filter is a linear-phase FIR
        low-pass at the lower Nyquist frequency, Kaiser window (beta 5), 20 * max(up, down) + 1
        taps at the common rate, ends extended along a line.
        ``"decimate"``: the latest sample at each new instant, **without** any filter. It aliases;
        it is here as the bad example.

    Returns
    -------
    array of float32, shape (..., new sample)

    Raises
    ------
    EcgcoreError
        Unknown method, or a rate that is not an integer from 25 to 500.
    """
    check_rate(rate_hz)
    signals_mv = np.asarray(signals_mv, dtype=np.float32)
    if method not in METHODS:
        raise EcgcoreError(f"method: there is no '{method}'; expected one of {', '.join(METHODS)}.")
    if rate_hz == rate_in_hz:
        return signals_mv.copy()
    n_in = signals_mv.shape[-1]
    n_out = n_samples_at(n_in, rate_in_hz, rate_hz)
    if method == "fft":
        return from_spectrum(scipy.fft.rfft(signals_mv), n_in, n_out)
    if method == "polyphase":
        common = gcd(int(rate_in_hz), int(rate_hz))
        up, down = int(rate_hz) // common, int(rate_in_hz) // common
        resampled = scipy.signal.resample_poly(
            signals_mv, up, down, axis=-1, window=("kaiser", 5.0), padtype="line"
        )
        return np.ascontiguousarray(resampled[..., :n_out], dtype=np.float32)
    latest = np.arange(n_out) * int(rate_in_hz) // int(rate_hz)
    return signals_mv[..., np.minimum(latest, n_in - 1)]


def upsample(signals_mv: Signals, rate_in_hz: int, rate_hz: int) -> Signals:
    """Bring records to a higher rate without adding content above their old Nyquist frequency.

    The control arms of the sampling study use it: more samples, same information.

    Raises
    ------
    EcgcoreError
        ``rate_hz`` is below ``rate_in_hz``.
    """
    if rate_hz < rate_in_hz:
        raise EcgcoreError(
            f"rate_hz: {rate_hz} Hz is below the records' {rate_in_hz} Hz; use signals.resample."
        )
    return resample(signals_mv, rate_in_hz, rate_hz)


def band_limit(signals_mv: Signals, rate_hz: int, cut_hz: float) -> Signals:
    """Remove all content at and above ``cut_hz`` and keep the rate.

    A brick wall in the frequency domain, zero phase: what :func:`resample` does to a record,
    without changing its number of samples.

    Raises
    ------
    EcgcoreError
        ``cut_hz`` is not above 0 and at most half the rate.
    """
    if not 0 < cut_hz <= rate_hz / 2:
        raise EcgcoreError(
            f"cut_hz: {cut_hz:g} Hz; expected more than 0, at most {rate_hz / 2:g} Hz."
        )
    n_samples = signals_mv.shape[-1]
    spectrum = scipy.fft.rfft(np.asarray(signals_mv, dtype=np.float32))
    spectrum[..., scipy.fft.rfftfreq(n_samples, 1 / rate_hz) >= cut_hz] = 0
    limited: Signals = scipy.fft.irfft(spectrum, n=n_samples, overwrite_x=True)
    return limited


def check_rate(rate_hz: float) -> None:
    """Refuse a sampling rate that :func:`resample` does not make."""
    low, high = RATE_LIMITS_HZ
    if not low <= rate_hz <= high or rate_hz != int(rate_hz):
        raise EcgcoreError(f"rate_hz: {rate_hz} Hz; expected a whole number from {low} to {high}.")


def from_spectrum(spectrum: NDArray[np.complexfloating], n_in: int, n_out: int) -> Signals:
    """The step of ``scipy.signal.resample`` after its forward transform, operation by operation."""
    kept = min(n_in, n_out)
    part = spectrum[..., : kept // 2 + 1]
    factor = n_in / n_out
    if kept % 2 == 0 and n_in != n_out:  # the bin at the lower Nyquist frequency has no partner
        part = part.copy()
        part[..., kept // 2] *= 2 if n_out < n_in else 0.5
    resampled: Signals = scipy.fft.irfft(part / factor, n=n_out, overwrite_x=True)
    return resampled

"""From records in mV to network inputs: pure functions on arrays (record, lead, sample)."""

from typing import NamedTuple

import numpy as np
import scipy  # submodules load on first use, so starting a run does not load them

from ecgcore.arrays import Bools, Floats32
from ecgcore.data.checks import longest_run
from ecgcore.errors import EcgcoreError, check_choice

RESAMPLERS = ("fft", "polyphase", "decimate")
NORMALISATIONS = ("record_lead", "train_lead", "none")
EPSILON, FLAT = np.float32(1e-8), np.float32(1e-6)
"""Constants of the paper's code: the first is added to standard deviations; a difference is flat if
it is smaller than the second times the lead's standard deviation."""

CLIP_MV, FLAT_LINE_S = 15.0, 3.0
"""The paper's amplitude limit, and how long a lead must be flat to be set to zero."""

_CHUNK = 16  # records at a time: small enough for the cache, large enough for the FFT's plan


class LeadStatistics(NamedTuple):
    """Mean and standard deviation of each lead over a training set, shape ``(lead,)``, mV."""

    mean_mv: Floats32
    sd_mv: Floats32


def lead_statistics(signals_mv: Floats32) -> LeadStatistics:
    """Return the statistics for ``normalise="train_lead"``; pass the training part only."""
    return LeadStatistics(
        signals_mv.mean(axis=(0, 2), dtype=np.float64).astype(np.float32),
        signals_mv.std(axis=(0, 2), dtype=np.float64).astype(np.float32),
    )


def flat_leads(signals_mv: Floats32, rate_hz: int) -> Bools:
    """Return which leads stay flat for 3 s or longer, shape (record, lead).

    A difference of neighbouring samples is flat when it is below 1e-6 of the lead's standard
    deviation.
    """
    n_flat = int(FLAT_LINE_S * rate_hz)
    threshold = FLAT * (signals_mv.std(axis=-1) + EPSILON)
    still = np.abs(np.diff(signals_mv)) < threshold[..., None]
    flat = np.asarray(still.sum(axis=-1) >= n_flat)  # few leads have that many
    flat[flat] = longest_run(still[flat]) >= n_flat
    return flat


def normalised(
    signals_mv: Floats32, method: str = "record_lead", statistics: LeadStatistics | None = None
) -> Floats32:
    """Return normalised amplitudes, shape (record, lead, sample), in one of three ways.

    ``"record_lead"``: z-score of each lead of each record (both papers; absolute voltage is lost).
    ``"train_lead"``: z-score of each lead with ``statistics`` of the training part. ``"none"``: mV.
    Raises ``EcgcoreError`` for another ``how``, or ``"train_lead"`` without statistics.
    """
    check_choice("normalise", method, NORMALISATIONS)
    if method == "none":
        return signals_mv.copy()
    if method == "train_lead":
        if statistics is None:
            why = "compute them from the training part with preprocessing.lead_statistics"
            raise EcgcoreError(f"normalise: 'train_lead' needs statistics; {why}.")
        scale = statistics.sd_mv + EPSILON
        return (signals_mv - statistics.mean_mv[:, None]) / scale[:, None]
    mean = signals_mv.mean(axis=-1, keepdims=True)
    scaled: Floats32 = (signals_mv - mean) / (signals_mv.std(axis=-1, keepdims=True) + EPSILON)
    return scaled


def preprocess(
    signals_mv: Floats32,
    rate_in_hz: int,
    rate_hz: int,
    *,
    method: str = "fft",
    normalise: str = "record_lead",
    statistics: LeadStatistics | None = None,
) -> Floats32:
    """Apply paper B's chain: set NaN and infinities to 0, resample, clip, zero flat leads, z-score.

    ``signals_mv``, shape (record, lead, sample), mV, is not modified; the result is float32, shape
    (record, lead, new sample). ``method`` is that of :func:`resample`; ``normalise`` and
    ``statistics`` are those of :func:`normalised`. Raises ``EcgcoreError`` for signals of another
    shape, and wherever one of these two functions does.

    Source: the public code of *Sampling Matters* (arXiv 2604.16437); with the defaults, results
    below 500 Hz are bit-identical to those of that code. At 500 Hz that code averages in float32
    along the slow axis; ours is nearer to float64. *Differs from the paper*: before clipping, the
    mean of a lead is subtracted if it exceeds the lead's standard deviation and if, without this
    step, clipping would cut more samples. The published chain turns such a lead into a constant.
    """
    check_rate(rate_hz)
    if signals_mv.ndim != 3:
        why = f"has shape {signals_mv.shape}; expected (record, lead, sample)"
        raise EcgcoreError(f"signals_mv: {why}.")
    n_records, n_leads, n_in = signals_mv.shape
    out = np.empty((n_records, n_leads, round(n_in * rate_hz / rate_in_hz)), np.float32)
    for start in range(0, n_records, _CHUNK):
        x = signals_mv[start : start + _CHUNK]
        if not np.isfinite(x).all():
            x = np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0)
        x = _clipped(resample(x, rate_in_hz, rate_hz, method=method))
        x[flat_leads(x, rate_hz)] = 0
        out[start : start + _CHUNK] = normalised(x, normalise, statistics)
    return out


def resample(
    signals_mv: Floats32, rate_in_hz: int, rate_hz: int, *, method: str = "fft"
) -> Floats32:
    """Resample records (..., sample) to a rate from 25 to 500 Hz: float32, (..., new sample).

    A higher rate adds samples, but no content above the old Nyquist frequency. ``"fft"``: brick
    wall at the lower Nyquist frequency, periodic, so that a step between a record's ends rings
    there; bit-identical to ``scipy.signal.resample``. ``"polyphase"``:
    ``scipy.signal.resample_poly``; a linear-phase FIR low-pass at the lower Nyquist frequency,
    Kaiser window (beta 5), 20 * max(up, down) + 1 taps at the common rate, ends extended along a
    line. ``"decimate"``: the latest sample at each new instant **without** a filter; it aliases and
    serves as a negative example. Raises ``EcgcoreError`` for an unknown method, or a rate that is
    not an integer from 25 to 500.
    """
    check_rate(rate_hz)
    check_choice("method", method, RESAMPLERS)
    signals_mv = np.asarray(signals_mv, dtype=np.float32)
    if rate_hz == rate_in_hz:
        return signals_mv.copy()
    n_in = signals_mv.shape[-1]
    n_out = round(n_in * rate_hz / rate_in_hz)  # half to even, as in the paper's code
    if method == "fft":
        return np.asarray(scipy.signal.resample(signals_mv, n_out, axis=-1), dtype=np.float32)
    if method == "polyphase":  # the function divides both rates by their common divisor
        resampled = scipy.signal.resample_poly(
            signals_mv, rate_hz, rate_in_hz, axis=-1, window=("kaiser", 5.0), padtype="line"
        )
        return np.ascontiguousarray(resampled[..., :n_out], dtype=np.float32)
    latest = np.arange(n_out) * int(rate_in_hz) // int(rate_hz)
    return signals_mv[..., np.minimum(latest, n_in - 1)]


def band_limit(signals_mv: Floats32, rate_hz: int, cut_hz: float) -> Floats32:
    """Remove all content at and above ``cut_hz``, and keep the rate.

    The filter is a brick wall with zero phase, like that of :func:`resample`. Raises
    ``EcgcoreError`` unless ``cut_hz`` is above 0 and at most half the rate.
    """
    if not 0 < cut_hz <= rate_hz / 2:
        why = f"expected more than 0, at most {rate_hz / 2:g} Hz"
        raise EcgcoreError(f"cut_hz: {cut_hz:g} Hz; {why}.")
    n_samples = signals_mv.shape[-1]
    spectrum = scipy.fft.rfft(np.asarray(signals_mv, dtype=np.float32))
    spectrum[..., scipy.fft.rfftfreq(n_samples, 1 / rate_hz) >= cut_hz] = 0
    return np.asarray(scipy.fft.irfft(spectrum, n=n_samples), dtype=np.float32)


def shuffle_blocks(signals_mv: Floats32, rate_hz: int, block_ms: float, *, seed: int) -> Floats32:
    """Return records (record, lead, sample) with their blocks shuffled, the same in all leads.

    Steps between blocks fade out over 10 ms. Blocks of 50 ms break the waves of an ECG; blocks of
    1,000 ms keep most of them and destroy the rhythm.
    """
    n, fade = round(block_ms * rate_hz / 1000), max(1, round(0.01 * rate_hz))
    rng, ramp = np.random.default_rng(seed), 1 - np.linspace(0, 1, fade, dtype=np.float32)
    starts = np.arange(signals_mv.shape[-1] // n)[:, None] * n + np.arange(n)
    result = np.empty_like(signals_mv[..., : starts.size])
    for k, record in enumerate(signals_mv):
        result[k] = record[:, rng.permutation(starts).ravel()]
        for start in range(n, starts.size, n):
            step = result[k, :, start] - result[k, :, start - 1]
            result[k, :, start : start + fade] -= step[:, None] * ramp
    return result


def check_rate(rate_hz: float) -> None:
    """Raise ``EcgcoreError`` for a sampling rate that :func:`resample` does not produce."""
    if not 25 <= rate_hz <= 500 or rate_hz != int(rate_hz):
        raise EcgcoreError(f"rate_hz: {rate_hz} Hz; expected a whole number from 25 to 500.")


def _clipped(x: Floats32) -> Floats32:
    """Clip ``x`` in place; a lead clipped because of its offset loses its mean first."""
    beyond = np.abs(x).max(axis=-1) > CLIP_MV
    for position in map(tuple, np.argwhere(beyond)):
        lead = x[position]
        mean = lead.mean(dtype=np.float64)
        centred = (lead - mean).astype(np.float32)
        fewer = (np.abs(centred) > CLIP_MV).sum() < (np.abs(lead) > CLIP_MV).sum()
        if fewer and abs(mean) > centred.std():
            lead = centred
        x[position] = np.clip(lead, -CLIP_MV, CLIP_MV)
    return x

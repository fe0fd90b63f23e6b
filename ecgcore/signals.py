"""From records in mV to what a network reads: pure functions on batches (record, lead, sample).

Reference for the
chain of :func:`preprocess`: *Sampling Matters* (arXiv 2604.16437) as its public code does it.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ecgcore.errors import EcgcoreError
from ecgcore.resampling import (
    METHODS,
    RATE_LIMITS_HZ,
    Signals,
    band_limit,
    check_rate,
    from_spectrum,
    n_samples_at,
    resample,
    upsample,
)
from ecgcore.runs import has_still_run

__all__ = [
    "METHODS",
    "NORMALISATIONS",
    "RATE_LIMITS_HZ",
    "LeadStatistics",
    "Signals",
    "band_limit",
    "check_rate",
    "finite",
    "flat_leads",
    "lead_statistics",
    "n_samples_at",
    "normalise",
    "preprocess",
    "preprocess_rates",
    "resample",
    "upsample",
]

NORMALISATIONS = ("record_lead", "train_lead", "none")
EPSILON = np.float32(1e-8)
"""Added to standard deviations by the paper's code."""

FLAT = np.float32(1e-6)
"""A difference below this share of the lead's standard deviation is flat, by the paper's code."""

_CHUNK = 16  # records at a time: small enough for the cache, large enough for the FFT's plan


@dataclass(frozen=True)
class LeadStatistics:
    """Mean and standard deviation of each lead over a training set, shape ``(lead,)``, mV."""

    mean_mv: Signals
    sd_mv: Signals


def lead_statistics(signals_mv: Signals) -> LeadStatistics:
    """Statistics for ``normalise="train_lead"``; give it the training part only."""
    return LeadStatistics(
        signals_mv.mean(axis=(0, 2), dtype=np.float64).astype(np.float32),
        signals_mv.std(axis=(0, 2), dtype=np.float64).astype(np.float32),
    )


def finite(signals_mv: Signals) -> Signals:
    """Replace NaN and infinities by 0; the same array where there are none."""
    if np.isfinite(signals_mv).all():
        return signals_mv
    return np.nan_to_num(signals_mv, nan=0.0, posinf=0.0, neginf=0.0)


def flat_leads(signals_mv: Signals, rate_hz: int, flat_line_s: float = 3.0) -> NDArray[np.bool_]:
    """Leads that hold still for ``flat_line_s`` or longer.

    A difference of neighbours is flat when it is below 1e-6 of the lead's standard deviation.

    Returns
    -------
    array of bool, shape (record, lead)
    """
    threshold = FLAT * (signals_mv.std(axis=-1) + EPSILON)
    return has_still_run(signals_mv, threshold, int(flat_line_s * rate_hz))


def normalise(
    signals_mv: Signals, how: str = "record_lead", statistics: LeadStatistics | None = None
) -> Signals:
    """Normalise amplitudes.

    Parameters
    ----------
    signals_mv
        Shape (record, lead, sample).
    how
        ``"record_lead"``: z-score of each lead of each record (both papers; absolute voltage is
        lost). ``"train_lead"``: z-score by lead with ``statistics`` of the training part.
        ``"none"``: mV.

    Raises
    ------
    EcgcoreError
        Unknown ``how``, or ``"train_lead"`` without statistics.
    """
    _check_normalisation(how, statistics)
    if how == "none":
        return signals_mv.copy()
    if how == "train_lead" and statistics is not None:
        scale = statistics.sd_mv + EPSILON
        return (signals_mv - statistics.mean_mv[:, None]) / scale[:, None]
    mean = signals_mv.mean(axis=-1, keepdims=True)
    scaled: Signals = (signals_mv - mean) / (signals_mv.std(axis=-1, keepdims=True) + EPSILON)
    return scaled


_normalise = normalise  # the name of a parameter below


def preprocess(
    signals_mv: Signals,
    rate_in_hz: int,
    rate_hz: int,
    *,
    method: str = "fft",
    clip_mv: float = 15.0,
    flat_line_s: float = 3.0,
    normalise: str = "record_lead",
    statistics: LeadStatistics | None = None,
    jobs: int = 1,
) -> Signals:
    """Paper B's chain: NaN and infinities to 0, resample, clip, zero flat leads, z-score.

    Parameters
    ----------
    signals_mv
        Shape (record, lead, sample), mV; left as it is.
    rate_in_hz, rate_hz
        Sampling rate before and after; see :func:`resample`.
    method
        See :func:`resample`.
    clip_mv
        Amplitudes beyond this are cut off.
    flat_line_s
        A lead that holds still for so long is set to 0; see :func:`flat_leads`.
    normalise, statistics
        See :func:`normalise`.
    jobs
        Threads.

    Returns
    -------
    array of float32, shape (record, lead, new sample)
        With the defaults, bit-identical to the paper's code below 500 Hz. At 500 Hz that code
        averages in float32 along the slow axis; ours is nearer to a float64 calculation.

    Raises
    ------
    EcgcoreError
        Wrong shape, rate, method or normalisation.
    """
    done = preprocess_rates(
        signals_mv,
        rate_in_hz,
        (rate_hz,),
        method=method,
        clip_mv=clip_mv,
        flat_line_s=flat_line_s,
        normalise=normalise,
        statistics=statistics,
        jobs=jobs,
    )
    return done[rate_hz]


def preprocess_rates(
    signals_mv: Signals,
    rate_in_hz: int,
    rates_hz: Sequence[int],
    *,
    method: str = "fft",
    clip_mv: float = 15.0,
    flat_line_s: float = 3.0,
    normalise: str = "record_lead",
    statistics: LeadStatistics | None = None,
    jobs: int = 1,
    out: dict[int, Signals] | None = None,
) -> dict[int, Signals]:
    """:func:`preprocess` at several rates at once: one Fourier transform serves them all.

    ``out`` may hold arrays of the right shape by rate, such as memory maps, to write into.
    """
    _check_normalisation(normalise, statistics)
    if signals_mv.ndim != 3:
        raise EcgcoreError(
            f"signals_mv: has shape {signals_mv.shape}; expected (record, lead, sample)."
        )
    n_records, n_leads, n_in = signals_mv.shape
    for rate_hz in rates_hz:
        check_rate(rate_hz)
    shapes = {r: (n_records, n_leads, n_samples_at(n_in, rate_in_hz, r)) for r in rates_hz}
    done = out if out is not None else {r: np.empty(s, np.float32) for r, s in shapes.items()}

    def one(start: int) -> None:
        rows = slice(start, start + _CHUNK)
        batch = finite(signals_mv[rows].astype(np.float32, copy=False))
        at_rate = _resampler(batch, rate_in_hz, method)
        for rate_hz in rates_hz:
            x = at_rate(rate_hz)
            x = np.clip(x, -clip_mv, clip_mv, out=None if x is batch else x)
            _clean(x, done[rate_hz][rows], int(flat_line_s * rate_hz), normalise, statistics)

    starts = range(0, n_records, _CHUNK)
    if jobs > 1:
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(one, starts))
    else:
        for start in starts:
            one(start)
    return done


def _check_normalisation(how: str, statistics: LeadStatistics | None) -> None:
    if how not in NORMALISATIONS:
        known = ", ".join(NORMALISATIONS)
        raise EcgcoreError(f"normalise: there is no '{how}'; expected one of {known}.")
    if how == "train_lead" and statistics is None:
        raise EcgcoreError(
            "normalise: 'train_lead' needs statistics; make them with signals.lead_statistics "
            "from the training part."
        )


def _resampler(x: Signals, rate_in_hz: int, method: str) -> Callable[[int], Signals]:
    """A function from rate to resampled batch that shares one spectrum between rates."""
    n_in = x.shape[-1]
    spectrum: list[NDArray[np.complexfloating]] = []

    def at_rate(rate_hz: int) -> Signals:
        if rate_hz == rate_in_hz:
            return x
        if method != "fft":
            return resample(x, rate_in_hz, rate_hz, method=method)
        if not spectrum:
            spectrum.append(scipy.fft.rfft(x))
        return from_spectrum(spectrum[0], n_in, n_samples_at(n_in, rate_in_hz, rate_hz))

    return at_rate


def _clean(
    x: Signals, out: Signals, n_flat: int, how: str, statistics: LeadStatistics | None
) -> None:
    """Zero flat leads of ``x`` and normalise into ``out``; one pass for mean and deviation."""
    mean = x.mean(axis=-1, keepdims=True)
    centred = np.subtract(x, mean, out=out)
    squares = np.multiply(centred, centred)
    sd = np.sqrt(squares.sum(axis=-1, keepdims=True) / np.float32(x.shape[-1]))
    flat = has_still_run(x, (FLAT * (sd + EPSILON))[..., 0], n_flat)
    if how == "record_lead":
        np.divide(centred, sd + EPSILON, out=out)
        out[flat] = 0
    else:
        x[flat] = 0
        out[:] = _normalise(x, how, statistics)

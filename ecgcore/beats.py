"""Beats and their waves: where they lie, what an attribution gives to each, averages over them.

R peaks and wave limits come from neurokit2 (Makowski et al. 2021, Behav Res Methods 53:1689;
wavelet delineation after Martinez et al. 2004, IEEE TBME 51:570), on lead II or, where no beats are
found there, V5; all leads share them.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import resample_poly

from ecgcore.errors import EcgcoreError
from ecgcore.leads import index_of

Ints = NDArray[np.int64]
Floats32 = NDArray[np.float32]

WAVES = ("P", "PR", "QRS", "ST", "T", "rest")
"""P; end of P to QRS; QRS; QRS to T; T; from T to the next P, and beats not delineated."""

_DELINEATION_HZ = 500
"""The wavelets of the delineator are laid out for rates of this order."""
_LEADS = ("II", "V5")
_LIMITS = (
    ("P", "ECG_P_Onsets", "ECG_P_Offsets"),
    ("PR", "ECG_P_Offsets", "ECG_R_Onsets"),
    ("QRS", "ECG_R_Onsets", "ECG_R_Offsets"),
    ("ST", "ECG_R_Offsets", "ECG_T_Onsets"),
    ("T", "ECG_T_Onsets", "ECG_T_Offsets"),
)
_LONGEST_S = 0.6
"""A wave or interval longer than this was delineated wrongly."""


def r_peaks(signal_mv: NDArray[np.floating], rate_hz: float) -> Ints:
    """R peaks of one record ``(12, sample)``, in samples; empty where fewer than two are found.

    Any unit will do.
    """
    for lead in _LEADS:
        trace = np.asarray(signal_mv[index_of(lead)], np.float64)
        found = _peaks(resample_poly(trace, _DELINEATION_HZ, int(rate_hz)))
        if len(found) >= 2:
            at = np.round(found * (rate_hz / _DELINEATION_HZ)).astype(np.int64)
            return np.asarray(np.minimum(at, len(trace) - 1))
    return np.empty(0, np.int64)


def _peaks(trace: NDArray[np.float64]) -> Ints:
    import neurokit2

    if not trace.std() > 0:
        return np.empty(0, np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _, found = neurokit2.ecg_peaks(trace, sampling_rate=_DELINEATION_HZ)
        except (ValueError, IndexError, ZeroDivisionError):  # what it raises where there is no beat
            return np.empty(0, np.int64)
    return np.asarray(found["ECG_R_Peaks"], np.int64)


def waves(signal_mv: NDArray[np.floating], rate_hz: float) -> NDArray[np.int64]:
    """To which of :data:`WAVES` every sample belongs.

    Parameters
    ----------
    signal_mv
        One record, shape ``(12, sample)``.

    Returns
    -------
    array
        Positions in :data:`WAVES`, shape ``(sample,)``; all ``rest`` where no beats are found.
    """
    n_samples = signal_mv.shape[-1]
    found = np.full(n_samples, WAVES.index("rest"), np.int64)
    for name, start, end in _limits(np.asarray(signal_mv, np.float64), rate_hz):
        found[start:end] = WAVES.index(name)
    return found


def _limits(signal_mv: NDArray[np.float64], rate_hz: float) -> list[tuple[str, int, int]]:
    """(wave, first sample, sample after the last), at the record's own rate."""
    import neurokit2

    fine = resample_poly(signal_mv, _DELINEATION_HZ, int(rate_hz), axis=-1)
    for lead in _LEADS:
        trace = fine[index_of(lead)]
        peaks = _peaks(trace)
        if len(peaks) < 3:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                _, marks = neurokit2.ecg_delineate(
                    trace, peaks, sampling_rate=_DELINEATION_HZ, method="dwt"
                )
            except (ValueError, IndexError, ZeroDivisionError):
                continue
        return _checked(marks, rate_hz / _DELINEATION_HZ)
    return []


def _checked(marks: dict[str, Sequence[float]], step: float) -> list[tuple[str, int, int]]:
    limits = []
    for name, first, last in _LIMITS:
        for start, end in zip(marks[first], marks[last], strict=True):
            if 0 < end - start <= _LONGEST_S * _DELINEATION_HZ:  # false where one is nan
                limits.append((name, round(start * step), round(end * step)))
    return limits


def wave_budget(
    attribution: NDArray[np.floating], wave_of: NDArray[np.integer], *, absolute: bool = False
) -> pd.DataFrame:
    """Share of each wave in the attribution, and in time, record by record.

    Parameters
    ----------
    attribution
        Shape ``(record, lead, sample)``; its positive part counts, or with ``absolute`` both signs.
    wave_of
        Of :func:`waves`, shape ``(record, sample)``.

    Returns
    -------
    DataFrame
        One row a record: a column a wave (sums to 1; nan without any attribution), and
        ``time_P`` and so on with the waves' share of the record.
    """
    values = np.abs(attribution) if absolute else np.clip(attribution, 0, None)
    by_sample = values.sum(axis=1, dtype=np.float64)
    total = by_sample.sum(axis=1)
    columns = {}
    for number, name in enumerate(WAVES):
        inside = wave_of == number
        with np.errstate(invalid="ignore", divide="ignore"):
            columns[name] = (by_sample * inside).sum(axis=1) / total
        columns[f"time_{name}"] = inside.mean(axis=1)
    return pd.DataFrame(columns)


def aligned(
    values: NDArray[np.floating],
    peaks: Sequence[Ints],
    rate_hz: float,
    *,
    before_s: float = 0.3,
    after_s: float = 0.5,
) -> tuple[Floats32, NDArray[np.float64]]:
    """Mean over the beats of every record, cut out around the R peaks.

    Parameters
    ----------
    values
        Signals or attributions, shape ``(record, lead, sample)``.
    peaks
        R peaks of each record.

    Returns
    -------
    beats, time_s
        Shapes ``(record, lead, sample)``, nan for a record without a whole beat, and
        ``(sample,)``, 0 at the R peak.
    """
    first, last = round(before_s * rate_hz), round(after_s * rate_hz)
    offsets = np.arange(-first, last + 1)
    mean = np.full((*values.shape[:2], len(offsets)), np.nan, np.float32)
    for record, own in enumerate(peaks):
        whole = own[(own >= first) & (own + last < values.shape[-1])]
        if len(whole):
            mean[record] = values[record][:, whole[:, None] + offsets].mean(axis=1)
    return mean, offsets / rate_hz


def on_rhythm(
    donor: NDArray[np.floating], donor_peaks: Ints, peaks: Ints, n_samples: int
) -> Floats32:
    """Another record's beats in this record's rhythm: what a stretch could have looked like.

    Between two R peaks runs one whole beat of the donor, stretched to fit; a gap filled with it
    gets the same phase of another heart's beat.

    Parameters
    ----------
    donor
        Shape ``(lead, sample)``, like the record.
    donor_peaks, peaks
        R peaks of the donor and of the record, at least two each.

    Raises
    ------
    EcgcoreError
        Fewer than two R peaks.
    """
    if min(len(donor_peaks), len(peaks)) < 2:
        raise EcgcoreError("on_rhythm: a record without two R peaks has no rhythm to follow.")
    rr = np.diff(peaks).mean()
    n_before = int(np.ceil(peaks[0] / rr))
    n_after = int(np.ceil((n_samples - peaks[-1]) / rr))
    knots = np.concatenate(
        [
            peaks[0] - rr * np.arange(n_before, 0, -1),
            peaks,
            peaks[-1] + rr * np.arange(1, n_after + 1),
        ]
    )
    t = np.arange(n_samples)
    beat = np.clip(np.searchsorted(knots, t, side="right") - 1, 0, len(knots) - 2)
    phase = (t - knots[beat]) / (knots[beat + 1] - knots[beat])
    lent = beat % (len(donor_peaks) - 1)
    at = donor_peaks[lent] + phase * (donor_peaks[lent + 1] - donor_peaks[lent])
    grid = np.arange(donor.shape[-1])
    return np.stack([np.interp(at, grid, lead) for lead in donor]).astype(np.float32)


def swapped_beats(
    x: NDArray[np.floating], healthy: NDArray[np.floating], rate_hz: float, *, seed: int
) -> Floats32:
    """For every record a healthy one's beats in its rhythm; see :func:`on_rhythm`.

    Parameters
    ----------
    x, healthy
        Shape ``(record, lead, sample)``, in the same units.  Which of ``healthy`` lends its beats
        is drawn by ``seed``; where either has no beats to align, it lends its signal as it is.
    """
    order = np.random.default_rng(seed).permutation(len(healthy))
    lent = np.empty(x.shape, np.float32)
    for row, record in enumerate(x):
        donor = healthy[order[row % len(healthy)]]
        peaks, donor_peaks = r_peaks(record, rate_hz), r_peaks(donor, rate_hz)
        both = min(len(peaks), len(donor_peaks)) >= 2
        lent[row] = on_rhythm(donor, donor_peaks, peaks, x.shape[-1]) if both else donor
    return lent

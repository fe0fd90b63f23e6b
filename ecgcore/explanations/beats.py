"""Beats and their waves: where they lie, what an attribution gives to each, averages over them.

R peaks and wave limits come from neurokit2 (Makowski et al. 2021, Behav Res Methods 53:1689;
wavelet delineation after Martinez et al. 2004, IEEE TBME 51:570), on lead II or, where no beats are
found there, V5; all leads share them.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import resample_poly

from ecgcore.arrays import Floats, Floats32, Ints
from ecgcore.leads import LEADS, index_of

WAVES = ("P", "PR", "QRS", "ST", "T", "rest")
"""P; end of P to QRS; QRS; QRS to T; T; from T to the next P, and beats not delineated."""

_FINE_HZ = 500  # the wavelets of the delineator are made for rates of this order
_LEADS = ("II", "V5")
_MARKS = {
    "P": ("ECG_P_Onsets", "ECG_P_Offsets"),
    "PR": ("ECG_P_Offsets", "ECG_R_Onsets"),
    "QRS": ("ECG_R_Onsets", "ECG_R_Offsets"),
    "ST": ("ECG_R_Offsets", "ECG_T_Onsets"),
    "T": ("ECG_T_Onsets", "ECG_T_Offsets"),
}
_LONGEST_S = 0.6  # a wave or interval longer than this was delineated wrongly


def r_peaks(signal: NDArray[np.floating], rate_hz: float) -> Ints:
    """R peaks of one record ``(12, sample)`` in any unit, in samples; empty for fewer than two."""
    for lead in _LEADS:
        trace = np.asarray(signal[index_of(lead)], np.float64)
        peaks = _peaks(resample_poly(trace, _FINE_HZ, int(rate_hz)))
        if len(peaks) >= 2:
            at = np.round(peaks * (rate_hz / _FINE_HZ)).astype(np.int64)
            return np.asarray(np.minimum(at, len(trace) - 1))
    return np.empty(0, np.int64)


def _quietly(function: Callable[..., Any], *args: Any, **options: Any) -> dict[str, Any] | None:
    """The second result of a function of neurokit2; nothing where it finds no beat."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return dict(function(*args, sampling_rate=_FINE_HZ, **options)[1])
        except (ValueError, IndexError, ZeroDivisionError):  # what it raises without beats
            return None


def _peaks(trace: Floats) -> Ints:
    import neurokit2

    result = _quietly(neurokit2.ecg_peaks, trace) if trace.std() > 0 else None
    return np.asarray([] if result is None else result["ECG_R_Peaks"], np.int64)


def intervals(signal: NDArray[np.floating], rate_hz: float) -> pd.DataFrame:
    """Delineate one record ``(12, sample)``; the result is valid in all leads.

    One row per wave or interval: ``wave`` (of :data:`WAVES`), ``onset`` and ``offset`` in samples
    at ``rate_hz``; empty where no beats are found.
    """
    import neurokit2

    rows = []
    fine = resample_poly(np.asarray(signal, np.float64), _FINE_HZ, int(rate_hz), axis=-1)
    for lead in _LEADS:
        trace = fine[index_of(lead)]
        peaks = _peaks(trace)
        marks = None
        if len(peaks) >= 3:
            marks = _quietly(neurokit2.ecg_delineate, trace, peaks, method="dwt")
        if marks is not None:
            step = rate_hz / _FINE_HZ
            for wave, (first, last) in _MARKS.items():
                for onset, offset in zip(marks[first], marks[last], strict=True):
                    if 0 < offset - onset <= _LONGEST_S * _FINE_HZ:  # false where one is nan
                        rows.append((wave, round(onset * step), round(offset * step)))
            break
    return pd.DataFrame(rows, columns=["wave", "onset", "offset"])


def wave_codes(table: pd.DataFrame, n_samples: int) -> Ints:
    """Position in :data:`WAVES` of every sample, from the rows of :func:`intervals`.

    Shape ``(sample,)``; ``(12, sample)`` from a table with a column ``lead``, such as that of
    :func:`ecgcore.data.ludb_waves`.
    """
    if "lead" in table:
        by_lead = [table[table["lead"] == lead].drop(columns="lead") for lead in LEADS]
        return np.stack([wave_codes(rows, n_samples) for rows in by_lead])
    codes = np.full(n_samples, WAVES.index("rest"), np.int64)
    for row in table.itertuples():
        codes[row.onset : row.offset] = WAVES.index(row.wave)
    return codes


def waves(signal: NDArray[np.floating], rate_hz: float) -> Ints:
    """Position in :data:`WAVES` of every sample of one record, shape ``(sample,)``."""
    return wave_codes(intervals(signal, rate_hz), signal.shape[-1])


def aligned(
    values: NDArray[np.floating],
    peaks: Sequence[Ints],
    rate_hz: float,
    *,
    before_s: float = 0.3,
    after_s: float = 0.5,
) -> tuple[Floats32, Floats]:
    """Mean over the beats of every record of signals or attributions ``(record, lead, sample)``.

    Returns the beats ``(record, lead, sample)``, nan for a record without a whole beat, and their
    time in s ``(sample,)``, 0 at the R peak.
    """
    first, last = round(before_s * rate_hz), round(after_s * rate_hz)
    offsets = np.arange(-first, last + 1)
    mean = np.full((*values.shape[:2], len(offsets)), np.nan, np.float32)
    for record, at in enumerate(peaks):
        whole = at[(at >= first) & (at + last < values.shape[-1])]
        if len(whole):
            mean[record] = values[record][:, whole[:, None] + offsets].mean(axis=1)
    return mean, offsets / rate_hz


def swapped_beats(
    x: NDArray[np.floating], healthy: NDArray[np.floating], rate_hz: float, *, seed: int
) -> Floats32:
    """For every record, the beats of a healthy one in its rhythm: the donor of deletion.

    Between two R peaks lies one whole healthy beat, stretched to fit, so that a gap filled with it
    gets the same phase of another heart's beat.  Shapes ``(record, lead, sample)``, same units.
    ``seed`` draws which healthy record lends its beats; where either of the two has fewer than two
    R peaks, it lends its signal unchanged.
    """
    order = np.random.default_rng(seed).permutation(len(healthy))[: len(x)]
    peaks_of = {int(number): r_peaks(healthy[number], rate_hz) for number in order}
    result = np.empty(x.shape, np.float32)
    for row, record in enumerate(x):
        number = int(order[row % len(order)])
        donor, donor_peaks, peaks = healthy[number], peaks_of[number], r_peaks(record, rate_hz)
        result[row] = donor
        if min(len(peaks), len(donor_peaks)) >= 2:
            at = _times_in_donor(donor_peaks, peaks, x.shape[-1])
            result[row] = [np.interp(at, np.arange(donor.shape[-1]), lead) for lead in donor]
    return result


def _times_in_donor(donor_peaks: Ints, peaks: Ints, n_samples: int) -> Floats:
    """Sample of the donor with the same phase of a beat, for every sample of the record."""
    rr = np.diff(peaks).mean()
    before = np.arange(int(np.ceil(peaks[0] / rr)), 0, -1)
    after = np.arange(1, int(np.ceil((n_samples - peaks[-1]) / rr)) + 1)
    knots = np.concatenate([peaks[0] - rr * before, peaks, peaks[-1] + rr * after])
    t = np.arange(n_samples)
    beat = np.clip(np.searchsorted(knots, t, side="right") - 1, 0, len(knots) - 2)
    phase = (t - knots[beat]) / (knots[beat + 1] - knots[beat])
    source = beat % (len(donor_peaks) - 1)
    step = donor_peaks[source + 1] - donor_peaks[source]
    return np.asarray(donor_peaks[source] + phase * step)

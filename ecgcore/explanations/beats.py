"""Locate beats, and put another heart's beats into a record's rhythm.

R peaks come from neurokit2 (Makowski et al. 2021, Behav Res Methods 53:1689), on lead II or, where
no beats are found there, V5; all leads share them.
"""

import warnings

import numpy as np
from scipy.signal import resample_poly

from ecgcore.arrays import Floats32, Ints, Signals
from ecgcore.leads import LEADS

_FINE_HZ = 500  # the detector is designed for rates of this order


def r_peaks(signal: Signals, rate_hz: float) -> Ints:
    """Return R peaks [samples] of a record ``(12, sample)``, any unit; none for fewer than two."""
    import neurokit2

    for lead in ("II", "V5"):
        trace = np.asarray(signal[LEADS.index(lead)], np.float64)
        fine = resample_poly(trace, _FINE_HZ, int(rate_hz))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                peaks = neurokit2.ecg_peaks(fine, sampling_rate=_FINE_HZ)[1]["ECG_R_Peaks"]
            except (ValueError, IndexError, ZeroDivisionError):  # what it raises without beats
                continue
        if len(peaks) >= 2:
            at = np.round(np.asarray(peaks) * (rate_hz / _FINE_HZ)).astype(np.int64)
            return np.asarray(np.minimum(at, len(trace) - 1))
    return np.empty(0, np.int64)


def swapped_beats(x: Signals, healthy: Signals, rate_hz: float, *, seed: int) -> Floats32:
    """Return, for every record, the beats of a healthy one in its rhythm: a donor for deletion.

    Between two R peaks lies one whole healthy beat, stretched to fit. Shapes ``(record, lead,
    sample)``, same units. ``seed`` decides which healthy record is used; where either of the two
    has fewer than two R peaks, the healthy signal is unchanged.
    """
    order = np.random.default_rng(seed).permutation(len(healthy))[: len(x)]
    donors = [(healthy[number], r_peaks(healthy[number], rate_hz)) for number in order]
    result, t = np.empty(x.shape, np.float32), np.arange(x.shape[-1])
    for row, record in enumerate(x):
        (donor, donor_peaks), peaks = donors[row % len(donors)], r_peaks(record, rate_hz)
        result[row] = donor
        if min(len(peaks), len(donor_peaks)) >= 2:
            rr = np.diff(peaks).mean()
            before = np.arange(int(np.ceil(peaks[0] / rr)), 0, -1)
            after = np.arange(1, int(np.ceil((len(t) - peaks[-1]) / rr)) + 1)
            knots = np.concatenate([peaks[0] - rr * before, peaks, peaks[-1] + rr * after])
            beat = np.clip(np.searchsorted(knots, t, side="right") - 1, 0, len(knots) - 2)
            phase = (t - knots[beat]) / np.diff(knots)[beat]
            source = beat % (len(donor_peaks) - 1)
            # the sample of the donor with the same phase of a beat
            at = donor_peaks[source] + phase * np.diff(donor_peaks)[source]
            result[row] = [np.interp(at, t, lead) for lead in donor]
    return result

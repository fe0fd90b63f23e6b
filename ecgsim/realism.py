"""Simulated beside real records: examples, and measures that need no ground truth."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from ecgcore.arrays import Bools, Floats, Floats32, Signals
from ecgcore.data import GAIN, Archive, Store
from ecgcore.errors import EcgcoreError
from ecgcore.leads import INDEPENDENT, LEADS
from ecgsim.archive import draw
from ecgsim.cohort import CONDITIONS, plan_cohort, plan_record
from ecgsim.measures import CLEAR
from ecgsim.noise import NoiseLevels


class Example(NamedTuple):
    """One record to look at: its title and ``signals_mv`` of shape (12, sample)."""

    title: str
    signals_mv: Floats32


def simulated_example(condition: str, code: str, rate_hz: int, seed: int) -> Example:
    """Return the first simulated record that shows one statement clearly, and no other finding.

    Raises ``EcgcoreError`` if none of 400 records of the condition has the statement.
    """
    for case in plan_cohort(400, seed, {condition: 1.0}):
        plan = plan_record(case, seed)
        is_clear = all(finding.severity > CLEAR for finding in plan.findings)
        codes = {code for finding in plan.findings for code in finding.codes}
        has_code = code in codes if plan.findings else code in ("NORM", "AFIB")
        if has_code and is_clear and len(plan.findings) <= 1 and not plan.rhythm.n_ectopic:
            _, record = draw(case, seed, NoiseLevels())
            signals_mv = (record.at(rate_hz)["signal"] / GAIN).astype(np.float32)
            return Example(f"simulated: {code}", signals_mv)
    raise EcgcoreError(f"seed: no simulated {condition} record with {code} among 400; try another.")


def real_example(
    source: Archive | Store, code: str, rate_hz: int, choice: int = 0
) -> Example | None:
    """Return a real record with a statement and at most one superclass; None if there is none.

    ``choice`` is 0 for the first record that fits, 1 for the next, and so on, in a circle.
    """
    is_certain = source.table["scp_codes"].map(lambda codes: codes.get(code, -1) in (0, 80, 100))
    classes = [has_condition(source, name) for name in CONDITIONS if name != "AF"]
    candidates = source.table.index[is_certain & (np.sum(classes, axis=0) <= 1)]
    if candidates.empty:
        return None
    ecg_id = int(candidates[choice % len(candidates)])
    title = f"real: record {ecg_id}, {', '.join(source.table['scp_codes'][ecg_id])}"
    return Example(title, source.signals(rate_hz, [ecg_id])[0])


def has_condition(source: Archive | Store, condition: str) -> Bools:
    """Return which records have a condition: AF by the statement AFIB, the others by PTB-XL's
    diagnostic superclass, with any likelihood; shape (record,)."""
    if condition == "AF":
        codes = {"AFIB"}
    else:
        is_class = source.statements["diagnostic_class"] == condition
        codes = set(source.statements.index[is_class & (source.statements["diagnostic"] == 1)])
    return np.array([not codes.isdisjoint(stated) for stated in source.table["scp_codes"]])


BANDS = {
    "offset": (0.0, 0.0),
    "wander below 0.5 Hz": (0.0, 0.5),
    "25 to 40 Hz": (25.0, 40.0),
    "above 60 Hz": (60.0, np.inf),
}
"""What :func:`measure_bands` measures in microvolts: the mean of a lead, and the RMS in a band of
frequencies."""

_HEIGHT_LEADS = ("I", "II", "V2", "V5")
MEASURES = {
    "heart rate": "1/min",
    "RR variation": "SD/mean",
    **{f"QRS height {lead}": "mV" for lead in _HEIGHT_LEADS},
    "beat-to-beat change": "share",
    "noise above 40 Hz": "mV",
    **dict.fromkeys(BANDS, "uV"),
}
"""What :func:`measure` measures, and its unit."""

_QRS_REACH_S = 0.06  # half of a QRS complex, with room


def measure_bands(signals_mv: Signals, rate_hz: int) -> pd.DataFrame:
    """Measure the offset of records ``(record, 12, sample)`` [mV] and their content in bands.

    The records are neither filtered nor standardised. One row per record, columns :data:`BANDS`,
    microvolts: the absolute mean of a lead and its RMS in each band, median over the eight
    independent leads. NaN for bands that lie above half of the sampling rate.
    """
    leads = [LEADS.index(name) for name in INDEPENDENT]
    signals_uv = 1000.0 * np.asarray(signals_mv, dtype=np.float64)[:, leads]
    mean_uv = signals_uv.mean(axis=-1)
    power = np.square(np.abs(np.fft.rfft(signals_uv - mean_uv[..., None], axis=-1)))
    power *= 2 / signals_uv.shape[-1] ** 2
    frequency_hz = np.fft.rfftfreq(signals_uv.shape[-1], 1 / rate_hz)
    columns = {"offset": np.median(np.abs(mean_uv), axis=1)}
    for name, (low_hz, high_hz) in BANDS.items():
        inside = (frequency_hz >= low_hz) & (frequency_hz < high_hz)
        if name != "offset":
            rms_uv = np.median(np.sqrt(power[..., inside].sum(axis=-1)), axis=1)
            columns[name] = rms_uv if inside.any() else np.full(len(rms_uv), np.nan)
    return pd.DataFrame(columns)


def measure(signals_mv: Signals, rate_hz: int) -> pd.DataFrame:
    """Measure records ``(record, 12, sample)`` [mV] by the R peaks of wfdb's XQRS in lead II.

    ``rate_hz`` is at least 100, so that noise above 40 Hz can be seen. One row per record, columns
    :data:`MEASURES`; NaN where fewer than four beats were detected. *Beat-to-beat change* is the
    RMS difference of each QRS complex (lead II) from their mean, as a share of the RMS of that
    mean; *noise* is the RMS of lead II between the QRS complexes. The others are those of
    :func:`measure_bands`.
    """
    beats = pd.DataFrame([_measure_beats(record, rate_hz) for record in signals_mv])
    bands = measure_bands(signals_mv, rate_hz)
    return beats.join(bands.where(beats["heart rate"].notna()))[list(MEASURES)]


def _measure_beats(record_mv: Signals, rate_hz: int) -> dict[str, float]:
    from wfdb.processing import XQRS  # slow to import

    names = [name for name in MEASURES if name not in BANDS]
    lead_ii = np.asarray(record_mv[LEADS.index("II")], dtype=np.float64)
    detector = XQRS(sig=lead_ii, fs=rate_hz)
    detector.detect(verbose=False)
    reach = round(_QRS_REACH_S * rate_hz)
    inside = (detector.qrs_inds >= reach) & (detector.qrs_inds < len(lead_ii) - reach)
    peaks = detector.qrs_inds[inside]
    if len(peaks) < 4:
        return dict.fromkeys(names, np.nan)
    around = peaks[:, None] + np.arange(-reach, reach)
    rr_s = np.diff(peaks) / rate_hz
    heights = np.ptp(record_mv[:, around], axis=2).mean(axis=1)
    shapes = lead_ii[around] - lead_ii[around].mean(axis=1, keepdims=True)
    mean = shapes.mean(axis=0)
    between = np.ones(len(lead_ii), dtype=bool)
    between[around] = False
    spectrum = np.fft.rfft(lead_ii)
    spectrum[np.fft.rfftfreq(len(lead_ii), 1 / rate_hz) < 40.0] = 0
    return {
        "heart rate": 60 / float(rr_s.mean()),
        "RR variation": float(rr_s.std() / rr_s.mean()),
        **{f"QRS height {lead}": float(heights[LEADS.index(lead)]) for lead in _HEIGHT_LEADS},
        "beat-to-beat change": _rms(shapes - mean) / max(_rms(mean), 1e-9),
        "noise above 40 Hz": _rms(np.fft.irfft(spectrum, len(lead_ii))[between]),
    }


def noise_between_beats_uv(lead_mv: Signals, rate_hz: int) -> Floats:
    """Return the noise of one lead ``(record, sample)`` [mV], shape (record,), microvolts.

    It is the RMS above 60 Hz in the quietest tenth of all windows of 0.1 s, which contain no QRS
    complex.
    """
    spectrum = np.fft.rfft(lead_mv)
    spectrum[:, np.fft.rfftfreq(lead_mv.shape[1], 1 / rate_hz) <= 60] = 0
    noise_uv = 1000 * np.fft.irfft(spectrum, lead_mv.shape[1])
    windows = noise_uv.reshape(len(lead_mv), -1, rate_hz // 10)
    return np.asarray(np.quantile(windows.std(axis=2), 0.1, axis=1))


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _auroc(real: Floats, simulated: Floats) -> dict[str, float]:
    """Return the AUROC of real against simulated values, with 95 % interval (DeLong 1988)."""
    ranks = rankdata(np.concatenate([real, simulated]))
    real_ranks, simulated_ranks = ranks[: len(real)], ranks[len(real) :]
    above = (real_ranks - rankdata(real)) / len(simulated)
    below = 1 - (simulated_ranks - rankdata(simulated)) / len(real)
    auroc = float(above.mean())
    error = np.sqrt(above.var(ddof=1) / len(real) + below.var(ddof=1) / len(simulated))
    half = float(norm.ppf(0.975) * error)
    low, high = max(auroc - half, 0.0), min(auroc + half, 1.0)
    return {"auroc": auroc, "auroc_low": low, "auroc_high": high}


def separability(real: pd.DataFrame, simulated: pd.DataFrame) -> pd.DataFrame:
    """Return how real and simulated records of one class differ in each measure.

    ``real`` and ``simulated`` have one row per record and one record per patient, as
    :func:`measure` returns them. The result has one row per measure: ``unit``, number of records,
    median, quartiles and the 10th and 90th percentile on both sides, and ``auroc`` with its 95 %
    interval (DeLong): how well the measure alone separates real from simulated records (0.5: not at
    all; below 0.5: simulated values are higher).
    """
    rows = []
    for name in [name for name in MEASURES if name in real]:
        sides = {"real": real[name].dropna(), "simulated": simulated[name].dropna()}
        row: dict[str, Any] = {"measure": name, "unit": MEASURES[name]}
        for side, values in sides.items():
            row[f"{side}_n"] = len(values)
            for label, share in _QUANTILES.items():
                row[f"{side}_{label}"] = values.quantile(share)
        row |= _auroc(sides["real"].to_numpy(), sides["simulated"].to_numpy())
        rows.append(row)
    return pd.DataFrame(rows)


_QUANTILES = {"median": 0.5, "q25": 0.25, "q75": 0.75, "p10": 0.10, "p90": 0.90}


def compare_classes(
    source: Archive | Store,
    n_records: int,
    seed: int,
    *,
    conditions: Sequence[str] = ("NORM", "AF"),
    measure_by: Callable[[Signals, int], pd.DataFrame] = measure,
) -> pd.DataFrame:
    """Compare raw real records, one per patient, with simulated ones, class by class.

    At most ``n_records`` of each class, real and simulated, are measured by :func:`measure` or by
    :func:`measure_bands`, which is quicker. ``conditions`` are some of
    :data:`ecgsim.cohort.CONDITIONS`; a real record with AF counts in no other class. The result is
    that of :func:`separability` with the columns ``records`` (the class) and ``inside``: whether
    the simulated median lies between the real 10th and 90th percentile.
    """
    rate_hz, frames, is_af = max(source.rates_hz), [], has_condition(source, "AF")
    for condition in conditions:
        chosen = is_af if condition == "AF" else has_condition(source, condition) & ~is_af
        ecg_ids = source.table.loc[chosen].drop_duplicates("patient_id").index[:n_records]
        real = measure_by(source.signals(rate_hz, ecg_ids.to_numpy()), rate_hz)
        cases = plan_cohort(n_records, seed, {condition: 1.0})
        records = [draw(case, seed, NoiseLevels())[1].at(rate_hz)["signal"] for case in cases]
        simulated = measure_by(np.stack(records) / GAIN, rate_hz)
        frames.append(separability(real, simulated).assign(records=condition))
    table = pd.concat(frames, ignore_index=True)
    inside = table["simulated_median"].between(table["real_p10"], table["real_p90"])
    return table.assign(inside=inside)

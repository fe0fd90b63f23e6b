"""Simulated beside real records: examples, and what can be measured on both without the truth."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from ecgcore import tasks
from ecgcore.compare import bootstrap
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.ptbxl import Archive
from ecgcore.simulate import NoiseLevels, draw, plan_cohort
from ecgcore.simulate.cohort import draft, only
from ecgcore.wfdb16 import GAIN, Store

Source = Archive | Store


class Example(NamedTuple):
    """One record to look at: ``signals_mv`` of shape (12, sample), and its title."""

    title: str
    signals_mv: NDArray[np.float32]


PLAIN = 0.6
"""A simulated pathology of this severity is plain to see."""


def simulated_example(condition: str, code: str, rate_hz: int, seed: int) -> Example:
    """The first simulated record of a condition that has a statement, plainly, and no other."""
    for case in plan_cohort(400, seed, only(condition), None):
        plan = draft(case, seed)
        plain = all(finding.severity > PLAIN for finding in plan.findings)
        codes = {code for finding in plan.findings for code in finding.codes}
        fits = code in codes if plan.findings else code in ("NORM", "AFIB")
        if fits and plain and len(plan.findings) <= 1 and not plan.rhythm.n_ectopic:
            _, record = draw(case, seed, NoiseLevels(), None)
            signals_mv = (record.at(rate_hz)["signal"] / GAIN).astype(np.float32)
            return Example(f"simulated: {code}", signals_mv)
    raise EcgcoreError(f"seed: no simulated {condition} record with {code} among 400; try another.")


def real_example(source: Source, code: str, rate_hz: int, choice: int = 0) -> Example | None:
    """A real record with a statement, in one superclass at most; ``None`` where there is none.

    Parameters
    ----------
    choice
        0 for the first that fits, 1 for the next, and so on, round and round.
    """
    table = source.table
    sure = table["scp_codes"].map(lambda codes: codes.get(code, -1) in (0, 80, 100))
    n_classes = tasks.superclasses(table, source.statements).sum(axis=1)
    fitting = table.index[sure & (n_classes <= 1)]
    if fitting.empty:
        return None
    ecg_id = int(fitting[choice % len(fitting)])
    title = f"real: record {ecg_id}, {', '.join(table['scp_codes'][ecg_id])}"
    return Example(title, source.signals(rate_hz, [ecg_id])[0])


MEASURES = {
    "heart rate": "1/min",
    "RR variation": "SD/mean",
    "QRS height I": "mV",
    "QRS height II": "mV",
    "QRS height V2": "mV",
    "QRS height V5": "mV",
    "beat-to-beat change": "share",
    "wander below 0.5 Hz": "mV",
    "noise above 40 Hz": "mV",
}
"""What :func:`measure` finds, and its unit."""

_AROUND_S = 0.06  # half a QRS complex, with room
_MIN_BEATS = 4


def measure(signals_mv: NDArray[np.floating], rate_hz: int) -> pd.DataFrame:
    """Measure records by their R peaks, which wfdb's XQRS detector finds in lead II.

    Parameters
    ----------
    signals_mv
        Shape ``(record, 12, sample)``, mV.
    rate_hz
        At least 100, so that noise above 40 Hz can be seen.

    Returns
    -------
    pandas.DataFrame
        One row a record, columns :data:`MEASURES`; NaN where fewer than four beats were found.
        *Beat-to-beat change* is the RMS difference of each QRS complex (lead II) from their mean,
        as a share of that mean's RMS; *noise* and *wander* are the RMS of lead II in those bands,
        noise between the QRS complexes only.
    """
    return pd.DataFrame([_measure_one(record, rate_hz) for record in signals_mv])


def _measure_one(record_mv: NDArray[np.floating], rate_hz: int) -> dict[str, float]:
    from wfdb.processing import XQRS  # slow to import

    lead_ii = np.asarray(record_mv[LEADS.index("II")], dtype=np.float64)
    detector = XQRS(sig=lead_ii, fs=rate_hz)
    detector.detect(verbose=False)
    reach = round(_AROUND_S * rate_hz)
    inside = (detector.qrs_inds >= reach) & (detector.qrs_inds < len(lead_ii) - reach)
    peaks = detector.qrs_inds[inside]
    if len(peaks) < _MIN_BEATS:
        return dict.fromkeys(MEASURES, np.nan)
    around = peaks[:, None] + np.arange(-reach, reach)
    rr_s = np.diff(peaks) / rate_hz
    heights = np.ptp(record_mv[:, around], axis=2).mean(axis=1)
    shapes = lead_ii[around] - lead_ii[around].mean(axis=1, keepdims=True)
    mean = shapes.mean(axis=0)
    between = np.ones(len(lead_ii), dtype=bool)
    between[around] = False
    return {
        "heart rate": 60 / float(rr_s.mean()),
        "RR variation": float(rr_s.std() / rr_s.mean()),
        **{f"QRS height {lead}": float(heights[LEADS.index(lead)]) for lead in ("I", "II")},
        **{f"QRS height {lead}": float(heights[LEADS.index(lead)]) for lead in ("V2", "V5")},
        "beat-to-beat change": _rms(shapes - mean) / max(_rms(mean), 1e-9),
        "wander below 0.5 Hz": _rms(_band(lead_ii, rate_hz, 0.0, 0.5)),
        "noise above 40 Hz": _rms(_band(lead_ii, rate_hz, 40.0, np.inf)[between]),
    }


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _band(
    signal: NDArray[np.float64], rate_hz: int, low_hz: float, high_hz: float
) -> NDArray[np.float64]:
    """The part of a signal between two frequencies, its mean taken off."""
    spectrum = np.fft.rfft(signal - signal.mean())
    frequency_hz = np.fft.rfftfreq(len(signal), 1 / rate_hz)
    spectrum[(frequency_hz < low_hz) | (frequency_hz >= high_hz)] = 0
    return np.fft.irfft(spectrum, len(signal))


def told_apart(real: pd.DataFrame, simulated: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """How real and simulated records of one class differ in each measure; one record a patient.

    Returns
    -------
    pandas.DataFrame
        One row a measure: ``unit``, number of records, median and quartiles on both sides, and
        ``auroc`` with its 95 % interval: how well the measure alone tells real from simulated
        records (0.5: not at all; below 0.5: simulated values are higher).
    """
    rows = []
    for name, unit in MEASURES.items():
        sides = {"real": real[name].dropna(), "simulated": simulated[name].dropna()}
        row: dict[str, object] = {"measure": name, "unit": unit}
        for side, values in sides.items():
            quartiles = values.quantile([0.5, 0.25, 0.75])
            names = (f"{side}_{q}" for q in ("median", "q25", "q75"))
            row |= {f"{side}_n": len(values), **dict(zip(names, quartiles, strict=True))}
        ranks = rankdata(np.concatenate([sides["real"], sides["simulated"]]))
        is_real = np.repeat([1, 0], [len(sides["real"]), len(sides["simulated"])])
        found = bootstrap(is_real, ranks / len(ranks), metrics=["auroc"], seed=seed).iloc[0]
        row |= {"auroc": found["value"], "auroc_low": found["low"], "auroc_high": found["high"]}
        rows.append(row)
    return pd.DataFrame(rows)


def compare_classes(source: Source, n_records: int, seed: int) -> pd.DataFrame:
    """:func:`told_apart` for NORM and AF: real records, one a patient, against simulated ones.

    Parameters
    ----------
    n_records
        Most records of each class and side.
    """
    rate_hz = max(source.rates_hz)
    y = tasks.labels(source.table, source.statements, "af_vs_norm")
    frames = []
    for label, (name, condition) in enumerate((("NORM", "NORM"), ("AF", "AF"))):
        rows = source.table.loc[y.index[y == label]].drop_duplicates("patient_id")
        real = measure(source.signals(rate_hz, rows.index[:n_records].to_numpy()), rate_hz)
        cases = plan_cohort(n_records, seed, only(condition), None)
        drawn = [draw(case, seed, NoiseLevels(), None)[1].at(rate_hz)["signal"] for case in cases]
        simulated = measure(np.stack(drawn) / GAIN, rate_hz)
        frames.append(told_apart(real, simulated, seed=seed).assign(records=name))
    return pd.concat(frames, ignore_index=True)

"""What a cardiologist would measure on simulated records without noise, beside published norms.

References
----------
- Surawicz et al., *AHA/ACCF/HRS recommendations for the standardization and interpretation of the
  electrocardiogram, part III*, Circulation 119:e235, 2009: QRS, axis, conduction disturbances.
- Task Force of the ESC and NASPE, *Heart rate variability*, Circulation 93, 1996.
- Corino et al., IEEE Trans. Biomed. Eng. 58, 2011: RR in atrial fibrillation.
- Alcaraz and Rieta 2008; Stridh and Sornmo 2001; Cheng et al. 2013: f waves.
- Sokolow and Lyon, Am. Heart J. 37, 1949; Thygesen et al., Circulation 138:e618, 2018.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from ecgcore.arrays import Floats
from ecgcore.data import GAIN
from ecgcore.leads import LEADS
from ecgsim.archive import draw
from ecgsim.cohort import ALWAYS_S, CONDITIONS, RecordPlan, plan_cohort
from ecgsim.dipole import MARGIN_S, NORMAL, RATE_HZ
from ecgsim.noise import NO_NOISE
from ecgsim.record import SimulatedRecord

BEFORE, AFTER = 200, 300
"""Samples of a beat before and after its R peak, at 500 Hz."""


def signal_mv(record: SimulatedRecord, part: str = "signal") -> Floats:
    """Return a part of a record in mV as it is stored at 500 Hz, shape ``(12, sample)``."""
    return np.asarray(record.at(RATE_HZ)[part] / GAIN)


def r_sample(record: SimulatedRecord) -> int:
    """Return the sample of an R peak that is not ectopic: the first one after 1.5 s."""
    r_s = record.beats.r_s[record.beats.kind == NORMAL] - MARGIN_S
    return round(float(r_s[r_s > 1.5][0]) * RATE_HZ)


def beat_mv(record: SimulatedRecord) -> Floats:
    """Return one beat, 0.4 s before to 0.6 s after R, shape ``(12, 500)``; R is at :data:`BEFORE`.

    Amplitudes count from the isoelectric line, estimated by the median of the lead.
    """
    signals_mv, centre = signal_mv(record), r_sample(record)
    signals_mv = signals_mv - np.median(signals_mv, axis=1, keepdims=True)
    return signals_mv[:, centre - BEFORE : centre + AFTER]


def rr_cv(record: SimulatedRecord) -> float:
    """Return the coefficient of variation of the RR intervals."""
    rr_s = np.diff(record.beats.r_s)
    return float(rr_s.std() / rr_s.mean())


def qrs_ms(record: SimulatedRecord) -> float:
    """Return the global QRS duration: where any lead changes faster than 7.5 mV/s."""
    qrs = beat_mv(record)[:, BEFORE - 50 : BEFORE + 80]
    speed = np.abs(np.gradient(qrs, axis=1)).max(axis=0) * RATE_HZ
    fast = np.flatnonzero(speed > 7.5)
    return 1000 / RATE_HZ * float(fast[-1] - fast[0])


def axis_deg(record: SimulatedRecord) -> float:
    """Return the frontal axis from the areas of QRS in I and aVF; 0 points left, +90 down."""
    area_i, area_avf = beat_mv(record)[[0, 5], BEFORE - 40 : BEFORE + 40].sum(axis=1)
    return float(np.degrees(np.arctan2(area_avf, area_i)))


def sokolow_lyon_mv(record: SimulatedRecord) -> float:
    """Return S in V1 plus R in V5 or V6, whichever is taller."""
    qrs = dict(zip(LEADS, beat_mv(record)[:, BEFORE - 30 : BEFORE + 40], strict=True))
    return float(-qrs["V1"].min() + max(qrs["V5"].max(), qrs["V6"].max()))


def f_wave_hz(record: SimulatedRecord) -> float:
    """Return the frequency at which the f waves in V1 have the most power."""
    f = signal_mv(record, "evidence")[LEADS.index("V1")]
    return float(np.fft.rfftfreq(len(f), 1 / RATE_HZ)[np.abs(np.fft.rfft(f)).argmax()])


def f_wave_mv(record: SimulatedRecord) -> float:
    """Return the mean peak-to-peak height of an f wave in V1."""
    f = signal_mv(record, "evidence")[LEADS.index("V1")]
    period = round(RATE_HZ / f_wave_hz(record))
    waves = f[: len(f) // period * period].reshape(-1, period)
    return float(np.ptp(waves, axis=1).mean())


def st_mv(record: SimulatedRecord) -> float:
    """Return the second highest contribution to ST among the leads, 120 ms after R."""
    return float(np.sort(signal_mv(record, "evidence")[:, r_sample(record) + 60])[-2])


class Norm(NamedTuple):
    """One published range, and the records to which it applies."""

    measure: str
    records: str
    unit: str
    low: float
    high: float
    source: str
    measure_of: Callable[..., float]


CLEAR = 0.6
"""Severity above which a pathology is clearly visible."""
_NAMES = {"CLBBB": "LBBB", "CRBBB": "RBBB", "1AVB": "1st-degree AV block"}


def _kind(plan: RecordPlan) -> str | None:
    """Return the group of :data:`NORMS` to which a record belongs, if any."""
    if plan.case.condition == "NORM":
        return "normal"
    if not plan.findings:
        return "AF" if plan.rhythm.episode_s == ALWAYS_S else None
    finding = plan.findings[0]
    if len(plan.findings) > 1 or finding.severity <= CLEAR:
        return None
    code = next(iter(finding.codes))
    return "acute MI" if finding.stadium == "Stadium I" else _NAMES.get(code, code)


def _pr_ms(plan: RecordPlan) -> float:
    """Return the PR interval that was drawn."""
    moved = [finding.measures.get("pr_s", plan.heart.pr_s) for finding in plan.findings]
    return 1000 * max(moved, default=plan.heart.pr_s)


_AHA = "Surawicz 2009"
NORMS = (
    Norm("PR interval", "normal", "ms", 120, 200, _AHA, _pr_ms),
    Norm("QRS duration", "normal", "ms", 74, 114, _AHA, qrs_ms),
    Norm("frontal axis", "normal", "degrees", -30, 90, _AHA, axis_deg),
    Norm("RR variation", "normal", "SD/mean", 0, 0.08, "Task Force 1996", rr_cv),
    Norm("RR variation", "AF", "SD/mean", 0.12, 0.28, "Corino 2011", rr_cv),
    Norm("f-wave frequency", "AF", "Hz", 4, 9, "Alcaraz 2008", f_wave_hz),
    Norm("f wave in V1", "AF", "mV", 0.05, 0.2, "Cheng 2013", f_wave_mv),
    Norm("QRS duration", "LBBB", "ms", 120, 200, _AHA, qrs_ms),
    Norm("QRS duration", "RBBB", "ms", 120, 200, _AHA, qrs_ms),
    Norm("frontal axis", "LAFB", "degrees", -90, -45, _AHA, axis_deg),
    Norm("PR interval", "1st-degree AV block", "ms", 200, 400, _AHA, _pr_ms),
    Norm("ST in two leads", "acute MI", "mV", 0.1, 1.0, "Thygesen 2018", st_mv),
    Norm("Sokolow-Lyon", "normal", "mV", 0, 3.5, "Sokolow 1949", sokolow_lyon_mv),
    Norm("Sokolow-Lyon", "LVH", "mV", 3.5, 9, "Sokolow 1949", sokolow_lyon_mv),
)
"""Published ranges; where only a lower limit is published, the upper one is never reached."""


def noise_free_cohort(
    condition: str, n_records: int, seed: int
) -> Iterator[tuple[RecordPlan, SimulatedRecord]]:
    """Return records of one leading condition, drawn as in an archive but without noise."""
    for case in plan_cohort(n_records, seed, {condition: 1.0}):
        yield draw(case, seed, NO_NOISE)


def compare_with_published(n_records: int, seed: int) -> pd.DataFrame:
    """Compare simulated records, ``n_records`` per condition, with :data:`NORMS`.

    One row per norm: ``measure``, ``records``, ``unit``, ``low``, ``high``, ``source``, the number
    of records ``n``, ``median``, quantiles ``p05`` and ``p95``, and ``inside``, the share within
    the published range. Only clearly visible pathologies (severity over 0.6) are measured; mild
    ones stay under the limits by design.
    """
    values_of_norm: list[list[float]] = [[] for _ in NORMS]
    for condition in CONDITIONS:
        for plan, record in noise_free_cohort(condition, n_records, seed):
            for values, norm in zip(values_of_norm, NORMS, strict=True):
                if norm.records == _kind(plan):
                    values.append(norm.measure_of(plan if norm.measure_of is _pr_ms else record))
    rows = []
    for values, norm in zip(values_of_norm, NORMS, strict=True):
        measured = np.array(values)
        quantiles = np.quantile(measured, [0.5, 0.05, 0.95]) if values else np.full(3, np.nan)
        inside = np.mean((measured >= norm.low) & (measured <= norm.high)) if values else np.nan
        rows.append([*norm[:6], len(values), *quantiles, inside])
    names = [*Norm._fields[:6], "n", "median", "p05", "p95", "inside"]
    return pd.DataFrame(rows, columns=names)

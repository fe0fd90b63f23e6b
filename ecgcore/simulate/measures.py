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
from numpy.typing import NDArray

from ecgcore.leads import LEADS
from ecgcore.simulate.archive import draw
from ecgcore.simulate.cohort import CONDITIONS, Draft, only, plan_cohort
from ecgcore.simulate.dipole import NORMAL
from ecgcore.simulate.infarction import TERRITORIES
from ecgcore.simulate.noise import SILENT
from ecgcore.simulate.record import MARGIN_S, RATE_HZ, SimulatedRecord

Signal = NDArray[np.floating]
BEFORE_S, AFTER_S = 0.4, 0.6
"""Reach of a beat around its R peak."""
ALWAYS_S = (-10.0, 20.0)
"""The episode of a record that fibrillates from its first sample to its last."""


def signal_mv(record: SimulatedRecord, part: str = "signal") -> Signal:
    """A part of a record as it is stored at 500 Hz, shape ``(12, sample)``."""
    return record.at(RATE_HZ)[part] / 1000.0


def r_sample(record: SimulatedRecord) -> int:
    """Where the R peak of a beat lies that is not ectopic: the first one after 1.5 s."""
    r_s = record.beats.r_s[record.beats.kind == NORMAL] - MARGIN_S
    return round(float(r_s[r_s > 1.5][0]) * RATE_HZ)


def beat_mv(record: SimulatedRecord) -> tuple[Signal, int]:
    """One beat, 0.4 s before to 0.6 s after R, shape ``(12, 500)``; and where R is."""
    centre, before, after = r_sample(record), round(BEFORE_S * RATE_HZ), round(AFTER_S * RATE_HZ)
    return signal_mv(record)[:, centre - before : centre + after], before


def rr_cv(record: SimulatedRecord) -> float:
    """Coefficient of variation of the RR intervals."""
    rr_s = np.diff(record.beats.r_s)
    return float(rr_s.std() / rr_s.mean())


def qrs_ms(record: SimulatedRecord) -> float:
    """Global QRS duration: where any lead moves faster than 7.5 mV/s (15 uV a sample)."""
    beat, centre = beat_mv(record)
    speed = np.abs(np.gradient(beat[:, centre - 50 : centre + 80], axis=1)).max(axis=0) * RATE_HZ
    fast = np.flatnonzero(speed > 7.5)
    return 1000 / RATE_HZ * float(fast[-1] - fast[0])


def axis_deg(record: SimulatedRecord) -> float:
    """Frontal axis from the areas of QRS in I and aVF; 0 points left, +90 down."""
    beat, centre = beat_mv(record)
    area_i, area_avf = beat[[0, 5], centre - 40 : centre + 40].sum(axis=1)
    return float(np.degrees(np.arctan2(area_avf, area_i)))


def sokolow_lyon_mv(record: SimulatedRecord) -> float:
    """S in V1 plus R in V5 or V6, whichever is taller."""
    beat, centre = beat_mv(record)
    qrs = dict(zip(LEADS, beat[:, centre - 30 : centre + 40], strict=True))
    return float(-qrs["V1"].min() + max(qrs["V5"].max(), qrs["V6"].max()))


def f_wave_hz(record: SimulatedRecord, lead: str = "V1") -> float:
    """Frequency at which the f waves have most power."""
    f = signal_mv(record, "evidence")[LEADS.index(lead)]
    power = np.abs(np.fft.rfft(f)) ** 2
    return float(np.fft.rfftfreq(len(f), 1 / RATE_HZ)[power.argmax()])


def f_wave_mv(record: SimulatedRecord, lead: str = "V1") -> float:
    """Mean height of an f wave, peak to peak."""
    f = signal_mv(record, "evidence")[LEADS.index(lead)]
    period = round(RATE_HZ / f_wave_hz(record, lead))
    waves = f[: len(f) // period * period].reshape(-1, period)
    return float(np.ptp(waves, axis=1).mean())


def st_mv(record: SimulatedRecord) -> float:
    """Second highest contribution to ST among the leads, 120 ms after R: two leads reach it."""
    return float(np.sort(signal_mv(record, "evidence")[:, r_sample(record) + 60])[-2])


class Norm(NamedTuple):
    """One published range, and the records that it is about."""

    measure: str
    records: str
    unit: str
    low: float
    high: float
    source: str
    take: Callable[[Draft, SimulatedRecord], float]
    chosen: Callable[[Draft], bool]


def _has(*codes: str) -> Callable[[Draft], bool]:
    """Records whose findings are one, with one of these statements, and plain to see."""
    return lambda plan: (
        len(plan.findings) == 1
        and plan.findings[0].severity > 0.6
        and bool(set(codes) & set(plan.findings[0].codes))
    )


def _is_norm(plan: Draft) -> bool:
    return plan.case.condition == "NORM"


def _is_af(plan: Draft) -> bool:
    return plan.rhythm.episode_s == ALWAYS_S and not plan.findings


def _is_acute(plan: Draft) -> bool:
    return _has(*TERRITORIES)(plan) and plan.findings[0].stadium == "Stadium I"


def _pr_ms(plan: Draft, _: SimulatedRecord) -> float:
    moved = [finding.measures.get("pr_s", plan.heart.pr_s) for finding in plan.findings]
    return 1000 * max(moved, default=plan.heart.pr_s)


def _of(measure: Callable[[SimulatedRecord], float]) -> Callable[[Draft, SimulatedRecord], float]:
    return lambda _, record: measure(record)


_AHA = "Surawicz 2009"
NORMS = (
    Norm("PR interval", "normal", "ms", 120, 200, _AHA, _pr_ms, _is_norm),
    Norm("QRS duration", "normal", "ms", 74, 114, _AHA, _of(qrs_ms), _is_norm),
    Norm("frontal axis", "normal", "degrees", -30, 90, _AHA, _of(axis_deg), _is_norm),
    Norm("RR variation", "normal", "SD/mean", 0, 0.08, "Task Force 1996", _of(rr_cv), _is_norm),
    Norm("RR variation", "AF", "SD/mean", 0.12, 0.28, "Corino 2011", _of(rr_cv), _is_af),
    Norm("f-wave frequency", "AF", "Hz", 4, 9, "Alcaraz 2008", _of(f_wave_hz), _is_af),
    Norm("f wave in V1", "AF", "mV", 0.05, 0.2, "Cheng 2013", _of(f_wave_mv), _is_af),
    Norm("QRS duration", "LBBB", "ms", 120, 200, _AHA, _of(qrs_ms), _has("CLBBB")),
    Norm("QRS duration", "RBBB", "ms", 120, 200, _AHA, _of(qrs_ms), _has("CRBBB")),
    Norm("frontal axis", "LAFB", "degrees", -90, -45, _AHA, _of(axis_deg), _has("LAFB")),
    Norm("PR interval", "1st-degree AV block", "ms", 200, 400, _AHA, _pr_ms, _has("1AVB")),
    Norm("ST in two leads", "acute MI", "mV", 0.1, 1.0, "Thygesen 2018", _of(st_mv), _is_acute),
    Norm("Sokolow-Lyon", "normal", "mV", 0, 3.5, "Sokolow 1949", _of(sokolow_lyon_mv), _is_norm),
    Norm("Sokolow-Lyon", "LVH", "mV", 3.5, 9, "Sokolow 1949", _of(sokolow_lyon_mv), _has("LVH")),
)
"""Published ranges; an upper end far from any patient stands where only a lower one is published.
"""


def silent_cohort(
    condition: str, n_records: int, seed: int
) -> Iterator[tuple[Draft, SimulatedRecord]]:
    """Records of one leading condition, drawn as in an archive but without noise."""
    for case in plan_cohort(n_records, seed, only(condition), None):
        yield draw(case, seed, SILENT, None)


def beside_published(n_records: int, seed: int) -> pd.DataFrame:
    """Measure simulated records, ``n_records`` a condition, against :data:`NORMS`.

    Returns
    -------
    pandas.DataFrame
        One row a norm: ``measure``, ``records``, ``unit``, ``low``, ``high``, ``source``, the
        number of records ``n``, ``median``, quantiles ``p05`` and ``p95``, and ``inside``, the
        share within the published range. Pathologies are those drawn plain (severity over 0.6);
        the simulator makes as many mild ones, which stay under the limits on purpose.
    """
    found: list[list[float]] = [[] for _ in NORMS]
    for condition in CONDITIONS:
        for plan, record in silent_cohort(condition, n_records, seed):
            for values, norm in zip(found, NORMS, strict=True):
                if norm.chosen(plan):
                    values.append(norm.take(plan, record))
    rows = []
    for values, norm in zip(found, NORMS, strict=True):
        taken = np.array(values)
        quantiles = np.quantile(taken, [0.5, 0.05, 0.95]) if values else np.full(3, np.nan)
        inside = np.mean((taken >= norm.low) & (taken <= norm.high)) if values else np.nan
        rows.append([*norm[:6], len(values), *quantiles, inside])
    names = [*Norm._fields[:6], "n", "median", "p05", "p95", "inside"]
    return pd.DataFrame(rows, columns=names)

"""Measure how well neurokit2 finds the boundaries that cardiologists marked in LUDB.

    python benchmarks/delineation.py LUDB [--record | --quick]

Pages about the waves of real records use LUDB's own marks; this benchmark shows how far an
automatic delineation would be from them. Each row gives, for a lead and boundary, the number of
marks, the share for which neurokit2 (discrete wavelets) finds a boundary within 150 ms, and its
error in ms (found minus marked). The row ``R peak`` tests the project's own ``beats.r_peaks``: the
share of marked QRS complexes with a peak inside, and the share of peaks inside a marked complex.
"""

import warnings
from collections import defaultdict
from pathlib import Path

import neurokit2
import numpy as np
import pandas as pd
from common import make_parser, save

from ecgcore.data import load_ludb, ludb_waves
from ecgcore.explanations.beats import r_peaks
from ecgcore.leads import LEADS

MEASURED_LEADS = ("II", "V5")
NEAR_MS = 150
LETTERS = {"P": "P", "QRS": "R", "T": "T"}
"""The letter of each wave in neurokit2's names of boundaries."""


def delineate(trace: np.ndarray, peaks: np.ndarray, rate_hz: int) -> dict[str, np.ndarray]:
    """Return the boundaries in one lead, in samples, by neurokit2's names; empty if it fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            clean = neurokit2.ecg_clean(trace, sampling_rate=rate_hz)
            _, limits = neurokit2.ecg_delineate(clean, peaks, sampling_rate=rate_hz, method="dwt")
        except (ValueError, IndexError, ZeroDivisionError, TypeError):
            return {}
    arrays = {name: np.asarray(at, float) for name, at in limits.items()}
    return {name: at[np.isfinite(at)] for name, at in arrays.items()}


def nearest_ms(marked: np.ndarray, detected: np.ndarray, rate_hz: int) -> np.ndarray:
    """Return the distance in ms from every mark to the nearest boundary; nan without one."""
    if not len(detected):
        return np.full(len(marked), np.nan)
    distance = detected[np.abs(detected[:, None] - marked).argmin(axis=0)] - marked
    return distance * 1000 / rate_hz


def error_row(lead: str, boundary: str, errors_ms: np.ndarray) -> dict[str, object]:
    """Return the row of one lead and boundary."""
    ms, n = errors_ms[np.abs(errors_ms) <= NEAR_MS], len(errors_ms)
    row = {"lead": lead, "boundary": boundary, "n_marked": n, "found": len(ms) / n}
    row |= {"median_ms": np.median(ms), "mean_ms": ms.mean(), "sd_ms": ms.std()}
    return row | {"within_20_ms": (np.abs(ms) <= 20).sum() / n}


def main() -> None:
    """Parse the command line and compare."""
    parser = make_parser(__doc__)
    parser.add_argument("ludb", type=Path, help="folder of LUDB")
    args = parser.parse_args()
    database = load_ludb(args.ludb)
    errors, has_peak, is_right = defaultdict(list), [], []
    records = list(zip(database.table.index, database.records(), strict=True))
    for number, record in records[: 5 if args.quick else None]:
        waves = ludb_waves(args.ludb / "data", number)
        peaks = r_peaks(record.signals_mv, record.rate_hz)
        qrs = waves[(waves["wave"] == "QRS") & (waves["lead"] == "II")]
        onset, offset = (qrs[end].to_numpy()[:, None] for end in ("onset", "offset"))
        is_inside = (peaks >= onset) & (peaks < offset)
        has_peak += is_inside.any(axis=1).tolist()
        if len(qrs):
            is_between = (peaks >= onset.min()) & (peaks < offset.max())
            is_right += is_inside.any(axis=0)[is_between].tolist()
        for lead in MEASURED_LEADS:
            limits = delineate(record.signals_mv[LEADS.index(lead)], peaks, record.rate_hz)
            for wave, letter in LETTERS.items():
                marks = waves[(waves["lead"] == lead) & (waves["wave"] == wave)]
                for end in ("onset", "offset"):
                    at = limits.get(f"ECG_{letter}_{end.capitalize()}s", np.empty(0))
                    ms = nearest_ms(marks[end].to_numpy(float), at, record.rate_hz)
                    errors[lead, f"{wave} {end}"].append(ms)
    first = {"lead": "II or V5", "boundary": "R peak", "n_marked": len(has_peak)}
    first |= {"found": np.mean(has_peak), "right": np.mean(is_right)}
    rows = [error_row(*names, np.concatenate(parts)) for names, parts in errors.items()]
    table = pd.DataFrame([first, *rows]).round(4)
    print(table.to_string())
    if args.record:
        save("delineation", table, __file__, "LUDB --record")


if __name__ == "__main__":
    main()

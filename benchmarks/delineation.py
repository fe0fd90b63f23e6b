"""How well neurokit2 finds the boundaries that cardiologists marked in LUDB.

    python benchmarks/delineation.py LUDB [--record] [--quick]

Pages that speak of the waves of real records use LUDB's own marks; this shows how far an automatic
delineation would be from them. One row per lead and boundary: how many were marked, the share for
which neurokit2 (discrete wavelets) finds one within 150 ms, and its error in ms (found minus
marked). The row ``R peak`` tests the project's own ``beats.r_peaks``: the share of marked QRS
complexes with a peak inside, and the share of peaks that lie in a marked complex.
"""

import argparse
import warnings
from pathlib import Path

import neurokit2
import numpy as np
import pandas as pd

from ecgcore.data import load_ludb, ludb_waves
from ecgcore.explanations.beats import r_peaks
from ecgcore.leads import LEADS
from ecgcore.runs import recorded

MEASURED = ("II", "V5")
NEAR_MS = 150
FOUND = {"P": "P", "QRS": "R", "T": "T"}
"""Waves to the letters that neurokit2 gives their boundaries."""


def delineate(trace: np.ndarray, peaks: np.ndarray, rate_hz: int) -> dict[str, np.ndarray]:
    """Return the boundaries in one lead, in samples, by neurokit2's names; empty where it fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            clean = neurokit2.ecg_clean(trace, sampling_rate=rate_hz)
            _, found = neurokit2.ecg_delineate(clean, peaks, sampling_rate=rate_hz, method="dwt")
        except (ValueError, IndexError, ZeroDivisionError, TypeError):
            return {}
    arrays = {name: np.asarray(at, float) for name, at in found.items()}
    return {name: at[np.isfinite(at)] for name, at in arrays.items()}


def nearest_ms(marked: np.ndarray, found: np.ndarray, rate_hz: int) -> np.ndarray:
    """Return the distance in ms of every mark to the nearest boundary found; nan without one."""
    if not len(found):
        return np.full(len(marked), np.nan)
    distance = found[np.abs(found[:, None] - marked).argmin(axis=0)] - marked
    return distance * 1000 / rate_hz


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ludb", type=Path, help="folder of LUDB")
    parser.add_argument("--record", action="store_true", help="write results/delineation.*")
    parser.add_argument("--quick", action="store_true", help="a small run that shows that it works")
    args = parser.parse_args()
    database = load_ludb(args.ludb)
    errors: dict[tuple[str, str], list[np.ndarray]] = {}
    inside, rightly = [], []
    records = list(zip(database.table.index, database.records(), strict=True))
    for number, record in records[: 5 if args.quick else None]:
        waves = ludb_waves(args.ludb / "data", number)
        peaks = r_peaks(record.signals_mv, record.rate_hz)
        qrs = waves[(waves["wave"] == "QRS") & (waves["lead"] == "II")]
        onset, offset = (qrs[end].to_numpy()[:, None] for end in ("onset", "offset"))
        hit = (peaks >= onset) & (peaks < offset)
        inside.append(hit.any(axis=1))
        if len(qrs):
            rightly.append(hit.any(axis=0)[(peaks >= onset.min()) & (peaks < offset.max())])
        for lead in MEASURED:
            limits = delineate(record.signals_mv[LEADS.index(lead)], peaks, record.rate_hz)
            of_lead = waves[waves["lead"] == lead]
            for wave, letter in FOUND.items():
                for end in ("onset", "offset"):
                    marked = of_lead.loc[of_lead["wave"] == wave, end].to_numpy(float)
                    at = limits.get(f"ECG_{letter}_{end.capitalize()}s", np.empty(0))
                    errors.setdefault((lead, f"{wave} {end}"), []).append(
                        nearest_ms(marked, at, record.rate_hz)
                    )
    found, right = np.concatenate(inside), np.concatenate(rightly)
    first = ("II or V5", "R peak", len(found), found.mean(), right.mean())
    rows = [dict(zip(("lead", "boundary", "n_marked", "found", "right"), first, strict=True))]
    for (lead, boundary), parts in errors.items():
        all_ms = np.concatenate(parts)
        ms = all_ms[np.abs(all_ms) <= NEAR_MS]
        row = {"lead": lead, "boundary": boundary, "n_marked": len(all_ms)}
        row |= {"found": len(ms) / len(all_ms), "median_ms": np.median(ms), "mean_ms": ms.mean()}
        row |= {"sd_ms": ms.std(), "within_20_ms": (np.abs(ms) <= 20).sum() / len(all_ms)}
        rows.append(row)
    table = pd.DataFrame(rows).round(4)
    print(table.to_string())
    if args.record:
        script = "benchmarks/delineation.py"
        facts = {"command": f"python {script} LUDB --record", "depends_on": [script]}
        recorded.save("delineation", table, facts)


if __name__ == "__main__":
    main()

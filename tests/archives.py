"""A tiny archive in PTB-XL's layout, for tests that damage it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgcore.data import GAIN, Archive, encode_record, to_adu
from ecgcore.leads import twelve_from_eight

STATEMENTS = """,description,diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass
NORM,normal ECG,1.0,,,NORM,NORM
IMI,inferior myocardial infarction,1.0,,,MI,IMI
NDT,non-diagnostic T abnormalities,1.0,1.0,,STTC,STTC
LVH,left ventricular hypertrophy,1.0,,,HYP,LVH
CLBBB,complete left bundle branch block,1.0,,,CD,CLBBB
SR,sinus rhythm,,,1.0,,
AFIB,atrial fibrillation,,,1.0,,
"""
CODES = ("NORM", "IMI", "NDT", "AFIB")


def some_adu(n_records: int, n_samples: int, seed: int = 0) -> NDArray[np.int16]:
    """Return noise that obeys the lead identities up to rounding, shape (record, lead, sample)."""
    eight = np.random.default_rng(seed).normal(0, 300, (n_records, 8, n_samples))
    return np.rint(twelve_from_eight(eight)).astype(np.int16)


def write_record(
    stem: Path | str, signals_mv: np.ndarray, rate_hz: int, gain: int = GAIN, **names: Any
) -> None:
    """Write one record in mV, shape (lead, sample); ``lead_names`` as in ``encode_record``."""
    write_records([stem], to_adu(signals_mv, gain)[None], rate_hz, gain=gain, **names)


def write_records(stems: Sequence[Path | str], adu: np.ndarray, rate_hz: int, **style: Any) -> None:
    """Write many records, shape (record, lead, sample); style as in ``encode_record``."""
    for stem, record in zip(stems, adu, strict=True):
        for suffix, content in encode_record(Path(stem).name, record, rate_hz, **style).items():
            Path(f"{stem}{suffix}").write_bytes(content)


def write_archive(
    root: Path, n_records: int = 6, rates_hz: tuple[int, ...] = (100, 500), seed: int = 0
) -> Path:
    """Write records 1..n of n patients, with both tables and RECORDS."""
    ids = range(1, n_records + 1)
    table = pd.DataFrame({"ecg_id": ids, "patient_id": [float(100 + i) for i in ids]})
    table["age"] = 50.0
    table["scp_codes"] = [f"{{'{CODES[i % len(CODES)]}': 100.0, 'SR': 0.0}}" for i in ids]
    table["baseline_drift"] = [" , V1" if i == 2 else None for i in ids]
    table["strat_fold"] = [(i - 1) % 10 + 1 for i in ids]
    for rate_hz, column, suffix in ((100, "filename_lr", "lr"), (500, "filename_hr", "hr")):
        table[column] = [f"records{rate_hz}/00000/{i:05d}_{suffix}" for i in ids]
        if rate_hz in rates_hz:
            (root / f"records{rate_hz}/00000").mkdir(parents=True)
            stems = [root / name for name in table[column]]
            write_records(stems, some_adu(n_records, 10 * rate_hz, seed + rate_hz), rate_hz)
    table.to_csv(root / "ptbxl_database.csv", index=False)
    root.mkdir(parents=True, exist_ok=True)
    (root / "scp_statements.csv").write_text(STATEMENTS, encoding="utf-8")
    return root


def damage(archive: Archive, ecg_id: int, rate_hz: int = 100) -> None:
    """Truncate a record in the middle of a frame."""
    file = Path(f"{archive.stems(rate_hz)[ecg_id]}.dat")
    file.write_bytes(file.read_bytes()[:-5])


def replace_signals(archive: Archive, ecg_id: int, adu: np.ndarray, rate_hz: int = 100) -> None:
    write_records([archive.stems(rate_hz)[ecg_id]], adu[None], rate_hz)


def errors(report: pd.DataFrame) -> dict[int, str]:
    bad = report[report["severity"] == "error"]
    return dict(zip(bad["ecg_id"], bad["kind"], strict=True))

"""From files to normalised float32 at four rates, beside paper B's way: one record at a time.

    python benchmarks/preprocess.py --archive DIR [--quick]

The reference restates the public code of *Sampling Matters* (rdrecord, and for each rate: NaN to
0, scipy.signal.resample, clip, a Python loop for flat lines, z-score). Equality is checked first.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import scipy.signal
import wfdb
from side_by_side import compare

from ecgcore import signals, wfdb16
from ecgcore.ptbxl import Archive

RATES_HZ = (62, 100, 250, 500)
BATCH = 16


def one_record(x: np.ndarray, rate_hz: int) -> np.ndarray:
    """Paper B's chain for one record at 500 Hz, shape (sample, lead)."""
    x = np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
    if rate_hz != 500:
        x = scipy.signal.resample(x, round(len(x) * rate_hz / 500)).astype(np.float32)
    x = np.clip(x.T, -15.0, 15.0)
    for lead in x:
        still = np.abs(np.diff(lead)) < 1e-6 * (np.std(lead) + 1e-8)
        run = longest = 0
        for is_still in still:
            run = run + 1 if is_still else 0
            longest = max(longest, run)
        if longest >= int(3.0 * rate_hz):
            lead[:] = 0.0
    sd = x.std(axis=1, keepdims=True) + 1e-8
    return ((x - x.mean(axis=1, keepdims=True)) / sd).astype(np.float32)


def reference(stems: list[str], rates_hz: tuple[int, ...]) -> dict[int, np.ndarray]:
    done: dict[int, list[np.ndarray]] = {rate_hz: [] for rate_hz in rates_hz}
    for stem in stems:
        record = wfdb.rdrecord(stem).p_signal.astype(np.float32)
        for rate_hz in rates_hz:
            done[rate_hz].append(one_record(record, rate_hz))
    return {rate_hz: np.stack(records) for rate_hz, records in done.items()}


def ours(
    stems: list[str], rates_hz: tuple[int, ...], out: dict[int, np.ndarray], jobs: int = 1
) -> None:
    """Files -> arrays of all rates, which are memory-mapped files here."""
    for start in range(0, len(stems), BATCH * jobs):
        rows = slice(start, start + BATCH * jobs)
        records_mv = wfdb16.to_mv(wfdb16.read_signals_adu(stems[rows], 500, 5000))
        parts = {rate_hz: array[rows] for rate_hz, array in out.items()}
        signals.preprocess_rates(records_mv, 500, rates_hz, out=parts, jobs=jobs)


def check(expected: dict[int, np.ndarray], got: dict[int, np.ndarray], stems: list[str]) -> None:
    """Bit-equal below 500 Hz; at 500 Hz a float64 calculation shows who is right."""
    for rate_hz in RATES_HZ[:-1]:
        assert np.array_equal(expected[rate_hz], got[rate_hz]), rate_hz
    exact = np.stack([wfdb.rdrecord(stem).p_signal.T for stem in stems])
    exact = (exact - exact.mean(-1, keepdims=True)) / (exact.std(-1, keepdims=True) + 1e-8)
    difference = np.abs(expected[500] - got[500]).max()
    assert difference < 1e-4, difference
    print(
        f"bit-equal at 62, 100, 250 Hz; at 500 Hz they differ by {difference:.1e}: from float64 "
        f"the published code by {np.abs(expected[500] - exact).max():.1e}, ours by "
        f"{np.abs(got[500] - exact).max():.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="a few records, for a smoke test")
    options = parser.parse_args()
    archive = Archive(options.archive)
    n_records = min(len(archive.table), 16 if options.quick else 128)
    repeats = 1 if options.quick else 5
    stems = archive.stems(500, archive.table.index[:n_records].to_list())
    with tempfile.TemporaryDirectory() as folder:
        out = {
            rate_hz: np.lib.format.open_memmap(
                f"{folder}/{rate_hz}.npy", "w+", np.float32, (n_records, 12, 10 * rate_hz)
            )
            for rate_hz in RATES_HZ
        }
        ours(stems, RATES_HZ, out)
        check(reference(stems, RATES_HZ), out, stems)
        print(f"files -> four rates, {n_records} records")
        compare(
            {
                "published, one record at a time": lambda: reference(stems, RATES_HZ),
                "ours, 1 thread": lambda: ours(stems, RATES_HZ, out),
                "ours, 2 threads": lambda: ours(stems, RATES_HZ, out, jobs=2),
            },
            n_records=n_records,
            repeats=repeats,
            goals={"ours, 1 thread": 20},
        )


if __name__ == "__main__":
    main()

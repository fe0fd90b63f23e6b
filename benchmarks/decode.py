"""Decoding and reading, beside a loop over ``wfdb.rdrecord``, in one process.

    python benchmarks/decode.py --archive DIR [--quick]

Equality is checked before anything is timed. Warm file cache, one thread.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import wfdb
from side_by_side import compare

from ecgcore import wfdb16
from ecgcore.ptbxl import Archive

BATCH = 16


def bench_rate(
    archive: Archive, rate_hz: int, n_records: int, repeats: int, store_dir: Path
) -> None:
    """One rate: wfdb, our decoder with checksums, a prepared store."""
    ids = archive.table.index[:n_records].to_numpy()
    stems, n_samples = archive.stems(rate_hz, ids), 10 * rate_hz
    store = wfdb16.prepare(archive, store_dir)
    adu = np.empty((min(wfdb16.CHUNK, n_records), 12, n_samples), dtype=np.int16)
    signals_mv = np.empty((BATCH, 12, n_samples), dtype=np.float32)
    starts = range(0, n_records - BATCH + 1, BATCH)

    def reference() -> None:
        for stem in stems:
            np.ascontiguousarray(wfdb.rdrecord(stem).p_signal.T, dtype=np.float32)

    def decode() -> None:
        for start in range(0, n_records, len(adu)):
            some = stems[start : start + len(adu)]
            assert not wfdb16.decode_into(adu[: len(some)], some, rate_hz)

    def read() -> None:
        for start in starts:
            store.signals(rate_hz, ids[start : start + BATCH], out=signals_mv)

    def read_fresh() -> None:
        for start in starts:
            store.signals(rate_hz, ids[start : start + BATCH])

    decoded = wfdb16.read_signals_adu(stems, rate_hz, n_samples)
    prepared = store.signals(rate_hz, ids)
    for position, stem in enumerate(stems):
        record = wfdb.rdrecord(stem, physical=False)
        assert (decoded[position] == record.d_signal.T).all(), stem
        expected = wfdb.rdrecord(stem).p_signal.T.astype(np.float32)
        assert (prepared[position] == expected).all(), stem
    print(f"{rate_hz} Hz, {n_records} records (bit-equal: yes)")
    high = rate_hz == 500
    compare(
        {
            "wfdb.rdrecord -> float32": reference,
            "decode with checksums -> int16": decode,
            "prepared store -> float32, memory reused": read,
            "prepared store -> float32, memory fresh": read_fresh,
        },
        n_records=n_records,
        repeats=repeats,
        goals={
            "decode with checksums -> int16": 25 if high else 45,
            "prepared store -> float32, memory reused": 50 if high else 200,
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="a few records, for a smoke test")
    options = parser.parse_args()
    archive = Archive(options.archive)
    n_records = min(len(archive.table), 32 if options.quick else 320) // BATCH * BATCH
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        wfdb16.prepare(archive, Path(folder) / "store")
        taken = time.perf_counter() - start
        print(f"prepare, all rates, all checks: {taken / len(archive.table) * 1e3:.3f} ms a record")
        start = time.perf_counter()
        wfdb16.open_store(Path(folder) / "store").adu(archive.rates_hz[0])
        print(f"open a prepared store: {(time.perf_counter() - start) * 1e3:.2f} ms")
        for rate_hz in archive.rates_hz:
            repeats = 2 if options.quick else 7
            bench_rate(archive, rate_hz, n_records, repeats, Path(folder) / "store")


if __name__ == "__main__":
    main()

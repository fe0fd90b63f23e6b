"""Time reading signals from an archive and a prepared store against ``wfdb.rdrecord`` in a loop.

    python benchmarks/decode.py --archive DIR [--quick]

The signals are compared before anything is timed. The files are in the system's cache.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import wfdb
from side_by_side import side_by_side

from ecgcore.data import Archive, Store, open_store, prepare

BATCH = 16


def bench_rate(archive: Archive, store: Store, rate_hz: int, n_records: int, repeats: int) -> None:
    """Time wfdb, the archive (which checks the checksums) and the store at one rate."""
    ids = store.table.index[:n_records].to_numpy()
    stems = [str(archive.stems(rate_hz)[ecg_id]) for ecg_id in ids]

    def read_batches(source: Archive | Store) -> None:
        for start in range(0, n_records, BATCH):
            source.signals(rate_hz, ids[start : start + BATCH])

    def read_with_wfdb() -> list[np.ndarray]:
        return [wfdb.rdrecord(stem).p_signal.T.astype(np.float32) for stem in stems]

    expected = np.stack(read_with_wfdb())
    assert np.array_equal(archive.signals(rate_hz, ids), expected)
    assert np.abs(store.signals(rate_hz, ids) - expected).max() < 0.0005, "rounded to 0.001 mV"
    cases = {
        "wfdb.rdrecord": read_with_wfdb,
        "archive": lambda: read_batches(archive),
        "prepared store": lambda: read_batches(store),
    }
    side_by_side(f"{rate_hz} Hz, per record", cases, repeats=repeats, per=n_records)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="a few records, to see that it runs")
    args = parser.parse_args()
    archive, repeats = Archive(args.archive), 2 if args.quick else 7
    n_records = min(len(archive.table), 32 if args.quick else 320) // BATCH * BATCH
    with tempfile.TemporaryDirectory() as folder:
        store = prepare(archive, Path(folder) / "store")
        cases = {
            "read the archive's tables": lambda: Archive(args.archive),
            "open the store": lambda: open_store(store.path).adu(500),
            "open the store, read its table": lambda: open_store(store.path).table,
        }
        side_by_side("opening", cases, repeats=repeats)
        for rate_hz in archive.rates_hz:
            bench_rate(archive, store, rate_hz, n_records, repeats)


if __name__ == "__main__":
    main()

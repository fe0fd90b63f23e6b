"""Preparing an archive as large as PTB-XL: time, and the most memory that it takes.

    python benchmarks/prepare.py --archive DIR [--quick]

Rows of DIR's table are repeated until there are 21,799, each with an ``ecg_id`` of its own, and
point at DIR's files; a fresh process prepares that at 500 Hz. The store takes 2.6 GB for a while.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

N_RECORDS = 21799
GOAL_MIB = 1024

CHILD = """
import json, os, statistics, sys, time
from ecgcore import provenance, ptbxl, wfdb16
archive = ptbxl.Archive(sys.argv[1])
before, start = provenance.peak_memory_mib(), time.perf_counter()
store = wfdb16.prepare(archive, sys.argv[2], (500,))
seconds = time.perf_counter() - start
os.sync()  # or the system is still writing the store while it is opened
opened = []
for _ in range(9):
    start = time.perf_counter()
    wfdb16.open_store(sys.argv[2]).adu(500)
    opened.append((time.perf_counter() - start) * 1e3)
print(json.dumps({"n": len(store.table), "before": before, "seconds": seconds,
    "peak": provenance.peak_memory_mib(), "open_ms": statistics.median(opened)}))
"""


def repeated(archive: Path, to: Path, n_records: int) -> None:
    """An archive of so many rows whose files are another's."""
    to.mkdir()
    table = pd.read_csv(archive / "ptbxl_database.csv", low_memory=False)
    many = pd.concat([table] * -(-n_records // len(table)), ignore_index=True)[:n_records]
    many.assign(ecg_id=range(1, n_records + 1)).to_csv(to / "ptbxl_database.csv", index=False)
    for name in ("scp_statements.csv", "records500"):
        (to / name).symlink_to((archive / name).resolve())


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="600 records, for a smoke test")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        many, store = Path(folder) / "archive", Path(folder) / "store"
        repeated(args.archive, many, 600 if args.quick else N_RECORDS)
        command = [sys.executable, "-c", CHILD, str(many), str(store)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    print(
        f"{found['n']:,} records of 500 Hz prepared in {found['seconds']:.1f} s "
        f"({found['n'] / found['seconds']:,.0f} a second), all checks\n"
        f"peak memory {found['peak']:.0f} MiB ({found['before']:.0f} MiB before; goal {GOAL_MIB})\n"
        f"opening the store: {found['open_ms']:.2f} ms"
    )


if __name__ == "__main__":
    main()

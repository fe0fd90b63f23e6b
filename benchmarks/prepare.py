"""Preparing an archive as large as PTB-XL: time, and the most memory that it takes.

    python benchmarks/prepare.py --archive DIR [--quick]

Rows of DIR's table are repeated until there are 21,799, each with an ``ecg_id`` of its own, and
point at DIR's files; a fresh process prepares them at all rates. The store takes 3.2 GB for a
while.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

N_RECORDS = 21799

CHILD = """
import json, sys, time
from ecgcore.data import Archive, prepare
from ecgcore.runs.provenance import peak_memory_mib
archive = Archive(sys.argv[1])
before, start = peak_memory_mib(), time.perf_counter()
store = prepare(archive, sys.argv[2])
seconds = time.perf_counter() - start
print(json.dumps({"n": len(store.table), "rates": store.rates_hz, "seconds": seconds,
    "before": before, "peak": peak_memory_mib()}))
"""


def repeat_rows(archive: Path, to: Path, n_records: int) -> None:
    """Write an archive of so many rows whose files are those of another archive."""
    to.mkdir()
    table = pd.read_csv(archive / "ptbxl_database.csv", low_memory=False)
    many = pd.concat([table] * -(-n_records // len(table)), ignore_index=True)[:n_records]
    many.assign(ecg_id=range(1, n_records + 1)).to_csv(to / "ptbxl_database.csv", index=False)
    for path in (archive / "scp_statements.csv", *archive.glob("records*")):
        (to / path.name).symlink_to(path.resolve())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="200 records, to see that it runs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        many = Path(folder) / "archive"
        repeat_rows(args.archive, many, 200 if args.quick else N_RECORDS)
        command = [sys.executable, "-c", CHILD, str(many), f"{folder}/store"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    facts = json.loads(done.stdout)
    print(
        f"{facts['n']:,} records at {' and '.join(map(str, facts['rates']))} Hz, every check: "
        f"{facts['seconds']:.1f} s ({1e3 * facts['seconds'] / facts['n']:.2f} ms per record)\n"
        f"peak memory {facts['peak']:.0f} MiB ({facts['before']:.0f} MiB before)"
    )


if __name__ == "__main__":
    main()

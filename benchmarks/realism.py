"""Compare real and simulated records in what can be measured on both.

python benchmarks/realism.py PTBXL_DIR [--record] [--quick]

PTBXL_DIR holds raw records at 500 Hz; filtered ones have no content above 40 Hz.
"""

import argparse
import time
from pathlib import Path

from ecgcore.data import Archive
from ecgcore.runs import recorded
from ecgsim import CONDITIONS, realism


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path, help="archive in PTB-XL's layout")
    parser.add_argument("--n-records", type=int, default=200, help="most per class and side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--record", action="store_true", help="write results/realism.* and results/realism_bands.*"
    )
    parser.add_argument("--quick", action="store_true", help="a small run that shows that it works")
    args = parser.parse_args()
    n_records, start = 12 if args.quick else args.n_records, time.perf_counter()
    archive = Archive(args.real)
    bands = {"conditions": CONDITIONS, "measure_by": realism.measure_bands}
    tables = {
        name: realism.compare_classes(archive, n_records, args.seed, **options)
        for name, options in (("realism", {}), ("realism_bands", bands))
    }
    for name, table in tables.items():
        print(name, table.round(4).to_string(), sep="\n")
        if args.record:
            facts = {
                "command": "python benchmarks/realism.py PTBXL_DIR --record",
                "parameters": {"n_records": n_records, "seed": args.seed},
                "real": {"name": archive.name, "fingerprint": archive.fingerprint},
                "seconds": round(time.perf_counter() - start),
            }
            recorded.save(name, table.round(4), facts)


if __name__ == "__main__":
    main()

"""Real and simulated records beside each other in what can be measured on both.

python benchmarks/realism.py PTBXL_DIR [--record] [--quick]
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from ecgcore import realism, recorded
from ecgcore.ptbxl import Archive


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path, help="archive in PTB-XL's layout")
    parser.add_argument("--n-records", type=int, default=200, help="most in each class and side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", action="store_true", help="write results/realism.*")
    parser.add_argument("--quick", action="store_true", help="a small run that shows it works")
    args = parser.parse_args(argv)
    n_records, start = 12 if args.quick else args.n_records, time.perf_counter()
    archive = Archive(args.real)
    table = realism.compare_classes(archive, n_records, args.seed).round(4)
    print(table.to_string())
    if args.record:
        facts = {
            "command": "python benchmarks/realism.py PTBXL_DIR --record",
            "parameters": {"n_records": n_records, "seed": args.seed},
            "real": {"name": archive.name, "fingerprint": archive.fingerprint},
            "seconds": round(time.perf_counter() - start),
        }
        recorded.save("realism", table, facts)


if __name__ == "__main__":
    main()

"""Compare real and simulated records in what can be measured on both.

    python benchmarks/realism.py PTBXL_DIR [--record | --quick]

PTBXL_DIR holds raw records at 500 Hz; filtered ones have no content above 40 Hz.
"""

import time
from pathlib import Path

from common import make_parser, save

from ecgcore.data import Archive
from ecgsim import realism

SEED = 1


def main() -> None:
    """Parse the command line and compare."""
    parser = make_parser(__doc__)
    parser.add_argument("real", type=Path, help="archive in PTB-XL's layout")
    args = parser.parse_args()
    n_records, start = 12 if args.quick else 200, time.perf_counter()
    archive = Archive(args.real)
    table = realism.compare_classes(archive, n_records, SEED).round(4)
    print(table.to_string())
    if args.record:
        facts = {
            "parameters": {"n_records": n_records, "seed": SEED},  # at most so many per class
            "real": {"name": archive.name, "fingerprint": archive.fingerprint},
            "seconds": round(time.perf_counter() - start),
        }
        save("realism", table, __file__, "PTBXL_DIR --record", **facts)


if __name__ == "__main__":
    main()

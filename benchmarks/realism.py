"""Compare real and simulated records in quantities that can be measured on both.

    python benchmarks/realism.py PTBXL_DIR [--record | --quick]

PTBXL_DIR holds raw records at 500 Hz; filtered ones have no content above 40 Hz.
"""

import time
from pathlib import Path

import pandas as pd
from common import make_parser, save
from sklearn.metrics import roc_auc_score

from ecgcore.data import Archive
from ecgcore.leads import LEADS
from ecgsim import realism

SEED = 1


def device_facts(archive: Archive) -> dict[str, float]:
    """Return how AF is associated with the device type, and how well noise alone predicts AF."""
    has_af = realism.has_condition(archive, "AF")
    chosen = archive.table.index[has_af | realism.has_condition(archive, "NORM")]
    v1_mv = archive.signals(500, chosen)[:, LEADS.index("V1")]
    is_af = pd.Series(has_af, archive.table.index)[chosen]
    types = archive.table["device"].str.split().str[:2].str.join(" ")  # without the version
    by_type = types[has_af].value_counts()
    return {
        "n_af": int(has_af.sum()),
        "n_af_from_one_type": int(by_type.iloc[0]),
        "share_of_that_type": round(float((types == by_type.index[0]).mean()), 3),
        "v1_noise_auroc": round(
            float(roc_auc_score(is_af, realism.noise_between_beats_uv(v1_mv, 500))), 3
        ),
    }


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
            "parameters": {"n_records": n_records, "seed": SEED},  # at most this many per class
            "real": {"name": archive.name, "fingerprint": archive.fingerprint},
            **device_facts(archive),
            "seconds": round(time.perf_counter() - start),
        }
        save("realism", table, __file__, "PTBXL_DIR --record", **facts)


if __name__ == "__main__":
    main()

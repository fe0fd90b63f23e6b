"""Inject every fault many times and record what happened: the table of the engineering page.

    python benchmarks/faults.py [--record | --quick]

Each function in ``tests/test_faults.py`` raises an error unless the outcome is as stated, so every
row held each time. The last row feeds altered WFDB headers to the reader.
"""

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
from common import ROOT, finish, make_parser, save

sys.path.extend([str(ROOT), str(ROOT / "tests")])
sys.path.append(str(ROOT / "tests" / "data"))

import test_fuzz
from test_faults import FAULTS

LOG = ROOT / "_build" / "faults.jsonl"
HEADERS = "any input: WFDB header"
TESTS = ["tests/test_faults.py", "tests/data/test_fuzz.py"]


def inject(name: str, times: int) -> dict[str, Any]:
    """Inject one fault ``times`` times; return its row."""
    function, injected, happened = FAULTS[name]
    start, rng = time.perf_counter(), np.random.default_rng(1)
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            function(Path(folder), rng)
    seconds = round(time.perf_counter() - start, 1)
    return {"injected": injected, "times": times, "happened": happened, "seconds": seconds}


def read_headers(n_headers: int) -> dict[str, Any]:
    """Feed altered headers to the reader; return one row for all of them."""
    hypothesis.settings.register_profile("busy machine", deadline=None, derandomize=True)
    hypothesis.settings.load_profile("busy machine")
    accepted, check, start = list[bool](), test_fuzz.check_header, time.perf_counter()

    def count(folder: Path, header: str) -> bool:
        accepted.append(check(folder, header))
        return accepted[-1]

    test_fuzz.check_header, test_fuzz.EXAMPLES = count, n_headers
    with tempfile.TemporaryDirectory() as folder:
        test_fuzz.test_headers_are_read_as_wfdb_reads_them_or_refused(Path(folder))
    counts = (
        f"{sum(accepted)} read as wfdb reads them, {accepted.count(False)} refused with a message"
    )
    row = {"injected": "one word of the header replaced", "times": n_headers}
    seconds = round(time.perf_counter() - start, 1)
    return row | {"happened": f"{counts}; none caused a hang", "seconds": seconds}


def main() -> None:
    """Parse the command line and inject."""
    args = make_parser(__doc__).parse_args()
    names = ["unwritable output"] if args.quick else FAULTS
    steps = {name: partial(inject, name, 1 if args.quick else 20) for name in names}
    steps[HEADERS] = partial(read_headers, 50 if args.quick else 100_000)
    log = LOG.with_name("faults_quick.jsonl") if args.quick else LOG
    log.parent.mkdir(exist_ok=True)
    table = pd.DataFrame(finish(steps, log, "fault"))
    print(table.to_string())
    if args.record:
        save("faults", table, __file__, "--record", depends_on=["benchmarks/faults.py", *TESTS])
    log.unlink()  # the next call injects all faults again


if __name__ == "__main__":
    main()

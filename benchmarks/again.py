"""Make a recorded result again, by the command that it names, and compare.

    python benchmarks/again.py NAME [--archive PTBXL_DIR] [--tolerance 0.05]

Runs the command of ``results/NAME.json`` and compares the table that it writes with the one that
was there, column by column; times and memory are not compared.  The recorded files are put back
afterwards, whatever happens (``--keep``: the new ones stay).
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ecgcore import files, recorded
from ecgcore.errors import EcgcoreError

TIMES = ("seconds", "minutes", "_s", "_ms", "mib", "gib")
"""Ends of the names of columns that another moment changes."""


def differences(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Largest difference of each column that both tables have; rows in the same order.

    Raises
    ------
    EcgcoreError
        The tables differ in rows or columns.
    """
    if len(old) != len(new) or set(old) != set(new):
        only = sorted(set(old) ^ set(new))
        raise EcgcoreError(
            f"recorded {len(old)} rows, made {len(new)}; columns in one only: {only or 'none'}."
        )
    rows = []
    for name in [name for name in old if not name.endswith(TIMES)]:
        pair = [frame[name].reset_index(drop=True) for frame in (old, new)]
        if all(pd.api.types.is_numeric_dtype(column) for column in pair):
            apart = np.abs(pair[0] - pair[1]).max()
            largest = 0.0 if np.isnan(apart) else float(apart)
            unequal = int((pair[0].isna() != pair[1].isna()).sum())
        else:
            largest = np.nan
            unequal = int((pair[0].astype(str) != pair[1].astype(str)).sum())
        rows.append({"column": name, "largest_difference": largest, "rows_unequal": unequal})
    return pd.DataFrame(rows)


def main() -> None:
    """Parse the command line, run and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="of a recorded result: results/NAME.csv")
    parser.add_argument("--archive", default="", help="in the place of PTBXL_DIR in the command")
    parser.add_argument(
        "--tolerance", type=float, default=0.05, help="of numbers; 0: the same bytes"
    )
    parser.add_argument("--keep", action="store_true", help="leave the new files in results/")
    args = parser.parse_args()
    before = recorded.load(args.name)
    command = str(before.facts["command"]).replace("PTBXL_DIR", shlex.quote(args.archive))
    recorded_ns = (recorded.FOLDER / f"{args.name}.csv").stat().st_mtime_ns
    kept = {p: p.read_bytes() for p in recorded.FOLDER.glob(f"{args.name}.*")}
    print(command, flush=True)
    try:
        for words in (shlex.split(part) for part in command.split("&&")):
            python = [sys.executable] if words[0] == "python" else [sys.executable, "-m", words[0]]
            with tempfile.TemporaryFile() as nothing:
                subprocess.run([*python, *words[1:]], check=True, stdin=nothing)
        if (recorded.FOLDER / f"{args.name}.csv").stat().st_mtime_ns == recorded_ns:
            sys.exit(f"results/{args.name}.csv: the command did not write it; nothing to compare.")
        found = differences(before.table, recorded.load(args.name).table)
    finally:
        if not args.keep:
            for path, content in kept.items():
                files.write_whole(path, content)
    print(found.to_string(index=False))
    apart = (found["largest_difference"] > args.tolerance) | (found["rows_unequal"] > 0)
    sys.exit(f"{int(apart.sum())} of {len(found)} columns differ" if apart.any() else 0)


if __name__ == "__main__":
    main()

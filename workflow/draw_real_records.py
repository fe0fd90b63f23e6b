"""Draw the real records of the primer: ``python workflow/draw_real_records.py PTBXL``.

PTBXL is a folder in PTB-XL's layout with raw records, such as PTB-XL itself. For each kind of
ECG, the script draws the record with the smallest number that has the kind's statement with a
likelihood of 100 (rhythms have none), no diagnosis of another superclass and no flutter, passes the
quality checks without a note, and is still in PTB-XL 1.0.3.
"""

import sys
from pathlib import Path

import pandas as pd

from ecgcore import labels, plots
from ecgcore.data import Archive, load_record

KINDS = {
    "normal": ("NORM", "NORM"),
    "fibrillation": ("AFIB", ""),
    "infarction": ("IMI", "MI"),
    "left_bundle_branch_block": ("CLBBB", "CD"),
    "hypertrophy": ("LVH", "HYP"),
}
"""Statement and superclass of each kind; atrial fibrillation, a rhythm, has no superclass."""

WITHDRAWN = {137, 139, 140, 141, 142, 143, 145, 456, 458, 459, 461, 462}
"""Records among the first 500 that PTB-XL 1.0.3 no longer contains."""


def choose(archive: Archive, code: str, superclass: str) -> int:
    """Return the number of the record that the module's rule selects."""
    classes = labels.superclasses(archive.table, archive.statements)
    others = classes.drop(columns=[superclass] if superclass else ["NORM"])
    table = archive.table[~others.any(axis=1)].drop(index=list(WITHDRAWN), errors="ignore")
    for ecg_id, row in table.iterrows():
        likelihood = row.scp_codes.get(code, -1)
        fits = likelihood == 100 if superclass else likelihood >= 0 and "AFLT" not in row.scp_codes
        if fits and not load_record(path_of(archive, row)).notes:
            return int(ecg_id)
    raise SystemExit(f"{archive.path}: no record of {code} meets the selection rule.")


def path_of(archive: Archive, row: pd.Series) -> Path:
    """Return the path of a record at 500 Hz."""
    return Path(archive.path) / row.filename_hr


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Usage: python workflow/draw_real_records.py PTBXL")
    archive = Archive(sys.argv[1])
    for kind, (code, superclass) in KINDS.items():
        ecg_id = choose(archive, code, superclass)
        record = load_record(path_of(archive, archive.table.loc[ecg_id]))
        picture = plots.ecg_12_lead(record.signals_mv, record.rate_hz, title=f"PTB-XL {ecg_id}")
        target = Path("book/_static/real") / f"{kind}.png"
        target.parent.mkdir(exist_ok=True)
        picture.savefig(target, dpi=100)
        print(target, ecg_id, archive.table.scp_codes[ecg_id], target.stat().st_size)

"""The last step of preparing: drop damaged records, write tables, layers and ``store.json``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ecgcore.errors import EcgcoreError
from ecgcore.wfdb16 import arrayfile, checks
from ecgcore.wfdb16.checks import Issue
from ecgcore.wfdb16.decode import read_signals_adu
from ecgcore.wfdb16.store import CHUNK, DURATION_S, INFO, LAYERS, LAYOUT_VERSION, LEFT_OUT, TABLE

if TYPE_CHECKING:
    from ecgcore.ptbxl import Archive


def finish(
    archive: "Archive",
    partial: Path,
    rates: Sequence[int],
    issues: Sequence[Issue],
    twins: Mapping[int, Mapping[int, int]],
) -> None:
    """Drop damaged records from the arrays and write the tables; ``store.json`` last.

    ``twins`` are records that repeat an earlier one, by rate.
    """
    errors = [issue for issue in issues if issue.severity == "error"]
    damaged = {issue.ecg_id for issue in errors}
    kept = [row for row, ecg_id in enumerate(archive.table.index) if ecg_id not in damaged]
    if not kept:
        raise EcgcoreError(
            f"{archive.name}: none of its {len(archive.table)} records can be decoded; "
            f"the first: {errors[0].detail}"
        )
    if damaged:
        for rate_hz in rates:
            arrayfile.keep_rows(partial / f"adu_{rate_hz}.npy", kept, rate_hz * DURATION_S)
    first = {ecg_id: one for of_rate in twins.values() for ecg_id, one in of_rate.items()}
    table = archive.table.assign(
        scp_codes=archive.table["scp_codes"].map(json.dumps),
        duplicate_of=pd.Series(first, index=archive.table.index, dtype="Int64"),
    )
    table.drop(table.index[kept]).to_parquet(partial / LEFT_OUT)
    table = table.iloc[kept]
    table.to_parquet(partial / TABLE)
    archive.statements.to_csv(partial / "statements.csv")
    checks.as_table(issues).to_csv(partial / "quality.csv", index=False)
    if archive.is_simulated:
        for rate_hz in rates:
            _copy_layers(archive, partial, rate_hz, set(table.index))
    info = {
        "layout": LAYOUT_VERSION,
        "name": archive.name,
        "fingerprint": archive.fingerprint,
        "rates_hz": list(rates),
        "n_records": len(kept),
        "n_left_out": len(damaged),
        "simulation": archive.simulation,
    }
    (partial / INFO).write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")


def _copy_layers(archive: "Archive", partial: Path, rate_hz: int, kept: set[int]) -> None:
    """Decode the layers of a simulated archive: only the records that have one."""
    for layer in LAYERS:
        stems = {k: v for k, v in archive.layer_stems(rate_hz, layer).items() if k in kept}
        file, n_samples = partial / f"{layer}_{rate_hz}.npy", rate_hz * DURATION_S
        np.save(partial / f"{layer}_{rate_hz}_ids.npy", np.array(list(stems), dtype=np.int64))
        arrayfile.create(file, len(stems), n_samples)
        paths = list(stems.values())
        for start in range(0, len(paths), CHUNK):
            adu = read_signals_adu(paths[start : start + CHUNK], rate_hz, n_samples)
            arrayfile.write_rows(file, start, adu)

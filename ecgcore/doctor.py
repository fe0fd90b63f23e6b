"""What is installed, which device is used, which archive is found, and whether it is whole."""

import importlib.metadata
import os
import platform
from pathlib import Path

from ecgcore import datasets, provenance
from ecgcore.errors import EcgcoreError


def report(archive: str | None) -> tuple[list[str], bool]:
    """A few lines about this installation, and whether all is in order.

    Parameters
    ----------
    archive
        A folder in PTB-XL layout to check against its checksums, or None for the embedded one.
    """
    from ecgcore import train

    versions = [f"{name} {_version(name)}" for name in ("ecgcore", *provenance.PACKAGES)]
    missing = [text for text in versions if text.endswith("missing")]
    lines = [
        f"python    {platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores",
        "packages  " + ", ".join(versions),
        f"device    {train.device_summary()}",
    ]
    found, whole = _archive_line(archive)
    lines.append(f"archive   {found}")
    return lines, whole and not missing


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _archive_line(archive: str | None) -> tuple[str, bool]:
    if archive is None:
        n = datasets.DEFAULT_ARCHIVE["n_records"]
        return f"none named; the simulated default ({n} records) is made on first use", True
    from ecgcore import ptbxl, wfdb16

    try:
        if (Path(archive) / "store.json").exists():
            store = wfdb16.open_store(Path(archive))
            kind = "simulated" if store.is_simulated else "real"
            rates = " and ".join(map(str, store.rates_hz))
            what = f"{archive}: prepared store, {kind}, {len(store.table)} records at {rates} Hz"
            return f"{what}; {len(store.left_out)} were left out as damaged", True
        found = ptbxl.Archive(Path(archive))
        problems = found.verify()
    except EcgcoreError as error:
        return str(error), False
    kind = "simulated" if found.is_simulated else "real"
    what = f"{archive}: {kind}, {len(found.table)} records at {found.rates_hz} Hz"
    if len(problems):
        first = str(problems["file"].iloc[0])
        return f"{what}; {len(problems)} files missing or changed, first {first}", False
    return f"{what}; whole (every listed checksum agrees)", True

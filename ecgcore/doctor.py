"""What is installed, which device is used, and whether an archive is whole (command doctor)."""

import importlib.metadata
import os
import platform
from pathlib import Path

from ecgcore.data import Archive, Store, open_store
from ecgcore.errors import EcgcoreError
from ecgcore.runs.provenance import PACKAGES
from ecgcore.training import device_summary


def report(archive: str | Path | None) -> tuple[list[str], bool]:
    """Return a few lines about this installation, and whether everything is in order.

    ``archive`` is a folder in PTB-XL's layout, whose checksums are compared, or a prepared store.
    """
    versions = {name: _version(name) for name in ("ecgcore", *PACKAGES)}
    archive_line, is_whole = _check_archive(archive)
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    lines = [
        f"python    {platform.python_version()} on {system}",
        f"packages  {', '.join(map(' '.join, versions.items()))}",
        f"device    {device_summary()}",
        f"archive   {archive_line}",
    ]
    return lines, is_whole and "missing" not in versions.values()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _check_archive(path: str | Path | None) -> tuple[str, bool]:
    """One line about an archive or store, and whether it is whole."""
    if path is None:
        return "none given; notebooks use simulated records, which are made on first use", True
    folder = Path(path).expanduser()
    try:
        if (folder / "store.json").exists():
            store = open_store(folder)
            return f"{_describe(store)}, prepared; {len(store.left_out)} damaged left out", True
        archive = Archive(folder)
        problems = archive.verify()
    except EcgcoreError as error:
        return str(error), False
    state = "whole (every listed checksum agrees)"
    if len(problems):
        state = f"{len(problems)} files are missing or changed, the first is {problems.file[0]}"
    return f"{_describe(archive)}; {state}", problems.empty


def _describe(source: Archive | Store) -> str:
    kind = "simulated" if source.is_simulated else "real"
    rates = " and ".join(map(str, source.rates_hz))
    return f"{source.path}: {kind}, {len(source.table)} records at {rates} Hz"

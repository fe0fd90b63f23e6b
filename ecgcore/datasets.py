"""From what a user calls an archive to an opened store: folder, store, or ``"simulated"``."""

import hashlib
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from ecgcore import provenance, ptbxl, simulate, wfdb16
from ecgcore.errors import EcgcoreError

SIMULATED = "simulated"

DEFAULT_ARCHIVE: dict[str, Any] = {
    "n_records": 1200,
    "seed": 1,
    "prevalence": {"NORM": 0.34, "AF": 0.24, "MI": 0.19, "STTC": 0.02, "CD": 0.19, "HYP": 0.02},
}
"""The archive that ``"simulated"`` means; the lecture tier's own (held equal by a test).

AF, MI and CD are commoner than in PTB-XL, so that an archive small enough for two cores still
holds enough of the conditions that the lecture tier asks about."""


def cache_dir() -> Path:
    """This user's cache folder: the one place outside a given root that we write to."""
    return platformdirs.user_cache_path("ecgcore")


def open_data(archive: str, *, cache: Path | None = None) -> wfdb16.Store:
    """Open an archive for reading at speed.

    Parameters
    ----------
    archive
        A folder in PTB-XL layout, a store made by ``prepare``, or ``"simulated"``: the embedded
        default, made on first use.
    cache
        Where a simulated archive and stores are kept; the user's cache folder by default.

    Raises
    ------
    EcgcoreError
        No such folder, or it is not an archive.
    """
    cache = cache or cache_dir()
    if archive == SIMULATED:
        return wfdb16.open_store(_simulated_store(cache))
    path = Path(archive)
    if (path / "store.json").exists():
        return wfdb16.open_store(path)
    if not path.is_dir():
        raise EcgcoreError(
            f"Parameter 'archive': there is no folder {path}; expected an archive in PTB-XL "
            f"layout, a prepared store, or '{SIMULATED}'."
        )
    source = ptbxl.Archive(path)
    store = cache / "stores" / source.fingerprint[:16]
    with _lock(store):
        return wfdb16.prepare(source, store)


def _simulated_store(cache: Path) -> Path:
    # a simulator that has changed makes another archive, never passes for the cached one
    made_by = f"{provenance.code_fingerprint('simulate')} {sorted(DEFAULT_ARCHIVE.items())}"
    name = f"simulated-{hashlib.sha256(made_by.encode()).hexdigest()[:12]}"
    archive, store = cache / "archives" / name, cache / "stores" / name
    with _lock(store):
        if not wfdb16.is_current(store):
            if not archive.exists():
                simulate.simulate_archive(archive, **DEFAULT_ARCHIVE)
            wfdb16.prepare(ptbxl.Archive(archive), store)
    return store


def _lock(path: Path) -> FileLock:
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(path.name + ".lock"))


def describe(store: wfdb16.Store) -> dict[str, Any]:
    """What a page says about its data: source, size, fingerprint."""
    return {
        "name": store.name,
        "is_simulated": store.is_simulated,
        "fingerprint": store.fingerprint,
        "n_records": len(store.table),
        "n_patients": int(store.table["patient_id"].nunique()),
    }

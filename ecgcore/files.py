"""Files and folders that appear whole or not at all, even if the process is killed.

They are written under a name that ends in ``.partial`` and renamed when they are complete. A folder
that replaces another moves that one to ``.old`` between two renames; :func:`restore` undoes it.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ecgcore.errors import EcgcoreError

if TYPE_CHECKING:
    import pandas as pd

TEMPORARY_SUFFIXES = (".partial", ".old")
"""Suffixes of files and folders that are not complete, or no longer in use."""


def expand(path: Path | str) -> Path:
    """Return a path with ``~`` expanded and ``.`` named; unknown users raise ``EcgcoreError``."""
    try:
        path = Path(path).expanduser()
    except RuntimeError:
        raise EcgcoreError(f"{path}: there is no such user; write the path in full.") from None
    return path if path.name else path.absolute()


def read_parquet(path: Path) -> "pd.DataFrame":
    """Read a parquet file in the calling thread alone.

    pandas reads through a scanner whose threads may outlive the interpreter, which then ends with
    SIGABRT after all work is done (apache/arrow#34314).
    """
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        table: pd.DataFrame = file.read(use_threads=False).to_pandas(use_threads=False)
    return table


def write_whole(path: Path, write: Callable[[Path], object] | bytes | str) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it.

    ``write`` is the content of ``path``, or a function that writes the content to a given path.
    """
    partial = path.with_name(path.name + ".partial")
    if callable(write):
        write(partial)
    else:
        partial.write_bytes(write.encode() if isinstance(write, str) else write)
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole: NumPy's numbers as plain ones, other values that JSON lacks as text."""
    text = json.dumps(value, indent=1, default=lambda x: x.item() if hasattr(x, "item") else str(x))
    write_whole(path, text + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file, or an empty one if there is no file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def replace_folder(new: Path, final: Path) -> None:
    """Move a finished folder into the place of an old one."""
    restore(final)
    old = Path(f"{final}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        os.replace(final, old)
    os.replace(new, final)
    shutil.rmtree(old, ignore_errors=True)


def restore(final: Path) -> None:
    """Put back the folder that :func:`replace_folder` moved aside before it was killed."""
    old = Path(f"{final}.old")
    if old.exists() and not final.exists():
        os.replace(old, final)


def acquire(folder: Path, wait_s: float = -1) -> FileLock:
    """Take the lock of a folder: a file beside it, released by the system when its holder dies.

    One process may take it twice. Raises ``EcgcoreError`` if another process holds it for longer
    than ``wait_s``; -1 waits without a limit.
    """
    lock = FileLock(f"{folder}.lock", is_singleton=True)
    try:
        with warnings.catch_warnings():  # a file system without flock gets locks of another kind
            warnings.simplefilter("ignore")
            lock.acquire(timeout=wait_s)
    except Timeout:
        why = "another process is working there; wait for it to end, or choose another folder"
        raise EcgcoreError(f"{folder}: {why}.") from None
    return lock


def release(lock: FileLock) -> None:
    """Release a folder's lock and delete its file; a waiting process creates a new one."""
    if lock.is_locked:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release(force=True)


@contextlib.contextmanager
def locked(folder: Path, wait_s: float = -1) -> Iterator[None]:
    """Hold the lock of ``folder`` inside a ``with`` block; see :func:`acquire`."""
    lock = acquire(folder, wait_s)
    try:
        yield
    finally:
        release(lock)


@contextlib.contextmanager
def file_errors(place: Path | str) -> Iterator[None]:
    """Turn a file-system error inside a ``with`` block into an ``EcgcoreError``."""
    try:
        yield
    except OSError as error:
        raise file_error(error, place) from error


def file_error(error: OSError, place: Path | str) -> EcgcoreError:
    """Return the ``EcgcoreError`` that describes a file-system error."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        why = "the disk is full; free some space and run it again: finished work is not lost"
        return EcgcoreError(f"{place}: {why}.")
    why = error.strerror or str(error)
    where = f": {error.filename}" if error.filename not in (None, str(place)) else ""
    return EcgcoreError(f"{place}: cannot be used ({why}{where}).")

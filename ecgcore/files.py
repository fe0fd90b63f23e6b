"""Files and folders that appear whole or not at all, even if the process is killed.

A file or folder is written beside its final place, under a name that ends in ``.partial``, and
renamed when it is complete.  A folder that replaces another moves that one to ``.old`` for the
moment between two renames; :func:`restore` puts it back if the process was killed just then.
"""

import contextlib
import errno
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from ecgcore.errors import EcgcoreError

if TYPE_CHECKING:
    import pandas as pd

ASIDE = (".partial", ".old")
"""Suffixes of files and folders that are not complete, or no longer in use."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
    """Write a file beside its place, flush it to the disk, and rename it.

    Parameters
    ----------
    path
        The final name; its folder exists.
    write
        The content, or a function that writes it to the path that it is given.
    """
    partial = path.with_name(path.name + ".partial")
    if isinstance(write, str):
        partial.write_text(write, encoding="utf-8")
    elif isinstance(write, bytes):
        partial.write_bytes(write)
    else:
        write(partial)
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


def replace_folder(new: Path, final: Path) -> None:
    """Move a finished folder into the place of an old one."""
    restore(final)
    old = final.with_name(final.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        os.replace(final, old)
    os.replace(new, final)
    shutil.rmtree(old, ignore_errors=True)


def restore(final: Path) -> None:
    """Put back the folder that :func:`replace_folder` had moved aside when it was killed."""
    old = final.with_name(final.name + ".old")
    if old.exists() and not final.exists():
        os.replace(old, final)


def acquire(folder: Path, wait_s: float = -1) -> FileLock:
    """Take the lock of a folder: a file beside it, freed by the system when its holder dies.

    Taking it twice in one process is no error.

    Parameters
    ----------
    folder
        What the lock protects; its parent folder exists.
    wait_s
        How long to wait for another process; -1 waits without a limit.

    Raises
    ------
    EcgcoreError
        Another process held it for longer than ``wait_s``.
    """
    lock = FileLock(folder.with_name(folder.name + ".lock"), is_singleton=True)
    try:
        with warnings.catch_warnings():  # a file system without flock gets locks of another kind
            warnings.simplefilter("ignore")
            lock.acquire(timeout=wait_s)
    except Timeout:
        raise EcgcoreError(
            f"{folder}: another process is working there; wait for it to end, or choose another "
            "folder."
        ) from None
    return lock


def release(lock: FileLock) -> None:
    """Free a folder's lock and delete its file.

    A process that waits for it notices that the file is gone, and makes a new one.
    """
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
    """Turn an error of the file system inside a ``with`` block into an ``EcgcoreError``."""
    try:
        yield
    except OSError as error:
        raise file_error(error, place) from error


def file_error(error: OSError, place: Path | str) -> EcgcoreError:
    """The ``EcgcoreError`` that describes an error of the file system."""
    if error.errno in _FULL:
        return EcgcoreError(
            f"{place}: the disk is full; free some space and run it again: finished work is kept."
        )
    why = error.strerror or str(error)
    where = f": {error.filename}" if error.filename else ""
    return EcgcoreError(f"{place}: cannot be written ({why}{where}).")

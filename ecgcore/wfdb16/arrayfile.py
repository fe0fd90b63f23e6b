"""A ``.npy`` file of int16 records that is filled in any order and shrunk in place.

Written by seek and write rather than through a memory map: mapped pages would count as this
process's memory, and a full disk would kill the process instead of raising an error.
"""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ecgcore.wfdb16.layout import N_LEADS

_MOVE = 256  # records moved at a time when shrinking


def row_bytes(n_samples: int) -> int:
    """Size of one record of 12 leads."""
    return 2 * N_LEADS * n_samples


def create(path: Path, n_records: int, n_samples: int) -> None:
    """Write the header, keeping what is there of the samples: they come by :func:`write_rows`."""
    path.touch()  # a kill between this and the header leaves an empty file, which is no array
    with open(path, "r+b") as file:
        file.write(_header(n_records, n_samples))


def write_rows(path: Path, start: int, adu: NDArray[np.int16]) -> None:
    """Write records, shape (record, lead, sample), from position ``start`` on."""
    with open(path, "r+b") as file:
        file.seek(len(_header(0, adu.shape[2])) + start * row_bytes(adu.shape[2]))
        file.write(np.ascontiguousarray(adu, dtype="<i2").data)


def keep_rows(path: Path, rows: Sequence[int], n_samples: int) -> None:
    """Keep some records, given by rising positions, and drop the others, in place."""
    offset, size = len(_header(0, n_samples)), row_bytes(n_samples)
    with open(path, "r+b") as file:
        for start in range(0, len(rows), _MOVE):
            moved = []
            for row in rows[start : start + _MOVE]:
                file.seek(offset + row * size)
                moved.append(file.read(size))
            file.seek(offset + start * size)
            file.write(b"".join(moved))
        file.truncate(offset + len(rows) * size)
        file.seek(0)
        file.write(_header(len(rows), n_samples))
        file.flush()
        os.fsync(file.fileno())


def _header(n_records: int, n_samples: int) -> bytes:
    """Header of the file; numpy leaves room in it, so that its length never depends on
    ``n_records``."""
    buffer = io.BytesIO()
    shape = (n_records, N_LEADS, n_samples)
    npy.write_array_header_1_0(buffer, {"descr": "<i2", "fortran_order": False, "shape": shape})
    return buffer.getvalue()

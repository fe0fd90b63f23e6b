"""WFDB format-16 records in bulk, and the prepared stores made of them."""

from ecgcore.wfdb16.decode import Problem, decode_into, read_signals_adu, to_mv
from ecgcore.wfdb16.header import Header, read_header
from ecgcore.wfdb16.preparation import inspect, prepare
from ecgcore.wfdb16.store import (
    CHUNK,
    DURATION_S,
    LAYERS,
    Store,
    check_layer,
    is_current,
    no_such_rate,
    open_store,
)
from ecgcore.wfdb16.write import (
    GAIN,
    INVALID,
    encode_record,
    to_adu,
    write_record,
    write_records,
)

__all__ = [
    "CHUNK",
    "DURATION_S",
    "GAIN",
    "INVALID",
    "LAYERS",
    "Header",
    "Problem",
    "Store",
    "check_layer",
    "decode_into",
    "encode_record",
    "inspect",
    "is_current",
    "no_such_rate",
    "open_store",
    "prepare",
    "read_header",
    "read_signals_adu",
    "to_adu",
    "to_mv",
    "write_record",
    "write_records",
]

"""WFDB format-16 records in bulk, and the prepared stores made of them."""

from ecgcore.wfdb16.header import Header, read_header
from ecgcore.wfdb16.write import GAIN, write_record, write_records

__all__ = ["GAIN", "Header", "read_header", "write_record", "write_records"]

"""Records, archives in PTB-XL's layout, and prepared stores.

Axes are always (record, lead, sample); leads are in the order of :data:`ecgcore.leads.LEADS`.
"""

from ecgcore.data.archive import DURATION_S, GAIN, LAYERS, Archive, encode_record, to_adu
from ecgcore.data.fetch import fetch, published_weights
from ecgcore.data.ludb import load_ludb, ludb_waves
from ecgcore.data.read_wfdb import INVALID
from ecgcore.data.record import Record, load_record
from ecgcore.data.store import DEFAULT_ARCHIVE, Store, find_archive, open_data, open_store, prepare

"""Records, archives in PTB-XL's layout, and prepared stores.

Axes are always (record, lead, sample); leads are in the order of :data:`ecgcore.leads.LEADS`.
"""

from ecgcore.data.archive import DURATION_S as DURATION_S
from ecgcore.data.archive import GAIN as GAIN
from ecgcore.data.archive import LAYERS as LAYERS
from ecgcore.data.archive import Archive as Archive
from ecgcore.data.archive import encode_record as encode_record
from ecgcore.data.archive import to_adu as to_adu
from ecgcore.data.fetch import fetch as fetch
from ecgcore.data.ludb import load_ludb as load_ludb
from ecgcore.data.ludb import ludb_waves as ludb_waves
from ecgcore.data.read_wfdb import INVALID as INVALID
from ecgcore.data.record import Record as Record
from ecgcore.data.record import load_record as load_record
from ecgcore.data.store import DEFAULT_ARCHIVE as DEFAULT_ARCHIVE
from ecgcore.data.store import Store as Store
from ecgcore.data.store import find_archive as find_archive
from ecgcore.data.store import open_data as open_data
from ecgcore.data.store import open_store as open_store
from ecgcore.data.store import prepare as prepare

"""Short names for the types of arrays in signatures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.integer]
Bools = NDArray[np.bool_]
Adu = NDArray[np.int16]
Signals = NDArray[np.floating]
"""Signals or attributions of any precision."""
Ids = Sequence[int] | Ints
"""Values of ``ecg_id``, or labels, one per record."""

"""Short names for the types of arrays in signatures."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.integer]
Bools = NDArray[np.bool_]

"""The twelve leads: names, order, and the identities between them."""

import re

import numpy as np
from numpy.typing import NDArray

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Lead names in PTB-XL's order; axis 1 of every array of signals."""

LIMB, CHEST = LEADS[:6], LEADS[6:]
INDEPENDENT = ("I", "II", *CHEST)
"""The eight leads that a 12-lead ECG actually measures."""

_CANONICAL = {name.upper(): name for name in LEADS} | {f"D{name}": name for name in LEADS[:3]}
_PREFIX = re.compile(r"^(?:(?:mdc|ecg|ekg|lead)[\s_:.-]+)+", re.IGNORECASE)


def canonical_lead(name: str) -> str:
    """Return a lead's name as in :data:`LEADS`: aVR for ``MDC_ECG_LEAD_AVR``, II for ``DII``.

    An unknown name, such as ``-aVR`` or ``MLII``, is returned without surrounding spaces.
    """
    name = name.strip()
    return _CANONICAL.get(_PREFIX.sub("", name).upper(), name)


def twelve_from_eight(eight: NDArray[np.floating]) -> NDArray[np.floating]:
    """Complete the leads :data:`INDEPENDENT`, shape (..., 8, sample), to :data:`LEADS`.

    Einthoven's and Goldberger's identities: III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2,
    aVF = II - I / 2, in any unit. I and II alone give :data:`LIMB`, shape (..., 6, sample).
    """
    lead_i, lead_ii, chest = eight[..., 0:1, :], eight[..., 1:2, :], eight[..., 2:, :]
    augmented = [-(lead_i + lead_ii) / 2, lead_i - lead_ii / 2, lead_ii - lead_i / 2]
    return np.concatenate([lead_i, lead_ii, lead_ii - lead_i, *augmented, chest], axis=-2)

"""Waves of a moving heart dipole, rendered beat by beat and projected to the leads.

A wave is a (skewed or flat-topped) Gaussian in time along a fixed direction of Frank's
orthogonal system: x to the left, y to the feet, z to the back. Dower's matrix turns the dipole
into the eight independent leads.

References
----------
- Sameni et al., *Multichannel ECG and noise modeling*, EURASIP J. Adv. Signal Process. 2007,
  43407: a sum of Gaussians for each axis of the dipole.
- McSharry et al., *A dynamical model for generating synthetic electrocardiogram signals*,
  IEEE Trans. Biomed. Eng. 50, 289-294, 2003: one Gaussian per wave, tied to the beat.
- Dower, Machado, Osborne, *On deriving the electrocardiogram from vectorcardiographic leads*,
  Clin. Cardiol. 3, 87-95, 1980: the matrix.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgcore.arrays import Bools, Floats, Floats32
from ecgcore.data import DURATION_S

RATE_HZ = 500
MARGIN_S = 0.2
N_SAMPLES = round((DURATION_S + 2 * MARGIN_S) * RATE_HZ)
"""Length of a rendered strip: ten seconds and a margin on both sides."""

DOWER: Floats = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
"""Leads I, II, V1-V6 (rows) from Frank's x, y, z (columns); Dower 1980."""

Anchor = Literal["P", "QRS", "T"]
Sign = Literal["", "st", "t", "q"]
REACH = 4.0
"""Number of standard deviations after which a Gaussian counts as zero (exp(-8) = 0.03 %)."""
FLAT_REACH = 2.0
"""The same for a plateau, whose exponent is the fourth power."""


class Wave(NamedTuple):
    """One wave of the dipole.

    ``centre_s`` counts from the onset of P (anchor ``P``) or from the R peak (``QRS``, ``T``; the
    latter is stretched with the RR interval). ``left_s`` and ``right_s`` are the standard
    deviations before and after the centre; ``flat`` turns the Gaussian into a plateau. ``sign``
    names the ECG sign that a wave of an infarction or of an ST-T change shows: ``st`` (elevation or
    depression), ``t`` (flattening or inversion), ``q`` (Q wave and loss of R), or none.
    """

    anchor: Anchor
    centre_s: float
    left_s: float
    right_s: float
    vector_mv: Floats
    flat: bool = False
    sign: Sign = ""

    def times(self, factor: float) -> "Wave":
        """Return the same wave with its dipole multiplied by ``factor``."""
        return self._replace(vector_mv=self.vector_mv * factor)


@dataclass(frozen=True)
class Beats:
    """When the ventricles beat, and how each beat stretches its waves; arrays of shape (beat,).

    ``r_s`` counts from the start of the rendered strip. ``p_onset_s`` is where P starts,
    ``qt_factor`` stretches repolarisation, ``gain`` is the effect of respiration on amplitude.
    ``kind`` is ``NORMAL``, ``VENTRICULAR`` (PVC) or ``ATRIAL`` (PAC); ``fibrillating`` says whether
    the atria fibrillate at that time.
    """

    r_s: Floats
    p_onset_s: Floats
    qt_factor: Floats
    gain: Floats
    kind: NDArray[np.int8]
    fibrillating: Bools

    def where(self, mask: Bools) -> "Beats":
        """Return the beats for which ``mask`` is true."""
        return Beats(*(getattr(self, item.name)[mask] for item in fields(self)))


NORMAL, VENTRICULAR, ATRIAL = 0, 1, 2


def render(
    waves: Sequence[Wave], beats: Beats, lead_matrix: Floats, only: int | None = None
) -> Floats32:
    """Render the waves of one beat at all beats of the strip: mV at :data:`RATE_HZ`.

    Returns the shape ``(lead, N_SAMPLES)``; ``lead_matrix``, shape ``(lead, 3)``, projects the
    dipole to the leads. ``only`` is the kind of ectopic beat to which the waves belong. By default
    they belong to sinus beats: P where the sinus node leads, QRS and T wherever the ventricles are
    activated from above.
    """
    out = np.zeros((len(lead_matrix), N_SAMPLES), dtype=np.float32)
    for anchor in ("P", "QRS", "T"):
        group = [wave for wave in waves if wave.anchor == anchor]
        if not group:
            continue
        if only is not None:
            select = beats.kind == only
        else:
            select = beats.kind == NORMAL if anchor == "P" else beats.kind != VENTRICULAR
        if select.any():
            _render_group(out, group, beats.where(select), lead_matrix)
    return out


def _render_group(out: Floats32, group: list[Wave], beats: Beats, lead_matrix: Floats) -> None:
    """Add the waves of one anchor to ``out``."""
    anchor_s = beats.p_onset_s if group[0].anchor == "P" else beats.r_s
    stretch = beats.qt_factor if group[0].anchor == "T" else np.ones(len(anchor_s))
    timing_s = [(wave.centre_s, wave.left_s, wave.right_s) for wave in group]
    centre, left, right = np.array(timing_s, dtype=np.float32).T[..., None]
    flat = np.array([wave.flat for wave in group])
    weights = (lead_matrix @ np.array([wave.vector_mv for wave in group]).T).astype(np.float32)
    widest = float(stretch.max()) * RATE_HZ
    reach = np.where(flat, FLAT_REACH, REACH)[:, None]
    first = int(np.floor((centre - reach * left).min() * widest))
    last = int(np.ceil((centre + reach * right).max() * widest)) + 1
    start = np.round(anchor_s * RATE_HZ).astype(int)
    time_s = np.arange(first, last) / RATE_HZ + (start / RATE_HZ - anchor_s)[:, None]
    shapes = (time_s / stretch[:, None]).astype(np.float32)[:, None, :] - centre
    shapes *= 1 / left if (left == right).all() else np.where(shapes < 0, 1 / left, 1 / right)
    np.square(shapes, out=shapes)
    if flat.any():
        shapes[:, flat] = np.square(shapes[:, flat])
    shapes *= np.float32(-0.5)
    np.exp(shapes, out=shapes)
    shapes *= beats.gain.astype(np.float32)[:, None, None]
    beats_mv = weights @ shapes
    for begin, beat_mv in zip(start + first, beats_mv, strict=True):
        low, high = max(begin, 0), min(begin + beat_mv.shape[1], N_SAMPLES)
        if low < high:
            out[:, low:high] += beat_mv[:, low - begin : high - begin]


def rotate(vector_mv: Floats, frontal_deg: float, horizontal_deg: float) -> Floats:
    """Turn a dipole in the frontal plane (clockwise: from I towards aVF), then in the horizontal
    plane (from the left towards the back)."""
    f, h = np.deg2rad(frontal_deg), np.deg2rad(horizontal_deg)
    x, y, z = vector_mv
    x, y = x * np.cos(f) - y * np.sin(f), x * np.sin(f) + y * np.cos(f)
    x, z = x * np.cos(h) - z * np.sin(h), x * np.sin(h) + z * np.cos(h)
    return np.array([x, y, z])

"""Waves of a moving heart dipole, rendered beat by beat and projected to the leads.

A wave is a (skewed or flat-topped) Gaussian in time along a fixed direction of Frank's
orthogonal system: x to the left, y to the feet, z to the back. Dower's matrix makes the eight
independent leads of it.

References
----------
- Sameni et al., *Multichannel ECG and noise modeling*, EURASIP J. Adv. Signal Process. 2007,
  43407: a sum of Gaussians for each axis of the dipole.
- McSharry et al., *A dynamical model for generating synthetic electrocardiogram signals*,
  IEEE Trans. Biomed. Eng. 50, 289-294, 2003: one Gaussian a wave, tied to the beat.
- Dower, Machado, Osborne, *On deriving the electrocardiogram from vectorcardiographic leads*,
  Clin. Cardiol. 3, 87-95, 1980: the matrix.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

DOWER: FloatArray = np.array(
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
REACH = 4.0
"""Widths of a Gaussian after which it is taken for zero (exp(-8) = 0.03 %)."""
FLAT_REACH = 2.0
"""The same for a plateau, whose exponent is the fourth power."""


class Wave(NamedTuple):
    """One wave of the dipole.

    ``centre_s`` counts from the onset of P (anchor ``P``) or from the R peak (``QRS``, ``T``;
    the latter stretched with the RR interval). ``left_s`` and ``right_s`` are the standard
    deviations before and after the centre; ``flat`` turns the Gaussian into a plateau.
    """

    anchor: Anchor
    centre_s: float
    left_s: float
    right_s: float
    vector_mv: FloatArray
    flat: bool = False

    def times(self, factor: float) -> "Wave":
        """The same wave with its dipole multiplied."""
        return self._replace(vector_mv=self.vector_mv * factor)


@dataclass(frozen=True)
class Beats:
    """When the ventricles beat, and how each beat stretches its waves; arrays of shape (beat,).

    ``r_s`` counts from the start of the rendered strip. ``p_onset_s`` is where P starts,
    ``qt_factor`` stretches repolarisation, ``gain`` is the respiration's effect on amplitude.
    ``kind`` is ``NORMAL``, ``VENTRICULAR`` (PVC) or ``ATRIAL`` (PAC); ``fibrillating`` says whether
    the atria fibrillate at that time.
    """

    r_s: FloatArray
    p_onset_s: FloatArray
    qt_factor: FloatArray
    gain: FloatArray
    kind: NDArray[np.int8]
    fibrillating: NDArray[np.bool_]

    def where(self, mask: NDArray[np.bool_]) -> "Beats":
        """Some of the beats."""
        return Beats(*(getattr(self, item.name)[mask] for item in fields(self)))


NORMAL, VENTRICULAR, ATRIAL = 0, 1, 2


def render(
    waves: Sequence[Wave],
    beats: Beats,
    lead_matrix: FloatArray,
    *,
    rate_hz: float,
    n_samples: int,
    only: int | None = None,
) -> FloatArray:
    """Draw the waves of the beats in every lead.

    Parameters
    ----------
    waves
        What each beat consists of.
    beats
        All beats of the strip.
    lead_matrix
        Leads from the dipole, shape ``(lead, 3)``.
    only
        A kind of ectopic beat whose waves these are; by default the waves are those of sinus
        beats: P where the sinus node leads, QRS and T wherever the ventricles are reached from
        above.

    Returns
    -------
    array
        mV, shape ``(lead, sample)``.
    """
    out = np.zeros((len(lead_matrix), n_samples))
    for anchor in ("P", "QRS", "T"):
        group = [wave for wave in waves if wave.anchor == anchor]
        if only is not None:
            select = beats.kind == only
        else:
            select = beats.kind == NORMAL if anchor == "P" else beats.kind != VENTRICULAR
        if group and select.any():
            _render_group(out, group, beats, select, lead_matrix, rate_hz)
    return out


def _render_group(
    out: FloatArray,
    group: Sequence[Wave],
    beats: Beats,
    select: NDArray[np.bool_],
    lead_matrix: FloatArray,
    rate_hz: float,
) -> None:
    is_t = group[0].anchor == "T"
    anchor_s = (beats.p_onset_s if group[0].anchor == "P" else beats.r_s)[select]
    stretch = beats.qt_factor[select] if is_t else np.ones(len(anchor_s))
    centre, left, right = (
        np.array([getattr(wave, name) for wave in group], dtype=np.float32)
        for name in ("centre_s", "left_s", "right_s")
    )
    flat = np.array([wave.flat for wave in group])
    weights = (lead_matrix @ np.array([wave.vector_mv for wave in group]).T).astype(np.float32)
    widest = float(stretch.max())
    reach = np.where(flat, FLAT_REACH, REACH)
    first = int(np.floor((centre - reach * left).min() * widest * rate_hz))
    last = int(np.ceil((centre + reach * right).max() * widest * rate_hz)) + 1
    start = np.round(anchor_s * rate_hz).astype(int)
    time_s = (start[:, None] + np.arange(first, last)) / rate_hz - anchor_s[:, None]
    from_centre = (time_s / stretch[:, None]).astype(np.float32)[:, None, :] - centre[:, None]
    from_centre *= np.where(from_centre < 0, 1 / left[:, None], 1 / right[:, None])
    shapes = np.square(from_centre, out=from_centre)
    if flat.any():
        shapes[:, flat] = np.square(shapes[:, flat])
    shapes *= np.float32(-0.5)
    np.exp(shapes, out=shapes)
    drawn = (weights @ shapes) * beats.gain[select].astype(np.float32)[:, None, None]
    n_samples = out.shape[1]
    for begin, beat in zip(start + first, drawn, strict=True):
        low, high = max(begin, 0), min(begin + beat.shape[1], n_samples)
        if low < high:
            out[:, low:high] += beat[:, low - begin : high - begin]


def rotate(vector_mv: FloatArray, frontal_deg: float, horizontal_deg: float) -> FloatArray:
    """Turn a dipole in the frontal plane (clockwise: I towards aVF), then in the horizontal one
    (left towards back)."""
    f, h = np.deg2rad(frontal_deg), np.deg2rad(horizontal_deg)
    x, y, z = vector_mv
    x, y = x * np.cos(f) - y * np.sin(f), x * np.sin(f) + y * np.cos(f)
    x, z = x * np.cos(h) - z * np.sin(h), x * np.sin(h) + z * np.cos(h)
    return np.array([x, y, z])

"""Premature beats: distractors, drawn independently of the label.

Ventricular: no P, QRS of 120 ms and more, T against it, full compensatory pause; atrial: another P,
early, then a normal QRS (Surawicz and Knilans, *Chou's Electrocardiography*, ch. 17 and 19).
"""

import numpy as np

from ecgcore.simulate.anatomy import Heart
from ecgcore.simulate.dipole import Wave


def ventricular_beat(rng: np.random.Generator) -> list[Wave]:
    """Waves of a PVC from a random focus."""
    direction = rng.normal(0, 1, 3)
    direction /= np.linalg.norm(direction)
    size_mv = rng.uniform(0.9, 2.0)
    later = direction + rng.normal(0, 0.25, 3)
    return [
        Wave("QRS", 0.000, 0.020, 0.022, size_mv * direction),
        Wave("QRS", 0.045, 0.022, 0.026, 0.6 * size_mv * later),
        Wave("T", 0.300, 0.065, 0.050, -0.40 * size_mv * direction),
        Wave("T", 0.160, 0.080, 0.080, -0.10 * size_mv * direction, flat=True),
    ]


def atrial_p(rng: np.random.Generator, heart: Heart) -> list[Wave]:
    """P of another place in the atria, often closer to QRS."""
    turn = np.array([rng.uniform(-1.0, 1.0), rng.uniform(-1.2, 0.8), rng.uniform(-1.0, 1.0)])
    later_s = rng.uniform(0.0, 0.03)
    return [
        wave._replace(vector_mv=wave.vector_mv * turn, centre_s=wave.centre_s + later_s)
        for wave in heart.p
    ]

"""Does the attribution of a set of units foretell what taking them out does?

The same random sets of units are taken out once, with the network run again; every attribution is
then held against the falls of the logit that were seen.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgcore.faithful.deletion import Floats, Units

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Falls:
    """What taking out random sets of units did.

    ``taken_out (draw, record, lead, window)``, ``fall (draw, record)``: logit before minus after.
    """

    taken_out: NDArray[np.bool_]
    fall: Floats


def random_falls(units: Units, *, n_draws: int = 20, share: float = 0.1, seed: int) -> Falls:
    """Take out ``n_draws`` random sets of units, each with about ``share`` of them."""
    rng = np.random.default_rng(seed)
    taken_out = rng.random((n_draws, len(units.x), *units.shape)) < share
    fall = np.stack([units.whole - units.without(one) for one in taken_out])
    return Falls(taken_out, fall)


def foretold(units: Units, attribution: NDArray[np.floating], falls: Falls) -> pd.DataFrame:
    """How well the attribution's sums over the sets go with the falls, record by record.

    Returns
    -------
    DataFrame
        ``faithfulness_correlation``: Pearson's r over the sets (Bhatt et al. 2020, arXiv
        2005.00631), large is good; ``infidelity``: mean squared error of the foretold fall after
        the best rescaling, as a share of the mean squared fall (Yeh et al. 2019, arXiv
        1901.09392, normalised), 0 is perfect and 1 as good as foretelling nothing.
    """
    foretold = (units.sums(attribution) * falls.taken_out).sum(axis=(2, 3))
    fall = falls.fall
    centred = [part - part.mean(axis=0) for part in (foretold, fall)]
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (centred[0] * centred[1]).mean(0) / (centred[0].std(0) * centred[1].std(0))
        both = (foretold * fall).mean(0)
        rescaled = both**2 / ((foretold**2).mean(0) * (fall**2).mean(0))
    r = np.where(centred[0].std(0) > 0, r, 0.0)  # a map that is the same everywhere foretells none
    return pd.DataFrame(
        {"faithfulness_correlation": r, "infidelity": 1 - np.nan_to_num(rescaled, nan=0.0)}
    )


def max_sensitivity(
    explain: Callable[[Floats32], NDArray[np.floating]],
    x: NDArray[np.floating],
    *,
    radius: float = 0.02,
    n_draws: int = 5,
    seed: int,
) -> Floats:
    """Largest relative change of an attribution under small noise (Yeh et al. 2019).

    Parameters
    ----------
    explain
        Signals to attributions of the same shape.
    radius
        Noise is uniform in ``(-radius, radius)``, in units of ``x``.

    Returns
    -------
    array
        Norm of the change over the norm of the attribution, the largest of the draws; shape
        ``(record,)``, 0 for an attribution that stands still.
    """
    signals = np.asarray(x, dtype=np.float32)
    rng, worst = np.random.default_rng(seed), np.zeros(len(signals))
    before = np.asarray(explain(signals), np.float64).reshape(len(signals), -1)
    size = np.linalg.norm(before, axis=1)
    for _ in range(n_draws):
        noise = rng.uniform(-radius, radius, signals.shape).astype(np.float32)
        after = np.asarray(explain(signals + noise), np.float64).reshape(len(signals), -1)
        with np.errstate(invalid="ignore", divide="ignore"):
            worst = np.fmax(worst, np.linalg.norm(after - before, axis=1) / size)
    return worst

"""Does an explanation stay what it is: over seeds, under noise, when the record starts later?"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ecgcore.errors import EcgcoreError

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


def rank_agreement(
    one: NDArray[np.floating], other: NDArray[np.floating], *, pool_samples: int = 1
) -> Floats:
    """Spearman's correlation of two attributions of the same records, shape ``(record,)``.

    Parameters
    ----------
    one, other
        Shape ``(record, lead, sample)``.
    pool_samples
        Sum over so many neighbouring samples first: two explanations that differ by a sample are
        the same to a reader.

    Returns
    -------
    array
        nan where one of the two is the same everywhere.
    """
    if one.shape != other.shape:
        raise EcgcoreError(f"rank_agreement: shapes {one.shape} and {other.shape} differ.")
    ranks = [_ranks(values, pool_samples) for values in (one, other)]
    sizes = [np.sqrt((part**2).sum(axis=1)) for part in ranks]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((ranks[0] * ranks[1]).sum(axis=1) / (sizes[0] * sizes[1]))


def _ranks(values: NDArray[np.floating], pool_samples: int) -> Floats:
    starts = np.arange(0, values.shape[-1], pool_samples)
    pooled = np.add.reduceat(np.asarray(values, np.float64), starts, axis=-1)
    ranks = rankdata(pooled.reshape(len(values), -1), axis=1)
    return np.asarray(ranks - ranks.mean(axis=1, keepdims=True))


def shift_agreement(
    explain: Callable[[Floats32], NDArray[np.floating]],
    x: NDArray[np.floating],
    *,
    shift_samples: int,
    pool_samples: int = 1,
) -> Floats:
    """Rank agreement of an explanation with that of the record starting later.

    The record is turned round by ``shift_samples`` (its end comes to its start), and so is the
    explanation back again; a method that follows the beats gives the same map, but for the seam,
    which is left out.
    """
    signals = np.asarray(x, dtype=np.float32)
    before = explain(signals)
    after = np.roll(explain(np.roll(signals, shift_samples, axis=-1)), -shift_samples, axis=-1)
    seam = slice(shift_samples, x.shape[-1] - shift_samples)
    return rank_agreement(before[..., seam], after[..., seam], pool_samples=pool_samples)


def noise_agreement(
    explain: Callable[[Floats32], NDArray[np.floating]],
    x: NDArray[np.floating],
    *,
    noise: float = 0.02,
    pool_samples: int = 1,
    seed: int,
) -> Floats:
    """Rank agreement of an explanation with that of the record plus white noise.

    ``noise`` is its standard deviation, in units of ``x``.
    """
    signals = np.asarray(x, dtype=np.float32)
    added = np.random.default_rng(seed).normal(0, noise, signals.shape).astype(np.float32)
    return rank_agreement(explain(signals), explain(signals + added), pool_samples=pool_samples)

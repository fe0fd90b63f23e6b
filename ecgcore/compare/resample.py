"""Bootstrap of every metric, by patient, with the scores sorted once.

One resample is a vector of counts at the distinct scores (a :class:`~ecgcore.metrics.ScoreTable`),
so no score is sorted again and every metric of a block of resamples is one array expression.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ecgcore.compare.intervals import closed_form
from ecgcore.errors import EcgcoreError
from ecgcore.metrics import METRICS, ScoreTable, bin_edges
from ecgcore.metrics.checks import Floats, Ints, binary, probabilities
from ecgcore.metrics.table import Binning

DEFAULT_METRICS = (
    "auroc",
    "auprc",
    "accuracy",
    "balanced_accuracy",
    "f1",
    "precision",
    "sensitivity",
    "specificity",
    "mcc",
    "ece",
    "brier",
    "log_loss",
)
RANK_METRICS = ("auroc", "auprc")
_BLOCK_BYTES = 1 << 20  # counts of one block stay in the second-level cache


def bootstrap(
    y: ArrayLike,
    score: ArrayLike,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    seed: int,
    level: float = 0.95,
    threshold: float = 0.5,
    ece_bins: int = 10,
    binning: Binning = "equal_width",
    ranking: ArrayLike | None = None,
) -> pd.DataFrame:
    """Percentile intervals of metrics by resampling patients with replacement.

    Parameters
    ----------
    y, score
        Labels 0/1 and probabilities of the positive class, shape ``(record,)``.
    metrics
        Names from :data:`ecgcore.metrics.METRICS`.
    groups
        Patient of every record, shape ``(record,)``; a drawn patient brings all its records.
        Without it every record is its own group.
    n_resamples, seed
        Number of resamples, and the seed that makes them the same next time.
    level
        Coverage of the intervals.
    threshold, ece_bins, binning
        Operating point and bins as in :func:`ecgcore.metrics.evaluate`; bins of equal mass are
        those of the data themselves in every resample.
    ranking
        Orders the records for AUROC and AUPRC in place of ``score``, where probabilities may have
        rounded to 1: :func:`ecgcore.metrics.ranking` of the logits.

    Returns
    -------
    DataFrame
        One row a metric: ``metric``, ``value`` (on the data themselves), ``low``, ``high``, ``se``
        (standard deviation over resamples), ``n_undefined`` (resamples without a value, left out)
        and ``method``: ``percentile``; ``score`` for a value of exactly 0 or 1 at which all
        resamples agree, where a percentile interval would be a point (Wilson, Newcombe); ``none``,
        with ``nan`` bounds, where such a metric has no closed form.

    Raises
    ------
    EcgcoreError
        For an unknown metric, fewer than one resample, or labels and scores that do not fit.
    """
    if ranking is not None:
        parts = []
        for name in metrics:
            ordered = ranking if name in RANK_METRICS else score
            parts.append(
                bootstrap(
                    y, ordered, metrics=[name], groups=groups, n_resamples=n_resamples, seed=seed,
                    level=level, threshold=threshold, ece_bins=ece_bins, binning=binning,
                )
            )  # fmt: skip
        return pd.concat(parts, ignore_index=True)
    labels, (scores,), group = _checked(y, [score], groups, metrics, n_resamples)
    called = (scores >= threshold).astype(np.int64)
    edges = bin_edges(scores, ece_bins, binning)
    (values,), (resampled,) = _values_and_resamples(
        labels, [scores], group, metrics, n_resamples, seed, threshold, edges
    )
    rows = []
    for name in metrics:
        low, high, se, undefined = _interval(resampled[name], level)
        method = "percentile"
        if se == 0 and values[name] in (0.0, 1.0):
            closed = closed_form(name, values[name], labels, called, group, level)
            low, high = closed or (np.nan, np.nan)
            method = "score" if closed else "none"
        rows.append((name, values[name], low, high, se, undefined, method))
    columns = ["metric", "value", "low", "high", "se", "n_undefined", "method"]
    return pd.DataFrame(rows, columns=columns)


def paired_bootstrap(
    y: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    seed: int,
    level: float = 0.95,
    threshold: float = 0.5,
    ece_bins: int = 10,
    margin: float | None = None,
) -> pd.DataFrame:
    """Differences ``a - b`` of two models on the same records, both seen by the same resamples.

    Parameters are those of :func:`bootstrap`.  With ``margin`` the two models are also tested for
    equivalence: the interval of level ``1 - 2 alpha`` (90 % for ``level`` 0.95) must lie inside
    ``(-margin, margin)``; state the margin before looking.

    Returns
    -------
    DataFrame
        ``metric``, ``a``, ``b``, ``difference``, ``low``, ``high``, ``se``, ``p`` (two-sided, from
        the share of resamples at or beyond no difference, plus one), ``n_undefined``; with
        ``margin`` also ``equivalence_low``, ``equivalence_high``, ``equivalent``.
    """
    labels, scores, group = _checked(y, [score_a, score_b], groups, metrics, n_resamples)
    edges = bin_edges(scores[0], ece_bins)
    (a, b), (resampled_a, resampled_b) = _values_and_resamples(
        labels, scores, group, metrics, n_resamples, seed, threshold, edges
    )
    rows = []
    for name in metrics:
        difference = resampled_a[name] - resampled_b[name]
        low, high, se, undefined = _interval(difference, level)
        row = {"metric": name, "a": a[name], "b": b[name], "difference": a[name] - b[name]}
        row |= {"low": low, "high": high, "se": se, "p": two_sided_p(difference)}
        row |= {"n_undefined": undefined}
        if margin is not None:
            inner_low, inner_high, *_ = _interval(difference, 2 * level - 1)
            row |= {"equivalence_low": inner_low, "equivalence_high": inner_high}
            row |= {"equivalent": bool(-margin < inner_low and inner_high < margin)}
        rows.append(row)
    return pd.DataFrame(rows)


def resample_metrics(
    y: ArrayLike,
    scores: Sequence[ArrayLike],
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    seed: int,
    threshold: float = 0.5,
    ece_bins: int = 10,
) -> list[dict[str, Floats]]:
    """The resampled values themselves: for each score a dict of metric to ``(resample,)``.

    All scores see the same resamples: differences, means over seeds, and ranks can be formed
    resample by resample.
    """
    labels, arrays, group = _checked(y, scores, groups, metrics, n_resamples)
    edges = bin_edges(arrays[0], ece_bins)
    return _values_and_resamples(
        labels, arrays, group, metrics, n_resamples, seed, threshold, edges
    )[1]


def two_sided_p(difference: Floats) -> float:
    """Twice the smaller share of resamples at or beyond 0, with one added to both counts."""
    defined = difference[np.isfinite(difference)]
    tail = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (defined.size + 1)) if defined.size else float("nan")


def group_codes(groups: ArrayLike | None, n_records: int) -> Ints:
    """Groups as 0, 1, 2, … in order of their sorted names; records themselves without groups."""
    if groups is None:
        return np.arange(n_records)
    values = np.asarray(groups)
    if values.shape != (n_records,) or pd.isna(values).any():
        raise EcgcoreError(
            f"groups: expected one patient for each of the {n_records} records and none missing, "
            f"got shape {values.shape}."
        )
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _checked(
    y: ArrayLike,
    scores: Sequence[ArrayLike],
    groups: ArrayLike | None,
    metrics: Sequence[str],
    n_resamples: int,
) -> tuple[Ints, list[Floats], Ints]:
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise EcgcoreError(f"metrics: unknown {unknown}; expected some of {', '.join(METRICS)}.")
    if n_resamples < 1:
        raise EcgcoreError(f"n_resamples: expected at least 1, got {n_resamples}.")
    labels = binary(y, "y")
    arrays = [probabilities(score, labels.size, "score") for score in scores]
    return labels, arrays, group_codes(groups, labels.size)


def _interval(resampled: Floats, level: float) -> tuple[float, float, float, int]:
    defined = resampled[np.isfinite(resampled)]
    undefined = int(resampled.size - defined.size)
    if not defined.size:
        return float("nan"), float("nan"), float("nan"), undefined
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), float(defined.std()), undefined


def _values_and_resamples(
    y: Ints,
    scores: Sequence[Floats],
    group: Ints,
    metrics: Sequence[str],
    n_resamples: int,
    seed: int,
    threshold: float,
    edges: Floats,
) -> tuple[list[dict[str, float]], list[dict[str, Floats]]]:
    """Metrics on the data, and on the resamples, for each of the scores."""
    codes: list[Ints] = []
    tables: list[tuple[Floats, int]] = []
    for score in scores:
        distinct, position = np.unique(score, return_inverse=True)
        codes.append(y * distinct.size + position)
        tables.append((distinct, distinct.size))

    def table(which: int, counts: Floats) -> ScoreTable:
        distinct, g = tables[which]
        return ScoreTable(distinct, counts[..., :g], counts[..., g:], threshold, edges)

    values, resampled = [], []
    for which, code in enumerate(codes):
        whole = table(which, np.bincount(code, minlength=2 * tables[which][1]).astype(float))
        values.append({name: float(METRICS[name](whole)) for name in metrics})
        resampled.append({name: np.empty(n_resamples) for name in metrics})
    sizes = [2 * g for _, g in tables]
    for start, blocks in count_blocks(codes, sizes, group, n_resamples, seed):
        for which, counts in enumerate(blocks):
            block = table(which, counts)
            for name in metrics:
                resampled[which][name][start : start + len(counts)] = METRICS[name](block)
    return values, resampled


def count_blocks(
    codes: Sequence[Ints], sizes: Sequence[int], group: Ints, n_resamples: int, seed: int
) -> Iterator[tuple[int, list[Floats]]]:
    """Yield (first resample, counts ``(resample, code)`` for each coding), block by block."""
    rng = np.random.default_rng(seed)
    n_groups = int(group.max()) + 1
    alone = n_groups == group.size  # then a drawn group is a drawn record
    if alone:
        codes = [code[np.argsort(group)] for code in codes]
    rows = max(1, min(n_resamples, _BLOCK_BYTES // (8 * max(sizes))))
    for start in range(0, n_resamples, rows):
        drawn = rng.integers(0, n_groups, (min(rows, n_resamples - start), n_groups))
        blocks = [np.empty((len(drawn), size)) for size in sizes]
        for row, draw in enumerate(drawn):
            times = None if alone else np.bincount(draw, minlength=n_groups)[group]
            for code, size, counts in zip(codes, sizes, blocks, strict=True):
                counts[row] = (
                    np.bincount(code[draw], minlength=size)
                    if times is None
                    else np.bincount(code, weights=times, minlength=size)
                )
        yield start, blocks

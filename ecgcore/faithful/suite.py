"""Every method through every test, beside the controls that must lose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ecgcore.compare import bootstrap_mean
from ecgcore.errors import EcgcoreError
from ecgcore.faithful.deletion import LogitOf, deletion_curves, deletion_scores
from ecgcore.faithful.fills import Fill
from ecgcore.faithful.localisation import localisation

Maps = Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True)
class SuiteResult:
    """What :func:`suite` found.

    Attributes
    ----------
    scores
        One row a method and metric: ``method``, ``control`` (bool), ``metric``, ``n``, ``value``,
        ``low``, ``high``.  Large is good for every metric.
    verdicts
        One row a method, control and metric: ``difference`` (method minus control, paired over
        records) with ``low`` and ``high``, and ``verdict``: ``control loses`` (the interval lies
        above 0), ``not shown`` (it holds 0, difference above 0), ``control wins`` (difference of
        0 or below).
    records
        The scores of every record: ``method``, ``record``, and a column a metric.
    """

    scores: pd.DataFrame
    verdicts: pd.DataFrame
    records: pd.DataFrame


def suite(
    methods: Maps,
    controls: Maps,
    *,
    seed: int,
    mask: NDArray[np.bool_] | None = None,
    logit_of: LogitOf | None = None,
    x: NDArray[np.floating] | None = None,
    rate_hz: float | None = None,
    donor: NDArray[np.floating] | None = None,
    window_s: float = 0.2,
    pool_samples: int = 1,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
) -> SuiteResult:
    """Score methods and controls alike, and let each method meet each control.

    Parameters
    ----------
    methods, controls
        Name to signed attribution, all of one shape ``(record, lead, sample)``.
    mask
        Where the evidence lies (simulated records); localisation is scored when it is given.
    logit_of, x, rate_hz
        The network and its input; deletion is scored when they are given.
    donor
        Signals of other records for a second fill; without it only the bridge is used.
    window_s, pool_samples
        Units of deletion; pooling of localisation.
    groups
        Patient of every record, for the intervals.
    """
    overlap = set(methods) & set(controls)
    if overlap or not methods:
        raise EcgcoreError(
            f"methods, controls: expected at least one method and no name in both, got {overlap}."
        )
    frames = {}
    for name, attribution in {**methods, **controls}.items():
        parts = []
        if mask is not None:
            found = localisation(attribution, mask, pool_samples=pool_samples)
            parts.append(found.drop(columns="mask_share"))
        if logit_of is not None and x is not None and rate_hz is not None:
            for fill in ("bridge",) if donor is None else ("bridge", "donor"):
                how: Fill = fill  # type: ignore[assignment]
                curves = deletion_curves(
                    logit_of,
                    x,
                    attribution,
                    rate_hz=rate_hz,
                    window_s=window_s,
                    fill=how,
                    donor=donor,
                )
                parts.append(deletion_scores(curves).add_suffix(f"_{fill}"))
        if not parts:
            raise EcgcoreError(
                "suite: nothing to score with; give mask, or logit_of with x and rate_hz."
            )
        frames[name] = pd.concat(parts, axis=1)
    return SuiteResult(
        _scores(frames, set(controls), groups, n_resamples, seed),
        _verdicts(frames, list(methods), list(controls), groups, n_resamples, seed),
        pd.concat(frames, names=["method", "record"]).reset_index(),
    )


def _scores(
    frames: Mapping[str, pd.DataFrame],
    controls: set[str],
    groups: ArrayLike | None,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    parts = []
    for name, frame in frames.items():
        table = bootstrap_mean(frame, groups=groups, n_resamples=n_resamples, seed=seed)
        table = table.rename_axis("metric").reset_index()[["metric", "n", "value", "low", "high"]]
        table.insert(0, "control", name in controls)
        table.insert(0, "method", name)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def _verdicts(
    frames: Mapping[str, pd.DataFrame],
    methods: Sequence[str],
    controls: Sequence[str],
    groups: ArrayLike | None,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    columns = ["method", "control", "metric", "difference", "low", "high", "verdict"]
    rows = []
    for method in methods:
        for control in controls:
            table = bootstrap_mean(
                frames[method] - frames[control],
                groups=groups,
                n_resamples=n_resamples,
                seed=seed,
            )
            for metric, row in table.iterrows():
                value, low, high = float(row["value"]), float(row["low"]), float(row["high"])
                verdict = "control loses" if low > 0 else "not shown"
                if not value > 0:
                    verdict = "control wins"
                rows.append((method, control, metric, value, low, high, verdict))
    return pd.DataFrame(rows, columns=columns)


def require_controls_lose(
    result: SuiteResult,
    *,
    methods: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    strict: bool = False,
) -> None:
    """Fail loudly when a control wins against one of ``methods`` (default all).

    ``strict`` also refuses what was not shown: the interval must lie above 0.

    Raises
    ------
    EcgcoreError
        Naming every method, control and metric.
    """
    table = result.verdicts
    bad = ["control wins", "not shown"] if strict else ["control wins"]
    chosen = table["verdict"].isin(bad)
    if methods is not None:
        chosen &= table["method"].isin(methods)
    if metrics is not None:
        chosen &= table["metric"].isin(metrics)
    if chosen.any():
        words = [
            f"{r.method} against {r.control} in {r.metric} ({r.difference:+.3g})"
            for r in table[chosen].itertuples()
        ]
        raise EcgcoreError(f"A control that knows nothing was not beaten: {'; '.join(words)}.")

"""Every method through every test, beside the controls that must lose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ecgcore.compare import bootstrap_mean
from ecgcore.errors import EcgcoreError
from ecgcore.faithful.deletion import FRACTIONS, LogitOf, Units, curves_of, deletion_scores
from ecgcore.faithful.localisation import localisation
from ecgcore.faithful.perturbation import Falls, foretold

Maps = Mapping[str, NDArray[np.floating]]

LOWER_IS_BETTER = frozenset({"infidelity", "max_sensitivity"})
"""Metrics of which a small value is good; of every other a large one is."""


@dataclass(frozen=True)
class SuiteResult:
    """What :func:`suite` found.

    Attributes
    ----------
    scores
        One row a method and metric: ``method``, ``control`` (bool), ``metric``, ``n``, ``value``,
        ``low``, ``high``.  Large is good but for :data:`LOWER_IS_BETTER`.
    verdicts
        One row a method, control and metric: ``difference`` (method minus control, paired over
        records, turned so that above 0 the method is better) with ``low`` and ``high``, and
        ``verdict``: ``control loses`` (the interval lies above 0), ``not shown`` (it holds 0,
        difference above 0), ``control wins`` (difference of 0 or below).
    records
        The scores of every record: ``method``, ``record``, and a column a metric.
    """

    scores: pd.DataFrame
    verdicts: pd.DataFrame
    records: pd.DataFrame


def place_scores(maps: Maps, mask: NDArray[np.bool_], *, pool_samples: int = 1) -> pd.DataFrame:
    """Localisation of every map: ``method``, ``record`` and a column a metric."""
    frames = {
        name: localisation(values, mask, pool_samples=pool_samples).drop(columns="mask_share")
        for name, values in maps.items()
    }
    return _stacked(frames)


def rerun_scores(
    maps: Maps,
    units: Sequence[Units],
    *,
    fractions: Sequence[float] = FRACTIONS,
    falls: Falls | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What needs the network run again: deletion under each fill, and what was foretold.

    Parameters
    ----------
    units
        The same records cut alike, one a fill; the names of metrics end in the fill's.
    falls
        Of the first of ``units``; without it nothing is asked to be foretold.

    Returns
    -------
    records, curves
        ``method``, ``record`` and a column a metric; and the mean curves, tidy: ``method, fill,
        fraction, morf, lerf``.
    """
    frames, curves = {}, []
    for name, attribution in maps.items():
        parts = []
        for cut in units:
            found = curves_of(cut, attribution, fractions)
            parts.append(deletion_scores(found).add_suffix(f"_{cut.fill}"))
            mean = {"fraction": found.fraction, "morf": found.morf.mean(0)}
            mean["lerf"] = found.lerf.mean(0)
            curves.append(pd.DataFrame(mean).assign(method=name, fill=cut.fill))
        if falls is not None:
            parts.append(foretold(units[0], attribution, falls))
        frames[name] = pd.concat(parts, axis=1)
    return _stacked(frames), pd.concat(curves, ignore_index=True)


def _stacked(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, names=["method", "record"]).reset_index()


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
    maps, parts = {**methods, **controls}, []
    if mask is not None:
        parts.append(place_scores(maps, mask, pool_samples=pool_samples))
    if logit_of is not None and x is not None and rate_hz is not None:
        units = [Units(logit_of, x, rate_hz, window_s)]
        if donor is not None:
            units.append(Units(logit_of, x, rate_hz, window_s, "donor", donor))
        parts.append(rerun_scores(maps, units)[0])
    if not parts:
        raise EcgcoreError(
            "suite: nothing to score with; give mask, or logit_of with x and rate_hz."
        )
    records = parts[0] if len(parts) == 1 else parts[0].merge(parts[1], on=["method", "record"])
    if groups is not None:
        records["group"] = np.asarray(groups)[records["record"]]
    return compared(records, list(controls), n_resamples=n_resamples, seed=seed)


def compared(
    records: pd.DataFrame, controls: Sequence[str], *, n_resamples: int = 1000, seed: int
) -> SuiteResult:
    """Scores with intervals over records, and every method against every control.

    Parameters
    ----------
    records
        ``method``, ``record``, a column a metric, and where patients have several records
        ``group``.  Several rows of one method and record (seeds) are averaged first.
    controls
        Which of the methods are controls.
    """
    keys = ["method", "record", "group"]
    metrics = [name for name in records.columns if name not in keys]
    wide = records.groupby(["method", "record"], sort=False)[metrics].mean()
    group_of = None
    if "group" in records:
        group_of = records.drop_duplicates("record").set_index("record")["group"]
    names = list(dict.fromkeys(records["method"]))
    how = {"n_resamples": n_resamples, "seed": seed}
    scores = []
    for name in names:
        own = wide.loc[name]
        groups = None if group_of is None else group_of.loc[own.index]
        table = bootstrap_mean(own, groups=groups, **how).rename_axis("metric").reset_index()
        table = table[["metric", "n", "value", "low", "high"]]
        scores.append(table.assign(method=name, control=name in controls))
    order = ["method", "control", "metric", "n", "value", "low", "high"]
    verdicts = []
    for name in [name for name in names if name not in controls]:
        for control in [name for name in names if name in controls]:
            difference = wide.loc[name] - wide.loc[control]
            difference = difference * [-1 if m in LOWER_IS_BETTER else 1 for m in metrics]
            difference = difference.dropna(how="all")
            if len(difference):
                groups = None if group_of is None else group_of.loc[difference.index]
                table = bootstrap_mean(difference, groups=groups, **how)
                verdicts.append(_verdicts(table).assign(method=name, control=control))
    columns = ["method", "control", "metric", "difference", "low", "high", "verdict"]
    found = pd.concat(verdicts, ignore_index=True) if verdicts else pd.DataFrame(columns=columns)
    return SuiteResult(pd.concat(scores, ignore_index=True)[order], found[columns], records)


def _verdicts(table: pd.DataFrame) -> pd.DataFrame:
    known = table[table["n"] > 0].rename(columns={"value": "difference"})
    words = np.where(known["low"] > 0, "control loses", "not shown")
    words = np.where(known["difference"] > 0, words, "control wins")
    known = known.rename_axis("metric").reset_index()[["metric", "difference", "low", "high"]]
    return known.assign(verdict=words)


def unbeaten(
    result: SuiteResult,
    *,
    methods: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    strict: bool = False,
) -> list[str]:
    """Sentences for every control that won against one of ``methods`` (default all).

    ``strict`` counts what was not shown too: the interval must lie above 0.
    """
    table = result.verdicts
    bad = ["control wins", "not shown"] if strict else ["control wins"]
    chosen = table["verdict"].isin(bad)
    if methods is not None:
        chosen &= table["method"].isin(methods)
    if metrics is not None:
        chosen &= table["metric"].isin(metrics)
    return [
        f"{r.method} against {r.control} in {r.metric} ({r.difference:+.3g})"
        for r in table[chosen].itertuples()
    ]


def require_controls_lose(
    result: SuiteResult,
    *,
    methods: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    strict: bool = False,
) -> None:
    """Fail loudly when a control wins; see :func:`unbeaten`.

    Raises
    ------
    EcgcoreError
        Naming every method, control and metric.
    """
    words = unbeaten(result, methods=methods, metrics=metrics, strict=strict)
    if words:
        raise EcgcoreError(f"A control that knows nothing was not beaten: {'; '.join(words)}.")

"""Experiments between rival explanations: what each predicts, what came out, whom it supports.

The predictions are data, written before the runs are read; outcomes and verdicts are computed
from intervals.  Used by the chapter on the sampling rate: receptive field or noise?
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

Outcome = Literal["lower", "same", "higher", "undecided"]

NATIVE: dict[str, Any] = {
    "receptive_field_ms": 0.0,
    "widen": "dilation",
    "content_hz": 0.0,
    "upsampled_from_hz": 0,
    "muscle_snr_db": 100.0,
    "resampler": "fft",
}
"""Parameters of ``frequency_train`` in paper B's own arm: everything in samples, nothing added."""

EXPLANATIONS = ("field", "noise")


@dataclass(frozen=True)
class Contrast:
    """Two kinds of run that differ in one thing, and what each explanation predicts of them.

    ``changed`` and ``reference`` are parameters of the runs; what they do not name is
    :data:`NATIVE`.  ``if_field`` and ``if_noise`` say how the changed runs' metric will lie to the
    reference's if the receptive field, or noise, is the cause.
    """

    arm: str
    question: str
    changed: Mapping[str, Any]
    reference: Mapping[str, Any]
    if_field: Outcome
    if_noise: Outcome

    @property
    def decides(self) -> bool:
        """Whether the explanations predict different outcomes."""
        return self.if_field != self.if_noise


def having(runs: pd.DataFrame, **parameters: Any) -> pd.DataFrame:
    """Rows of a table of runs that were made with these parameters, else :data:`NATIVE` ones.

    Numbers need to agree to a thousandth: a receptive field in ms is seldom a round one.
    """
    wanted = {**NATIVE, **parameters}
    rows = pd.Series(True, index=runs.index)
    for name, value in wanted.items():
        is_number = isinstance(value, int | float)
        rows &= np.isclose(runs[name], value, rtol=1e-3) if is_number else runs[name] == value
    return runs[rows]


def outcome(low: float, high: float, margin: float) -> Outcome:
    """*same* if the interval lies within the margin, else *lower* or *higher* if it excludes 0.

    A difference that is certain and smaller than the margin is *same*: the margin says what counts.
    """
    if -margin < low and high < margin:
        return "same"
    if high < 0:
        return "lower"
    return "higher" if low > 0 else "undecided"


def judged(
    contrasts: Sequence[Contrast], differences: Sequence[Any], *, margin: float
) -> pd.DataFrame:
    """One row a contrast: prediction, difference, outcome, verdict.

    Parameters
    ----------
    contrasts
        The experiments.
    differences
        For each an object with ``difference, low, high, p, n_seeds`` (such as
        :class:`ecgcore.compare.SeedDifference`), or None where its runs are missing.
    margin
        Largest difference that counts as none.

    Returns
    -------
    pandas.DataFrame
        ``arm, question, if_field, if_noise, n_seeds, difference, low, high, p, outcome``
        (*not run* where missing), ``decides`` and ``verdict``: *receptive field*, *noise*, *as
        both predict*, *as neither predicts*, *undecided* or *not run*.
    """
    rows = []
    for contrast, found in zip(contrasts, differences, strict=True):
        row: dict[str, Any] = {
            name: getattr(contrast, name)
            for name in ("arm", "question", "if_field", "if_noise", "decides")
        }
        if found is None:
            rows.append({**row, "outcome": "not run", "verdict": "not run"})
            continue
        came = outcome(found.low, found.high, margin)
        kept = ("n_seeds", "difference", "low", "high", "p")
        rows.append(
            {**row, **{name: getattr(found, name) for name in kept}}
            | {"outcome": came, "verdict": _verdict(came, contrast)}
        )
    columns = ["arm", "question", "if_field", "if_noise", "n_seeds", "difference", "low", "high"]
    return pd.DataFrame(rows).reindex(columns=[*columns, "p", "outcome", "decides", "verdict"])


def _verdict(came: Outcome, contrast: Contrast) -> str:
    if came == "undecided":
        return "undecided"
    field, noise = came == contrast.if_field, came == contrast.if_noise
    words = {
        (True, False): "receptive field",
        (False, True): "noise",
        (True, True): "as both predict",
        (False, False): "as neither predicts",
    }
    return words[field, noise]


@dataclass(frozen=True)
class Answer:
    """How the explanations fared; ``explained_by`` is *receptive field*, *noise*, *neither alone*
    or *undecided*."""

    explained_by: str
    n_decided: int
    n_for_field: int
    n_for_noise: int
    n_against_both: int


def answer(table: pd.DataFrame) -> Answer:
    """Sum up a table of :func:`judged`.

    An explanation stands if some deciding experiment came out as it alone predicts and none came
    out otherwise; if neither stands because each was contradicted, it is *neither alone*.
    """
    deciding = table[table["decides"]]
    counts = deciding["verdict"].value_counts()
    field, noise, neither = (
        int(counts.get(word, 0)) for word in ("receptive field", "noise", "as neither predicts")
    )
    if field and not noise and not neither:
        explained_by = "receptive field"
    elif noise and not field and not neither:
        explained_by = "noise"
    elif neither or (field and noise):
        explained_by = "neither alone"
    else:
        explained_by = "undecided"
    return Answer(explained_by, field + noise + neither, field, noise, neither)

"""How well delineation finds the boundaries that cardiologists annotated (LUDB)."""

from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS

_WAVE = {"p": "P", "N": "QRS", "t": "T"}
_BETWEEN = {("P", "QRS"): "PR", ("QRS", "T"): "ST"}


def ludb_waves(path: Path | str, record: int | str) -> pd.DataFrame:
    """Annotated waves of one record of LUDB (Kalyakulina et al. 2020, IEEE Access 8:186181).

    ``path`` is the folder with annotation files such as ``1.ii``; one that cannot be read raises
    :class:`EcgcoreError`.  One row per wave and lead: ``lead`` (PTB-XL's names), ``wave`` (P, QRS,
    T, and between them PR and ST), ``onset`` and ``offset`` [samples at 500 Hz].  Annotations begin
    and end about a second inside the record.
    """
    import wfdb

    rows: list[tuple[str, str, int, int]] = []
    for lead in LEADS:
        try:
            marks = wfdb.rdann(str(Path(path) / str(record)), lead.lower())
        except (OSError, ValueError, IndexError) as error:
            raise EcgcoreError(
                f"{Path(path) / f'{record}.{lead.lower()}'}: expected LUDB's annotation of lead "
                f"{lead}, but it cannot be read ({error}); check the folder and the record number."
            ) from error
        before: tuple[str, int] | None = None
        symbols, samples = marks.symbol, marks.sample
        for k in range(1, len(symbols) - 1):
            wave = _WAVE.get(symbols[k], "")
            if not wave or (symbols[k - 1], symbols[k + 1]) != ("(", ")"):
                continue
            onset, offset = int(samples[k - 1]), int(samples[k + 1])
            gap = _BETWEEN.get((before[0], wave)) if before else None
            if before and gap and before[1] < onset:
                rows.append((lead, gap, before[1], onset))
            rows.append((lead, wave, onset, offset))
            before = (wave, offset)
    return pd.DataFrame(rows, columns=["lead", "wave", "onset", "offset"])


def delineation_errors(
    delineated: pd.DataFrame,
    annotated: pd.DataFrame,
    *,
    rate_hz: float,
    lead: str = "II",
    tolerance_ms: float = 150.0,
) -> pd.DataFrame:
    """Distances of delineated boundaries from annotated ones, in ms.

    Parameters
    ----------
    delineated
        From :func:`ecgcore.explanations.beats.intervals`, at ``rate_hz``.
    annotated
        From :func:`ludb_waves`, in samples at the same rate; only rows of ``lead`` are used.
    tolerance_ms
        A boundary without a delineated one this near is missed (ANSI/AAMI EC57: 150 ms).

    Returns
    -------
    DataFrame
        One row per annotated boundary: ``wave`` (P, QRS, T), ``boundary`` (onset, offset) and
        ``error_ms`` (delineated minus annotated, nan where missed).
    """
    rows = []
    for wave in _WAVE.values():
        truth = annotated[(annotated.lead == lead) & (annotated.wave == wave)]
        for boundary in ("onset", "offset"):
            at = delineated.loc[delineated.wave == wave, boundary].to_numpy(float)
            for sample in truth[boundary]:
                error = (at - sample) * 1000 / rate_hz
                nearest = error[np.abs(error).argmin()] if len(error) else np.nan
                rows.append((wave, boundary, nearest if abs(nearest) <= tolerance_ms else np.nan))
    return pd.DataFrame(rows, columns=["wave", "boundary", "error_ms"])

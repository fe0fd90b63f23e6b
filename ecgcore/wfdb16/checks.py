"""Checks of what was decoded: signals that cannot be trusted, tables that disagree with files."""

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgcore.leads import LEADS, LIMB
from ecgcore.runs import has_still_run, longest_run
from ecgcore.wfdb16.decode import Problem
from ecgcore.wfdb16.write import GAIN, INVALID

if TYPE_CHECKING:
    from ecgcore.ptbxl import Archive

COLUMNS = ("ecg_id", "rate_hz", "lead", "kind", "severity", "detail")
"""Of a quality report. ``severity``: error (the record is left out), warning (kept), note."""

FLAT_S = 1.0
"""A lead that keeps one value for so long is reported as flat; in the real slice none does."""
IDENTITY_MV = 0.05
"""Largest deviation from Einthoven's and Goldberger's identities; rounding makes 0.002 mV."""
OUTLIER_MV = 10.0
PLATEAU_S = 0.02
PLATEAU_MV = 2.0
"""A peak of at least this height that stays at its extreme for ``PLATEAU_S`` looks clipped."""

NOISE_COLUMNS = ("baseline_drift", "static_noise", "burst_noise", "electrodes_problems")
"""PTB-XL's own quality columns."""


@dataclass(frozen=True)
class Issue:
    """One row of a quality report."""

    ecg_id: int
    rate_hz: int
    lead: str
    kind: str
    severity: str
    detail: str


def check_signals(
    adu: NDArray[np.int16], ecg_ids: Sequence[int], rate_hz: int, problems: Mapping[int, Problem]
) -> list[Issue]:
    """Issues of decoded records.

    Parameters
    ----------
    adu
        Shape (record, lead, sample), 1000 adu per mV.
    ecg_ids
        One a record.
    problems
        Records that could not be decoded, by position; their rows of ``adu`` are not looked at.
    """
    found = [
        Issue(ecg_ids[k], rate_hz, "", problem.kind, "error", problem.detail)
        for k, problem in problems.items()
    ]
    good = np.array([k for k in range(len(adu)) if k not in problems], dtype=int)
    if len(good) == 0:
        return found
    if problems:
        adu = adu[good]
    for kind, severity, position, leads, detail in _scan(adu, rate_hz):
        names = " ".join(LEADS[lead] for lead in leads)
        found.append(Issue(ecg_ids[good[position]], rate_hz, names, kind, severity, detail))
    return found


_Finding = tuple[str, str, int, Sequence[int], str]


def _scan(adu: NDArray[np.int16], rate_hz: int) -> Iterable[_Finding]:
    """Kind, severity, position, leads, detail of everything found in one batch."""
    low, high = adu.min(axis=2), adu.max(axis=2)
    yield from _by_record(
        "nan", "error", low == INVALID, "has samples marked as missing (NaN in mV)"
    )
    flat = has_still_run(adu, np.ones(adu.shape[:2]), int(FLAT_S * rate_hz))
    dead: NDArray[np.bool_] = np.asarray(flat.all(axis=1))
    yield from _by_record("flat", "error", flat & dead[:, None], "no lead has a signal")
    said = f"keeps one value for {FLAT_S:g} s or longer"
    yield from _by_record("flat", "warning", flat & ~dead[:, None], said)
    yield from _identities(adu, ~dead)
    height = np.maximum(high.astype(np.int32), -low.astype(np.int32))
    beyond = f"has an amplitude beyond {OUTLIER_MV:g} mV"
    yield from _by_record("amplitude", "warning", height > OUTLIER_MV * GAIN, beyond)
    clipped = _plateaus(adu, low, high, max(3, int(PLATEAU_S * rate_hz))) | (height >= 32767)
    yield from _by_record("clipping", "warning", clipped, "looks clipped at its extreme")


def _by_record(
    kind: str, severity: str, where: NDArray[np.bool_], detail: str
) -> Iterable[_Finding]:
    """One finding a record that has the mark in any lead."""
    for position in np.flatnonzero(where.any(axis=1)):
        leads = np.flatnonzero(where[position])
        names = ", ".join(LEADS[lead] for lead in leads)
        yield kind, severity, int(position), leads.tolist(), f"lead {names} {detail}"


def _plateaus(
    adu: NDArray[np.int16], low: NDArray[np.int16], high: NDArray[np.int16], n_held: int
) -> NDArray[np.bool_]:
    found = np.zeros(low.shape, dtype=bool)
    for extreme in (low, high):
        tall = np.abs(extreme.astype(np.int32)) >= PLATEAU_MV * GAIN
        for position in map(tuple, np.argwhere(tall)):
            held = adu[position] == extreme[position]
            if held.sum() >= n_held:
                found[position] |= longest_run(held) >= n_held
    return found


def _identities(adu: NDArray[np.int16], alive: NDArray[np.bool_]) -> Iterable[_Finding]:
    tolerance = IDENTITY_MV * GAIN
    for position in np.flatnonzero(_is_suspect(adu, int(tolerance)) & alive):
        limb = adu[position, :6].astype(np.float32)
        deviation = _deviation(limb)
        off = deviation.max(axis=0) > tolerance
        if not off.any():
            continue
        size = f"by up to {deviation.max() / GAIN:.3g} mV"
        if off.mean() < 0.1:
            detail = f"{off.sum()} samples violate the identities of the limb leads {size}"
            yield "identities", "warning", int(position), [], detail
            continue
        swapped = _swapped(limb, tolerance)
        guess = f"; leads {swapped} look swapped" if swapped else ""
        said = f"III = II - I and aVR = -(I + II) / 2 and so on do not hold, {size}{guess}"
        yield "identities", "error", int(position), [], said


def _is_suspect(adu: NDArray[np.int16], tolerance: int) -> NDArray[np.bool_]:
    """Records that may violate an identity, by 16-bit sums, which may overflow but are fast."""
    one, two, three, avr, avl, avf = (adu[:, k] for k in range(6))
    suspect = np.zeros(len(adu), dtype=bool)
    for twice in (
        2 * (three - two + one),
        2 * avr + one + two,
        2 * avl - 2 * one + two,
        2 * avf - 2 * two + one,
    ):
        suspect |= (twice.max(axis=1) > 2 * tolerance) | (twice.min(axis=1) < -2 * tolerance)
    return suspect


def _deviation(limb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Size of the violation of each of the four identities, shape (4, sample), adu."""
    one, two, three, avr, avl, avf = limb
    parts = (three - (two - one), avr + (one + two) / 2, avl - one + two / 2, avf - two + one / 2)
    deviation: NDArray[np.float32] = np.abs(np.stack(parts))
    return deviation


def _swapped(limb: NDArray[np.float32], tolerance: float) -> str:
    """The two limb leads whose exchange makes the identities hold, if there are such."""
    for a, b in itertools.combinations(range(6), 2):
        order = list(range(6))
        order[a], order[b] = b, a
        if np.median(_deviation(limb[order]), axis=1).max() <= tolerance / 10:
            return f"{LIMB[a]} and {LIMB[b]}"
    return ""


def digests(adu: NDArray[np.int16]) -> list[str]:
    """A short key of each record: its leads' 16-bit sums and a few of its samples.

    Two records of different signals agree in all of it with negligible probability.
    """
    sums = adu.sum(axis=2, dtype=np.int16)
    picked = adu[:, ::3, :: max(1, adu.shape[2] // 8)].reshape(len(adu), -1)
    rows = np.concatenate([sums, picked], axis=1)
    return [hashlib.blake2b(row.tobytes(), digest_size=12).hexdigest() for row in rows]


def find_twins(keys: Mapping[int, str]) -> dict[int, int]:
    """Records whose signals equal those of an earlier one: ``ecg_id`` -> that of the first."""
    first: dict[str, int] = {}
    for ecg_id in sorted(keys):
        first.setdefault(keys[ecg_id], ecg_id)
    return {ecg_id: first[key] for ecg_id, key in keys.items() if first[key] != ecg_id}


def check_twins(twins: Mapping[int, int], table: pd.DataFrame, rate_hz: int) -> list[Issue]:
    """A warning for each record that repeats an earlier one, and whose that was."""
    found = []
    patient, fold = table["patient_id"].to_dict(), table["strat_fold"].to_dict()
    for ecg_id, first in sorted(twins.items()):
        whose = "the same patient"
        if patient[ecg_id] != patient[first]:
            whose = f"ANOTHER patient (fold {fold[first]}; this one: fold {fold[ecg_id]})"
        detail = f"has the same signals as record {first} of {whose}"
        found.append(Issue(ecg_id, rate_hz, "", "duplicate", "warning", detail))
    return found


def check_tables(archive: "Archive", rates_hz: Sequence[int]) -> list[Issue]:
    """Files without a row (``ecg_id`` 0), and what PTB-XL's own quality columns say."""
    found = []
    for rate_hz in rates_hz:
        known = {Path(stem) for stem in archive.stems(rate_hz)}
        for file in sorted((archive.path / f"records{rate_hz}").rglob("*.hea")):
            if file.with_suffix("") not in known:
                name = file.relative_to(archive.path).as_posix()
                detail = f"{name}: has no row in the database"
                found.append(Issue(0, rate_hz, "", "no_row", "warning", detail))
    for column in NOISE_COLUMNS:
        if column in archive.table:
            for ecg_id, said in archive.table[column].dropna().astype(str).items():
                detail = f"{column}: {said.strip(' ,')}"
                found.append(Issue(int(str(ecg_id)), 0, "", column, "note", detail))
    return found


def as_table(issues: Iterable[Issue]) -> pd.DataFrame:
    """A quality report: one row an issue, by record and rate."""
    rows: list[dict[str, Any]] = [asdict(issue) for issue in issues]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(["ecg_id", "rate_hz", "kind"], kind="stable", ignore_index=True)

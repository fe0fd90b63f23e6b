"""The only place that divides patients into train, valid and test."""

from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from ecgcore.errors import EcgcoreError

Ids = NDArray[np.int64]


def persons(table: pd.DataFrame) -> "pd.Series[int]":
    """Return the person of each record, index ``ecg_id``.

    This is ``patient_id``, except where the same signals are filed under two patients (column
    ``duplicate_of``): nobody knows whose they are, so both count as the one with the smaller id.
    """
    person: pd.Series[int] = table["patient_id"].copy()
    if "duplicate_of" not in table:
        return person
    twins = table["duplicate_of"].dropna()
    twins = twins[twins.isin(table.index)]
    for ecg_id, first in zip(twins.index, twins, strict=True):
        smaller, larger = sorted((person.loc[ecg_id], person.loc[first]))
        person = person.replace(larger, smaller)
    return person


@dataclass(frozen=True)
class Split:
    """The ``ecg_id`` of each part; no split with one person in two parts can be constructed.

    ``patients`` (:func:`persons`) is used for this check and not stored. ``selects_on_test`` says
    that ``valid`` is ``test``. Raises ``EcgcoreError`` if a part is empty or a person is in two
    parts. If a recording is filed under two patients, the functions of this module keep its
    records in the last part only, so that the test part stays as published.
    """

    name: str
    train: Ids
    valid: Ids
    test: Ids
    patients: InitVar["pd.Series[int]"]
    selects_on_test: bool = field(default=False, kw_only=True)

    def __post_init__(self, patients: "pd.Series[int]") -> None:
        parts = {"train": self.train, "valid": self.valid, "test": self.test}
        for part, ecg_ids in parts.items():
            if not len(ecg_ids):
                why = f"its {part} part is empty; the archive is too small for it"
                raise EcgcoreError(f"split {self.name}: {why}.")
        if self.selects_on_test:
            if not np.array_equal(self.valid, self.test):
                raise EcgcoreError(f"split {self.name}: selects_on_test needs valid to equal test.")
            del parts["valid"]
        people = {part: set(patients.loc[pd.Index(ecg_ids)]) for part, ecg_ids in parts.items()}
        for first, second in combinations(people, 2):
            if shared := people[first] & people[second]:
                why = f"patient {min(shared)} is in {first} and in {second}"
                raise EcgcoreError(f"split {self.name}: {why}.")


def official(table: pd.DataFrame, ecg_ids: Sequence[int] | Ids) -> Split:
    """Return the split that PTB-XL recommends: folds 1-8 train, 9 valid, 10 test."""
    fold = table["strat_fold"].loc[list(ecg_ids)]
    parts = [_ids(fold[fold <= 8]), _ids(fold[fold == 9]), _ids(fold[fold == 10])]
    train, valid, test = _apart(parts, table)
    return Split("official", train, valid, test, persons(table))


def as_published(table: pd.DataFrame, ecg_ids: Sequence[int] | Ids) -> Split:
    """Return the split of paper A's public code: folds 1-8 train, both 9 and 10 valid and test."""
    fold = table["strat_fold"].loc[list(ecg_ids)]
    train, rest = _apart([_ids(fold[fold <= 8]), _ids(fold[fold >= 9])], table)
    return Split("as_published", train, rest, rest, persons(table), selects_on_test=True)


def subsample_train(split: Split, table: pd.DataFrame, n_records: int, *, seed: int) -> Split:
    """Return the split with at most ``n_records`` random training records; 0 keeps all of them."""
    if not 0 < n_records < len(split.train):
        return split
    train = np.random.default_rng(seed).choice(split.train, n_records, replace=False)
    return replace(split, train=np.sort(train), patients=persons(table))


def hold_out_folds(
    table: pd.DataFrame,
    y: "pd.Series[int]",
    *,
    test_share: float = 0.2,
    n_folds: int = 5,
    seed: int = 42,
) -> list[Split]:
    """Return paper B's splits: patients held out for test, cross-validation on the others.

    All ``n_folds`` splits have the same test part, ``test_share`` of the patients. A patient's
    class is the rounded mean of the labels ``y`` (index ``ecg_id``) of their records. Patients are
    taken in the order of ``y``, so that PTB-XL 1.0.3 and the defaults give the partition of the
    paper (test: 2,183 records, 288 of them AF). Raises ``EcgcoreError`` for fewer than two folds,
    or too few patients of a class.
    """
    patient_of = table["patient_id"].loc[y.index]
    patients, classes = _patient_classes(patient_of, y)
    _check_size(classes, n_folds)
    rest, held_out = train_test_split(
        np.arange(len(patients)), test_size=test_share, stratify=classes, random_state=seed
    )
    rest = np.sort(rest)
    splits = []
    for number, (others, fold) in enumerate(_folds(classes[rest], n_folds, seed), start=1):
        places = (rest[others], rest[fold], held_out)
        parts = [_of_patients(patient_of, patients[place]) for place in places]
        train, valid, test = _apart(parts, table)
        splits.append(Split(f"fold_{number}", train, valid, test, persons(table)))
    return splits


def outer_folds(
    table: pd.DataFrame, y: "pd.Series[int]", *, n_folds: int = 5, seed: int = 42
) -> list[Split]:
    """Return ``n_folds`` splits whose test parts cover every record once.

    The folds, and the valid part of each (a fifth of the other persons), are stratified by the
    rounded mean label ``y`` (index ``ecg_id``) of a person (:func:`persons`). Raises the errors
    of :func:`hold_out_folds`.
    """
    person_of = persons(table).loc[y.index]
    people, classes = _patient_classes(person_of, y)
    splits = []
    for number, (rest, test) in enumerate(_folds(classes, n_folds, seed), start=1):
        _check_size(classes[rest], 2)
        halves = train_test_split(rest, test_size=0.2, stratify=classes[rest], random_state=seed)
        train, valid, test = (_of_patients(person_of, people[k]) for k in (*halves, test))
        splits.append(Split(f"outer_{number}", train, valid, test, persons(table)))
    return splits


def _apart(parts: Sequence[Ids], table: pd.DataFrame) -> list[Ids]:
    """Drop the records of merged patients (:func:`persons`) who are in a later part too."""
    person = persons(table)
    merged = set(person[person != table["patient_id"]])
    apart: list[Ids] = []
    later: set[int] = set()
    for part in reversed(parts):
        of_part = person.loc[pd.Index(part)]
        apart.append(part[~of_part.isin(merged & later).to_numpy()])
        later |= set(of_part)
    return apart[::-1]


def _patient_classes(
    patient_of: "pd.Series[int]", y: "pd.Series[int]"
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the patients in the order of ``y``, and the rounded mean label of each."""
    mean = y.groupby(patient_of, sort=False).mean()
    return mean.index.to_numpy(), np.round(mean.to_numpy()).astype(np.int64)


def _folds(classes: NDArray[np.int64], n_folds: int, seed: int) -> Iterator[Any]:
    """Yield positions of all folds but one, and of that one, stratified by class."""
    _check_size(classes, n_folds)
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    return folds.split(classes, classes)  # type: ignore[no-any-return]


def _check_size(classes: NDArray[np.int64], n_folds: int) -> None:
    if n_folds < 2:
        raise EcgcoreError(f"n_folds: {n_folds}; expected 2 or more.")
    counts = np.bincount(classes, minlength=2)
    if counts.min() < n_folds:
        raise EcgcoreError(
            f"n_folds: {n_folds} folds need at least as many patients of each class; there are "
            f"{counts[0]} negative and {counts[1]} positive: lower n_folds or use more records."
        )


def _ids(rows: "pd.Series[int]") -> Ids:
    return np.asarray(rows.index, dtype=np.int64)


def _of_patients(patient_of: "pd.Series[int]", patients: NDArray[np.int64]) -> Ids:
    return _ids(patient_of[patient_of.isin(patients)])

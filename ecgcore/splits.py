"""The only place that divides patients into train, valid and test."""

from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from ecgcore.errors import EcgcoreError

Ids = NDArray[np.int64]


def persons(table: pd.DataFrame) -> "pd.Series[int]":
    """Return the person of each record: ``patient_id``, merged where patients share a recording.

    If the same signals are filed under two patients (column ``duplicate_of``), one of the records
    has the wrong ``patient_id``, and nobody knows which. Both patients then count as one person,
    with the smaller ``patient_id``.

    Returns
    -------
    pandas.Series of int
        Index ``ecg_id``.
    """
    person: pd.Series[int] = table["patient_id"].copy()
    if "duplicate_of" not in table:
        return person
    twins = table["duplicate_of"].dropna()
    twins = twins[twins.isin(table.index)]
    for ecg_id, first in zip(twins.index, twins, strict=True):
        one, other = sorted((person.loc[ecg_id], person.loc[first]))
        if one != other:
            person = person.replace(other, one)
    return person


@dataclass(frozen=True)
class Split:
    """The records of each part. A split with one person in two parts cannot be constructed.

    Published folds can put one person into two parts, when a recording is filed under two patients
    (:func:`persons`). The functions of this module then keep only the records of the last part,
    so the test part stays as published and nobody in it is in the training part.

    Parameters
    ----------
    name
        Name for tables and figures.
    train, valid, test
        ``ecg_id`` by part.
    patients
        :func:`persons`, index ``ecg_id``; used for the check and not stored.
    selects_on_test
        ``valid`` is ``test``: choices are made and reported on the same records.

    Raises
    ------
    EcgcoreError
        A part is empty, or a patient is in two parts.
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
                raise EcgcoreError(
                    f"split {self.name}: its {part} part is empty; the archive is too small for it."
                )
        if self.selects_on_test:
            if not np.array_equal(self.valid, self.test):
                raise EcgcoreError(f"split {self.name}: selects_on_test, but valid is not test.")
            del parts["valid"]
        seen: dict[int, str] = {}
        for part, ecg_ids in parts.items():
            for patient in patients.loc[pd.Index(ecg_ids)].unique():
                if patient in seen:
                    raise EcgcoreError(
                        f"split {self.name}: patient {patient} is in {seen[patient]} and in {part}."
                    )
                seen[patient] = part


def official(table: pd.DataFrame, ecg_ids: Sequence[int] | Ids) -> Split:
    """Return the split that PTB-XL recommends: folds 1-8 train, 9 valid, 10 test."""
    fold = table["strat_fold"].loc[list(ecg_ids)]
    parts = [_ids(fold[fold <= 8]), _ids(fold[fold == 9]), _ids(fold[fold == 10])]
    train, valid, test = _apart(parts, table)
    return Split("official", train, valid, test, persons(table))


def as_published(table: pd.DataFrame, ecg_ids: Sequence[int] | Ids) -> Split:
    """Return the split of paper A's public code: folds 1-8 train, 9 and 10 both valid and test."""
    fold = table["strat_fold"].loc[list(ecg_ids)]
    train, rest = _apart([_ids(fold[fold <= 8]), _ids(fold[fold >= 9])], table)
    return Split("as_published", train, rest, rest, persons(table), selects_on_test=True)


def subsample_train(split: Split, table: pd.DataFrame, n_records: int, *, seed: int) -> Split:
    """Return the split with at most ``n_records`` random training records.

    The valid and test parts do not change, and 0 keeps all training records.
    """
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

    A patient's class is the rounded mean of the labels of their records. Patients are taken in
    the order of ``y``, so that the whole of PTB-XL 1.0.3 and the defaults give the partition of
    the paper (test: 2,183 records, 288 of them AF).

    Parameters
    ----------
    table
        Table of an archive or store.
    y
        Labels, index ``ecg_id``; see :func:`ecgcore.labels.task_labels`.
    test_share
        Share of patients held out.
    n_folds
        Number of folds, and of splits returned; all have the same test part.

    Raises
    ------
    EcgcoreError
        Fewer than two folds, or too few patients of a class for that many.
    """
    _check_share("test_share", test_share)
    patient_of = table["patient_id"].loc[y.index]
    patients, classes = _patient_classes(patient_of, y)
    _check_size(classes, n_folds)
    rest, test = train_test_split(
        np.arange(len(patients)), test_size=test_share, stratify=classes, random_state=seed
    )
    rest = np.sort(rest)
    _check_size(classes[rest], n_folds)
    test_ids = _of_patients(patient_of, patients[test])
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(rest, classes[rest])
    splits = []
    for number, fold in enumerate(folds, start=1):
        parts = [_of_patients(patient_of, patients[rest[part]]) for part in fold]
        train, valid, test = _apart([*parts, test_ids], table)
        splits.append(Split(f"fold_{number}", train, valid, test, persons(table)))
    return splits


def outer_folds(
    table: pd.DataFrame,
    y: "pd.Series[int]",
    *,
    n_folds: int = 5,
    valid_share: float = 0.2,
    seed: int = 42,
) -> list[Split]:
    """Return splits whose test parts cover every record once: cross-validation on all patients.

    A small archive is best used this way: the test predictions of all folds together are out of
    sample and cover every patient. The folds, and the valid part of each, are stratified by the
    rounded mean label of a person (:func:`persons`), and a person has all records in one part.

    Parameters
    ----------
    table
        Table of an archive or store.
    y
        Labels, index ``ecg_id``; see :func:`ecgcore.labels.task_labels`.
    n_folds
        Number of folds, and of splits returned.
    valid_share
        Share of the persons outside the test part that choose the epoch.

    Raises
    ------
    EcgcoreError
        Fewer than two folds, or too few patients of a class for that many.
    """
    _check_share("valid_share", valid_share)
    person_of = persons(table).loc[y.index]
    people, classes = _patient_classes(person_of, y)
    _check_size(classes, n_folds)
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(people, classes)
    splits = []
    for number, (rest, test) in enumerate(folds, start=1):
        _check_size(classes[rest], 2)
        train, valid = train_test_split(
            rest, test_size=valid_share, stratify=classes[rest], random_state=seed
        )
        train_ids, valid_ids, test_ids = (
            _of_patients(person_of, people[part]) for part in (train, valid, test)
        )
        splits.append(Split(f"outer_{number}", train_ids, valid_ids, test_ids, persons(table)))
    return splits


def balance(ecg_ids: Sequence[int] | Ids, y: "pd.Series[int]", seed: int) -> Ids:
    """Drop records of the larger class at random until both classes have the same number.

    Returns
    -------
    array of int
        ``ecg_id`` in the order given.

    Raises
    ------
    EcgcoreError
        One of the classes is absent.
    """
    wanted = np.asarray(ecg_ids, dtype=np.int64)
    label = y.loc[pd.Index(wanted)].to_numpy()
    positive, negative = np.flatnonzero(label == 1), np.flatnonzero(label == 0)
    n = min(len(positive), len(negative))
    if n == 0:
        raise EcgcoreError("balance: one of the two classes has no record here.")
    rng = np.random.default_rng(seed)
    chosen = [rng.choice(group, n, replace=False) for group in (positive, negative)]
    balanced: Ids = wanted[np.sort(np.concatenate(chosen))]
    return balanced


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
    """Patients in the order of ``y``, and the rounded mean label of each."""
    mean = y.groupby(patient_of, sort=False).mean()
    return mean.index.to_numpy(), np.round(mean.to_numpy()).astype(np.int64)


def _check_share(name: str, share: float) -> None:
    if not 0 < share < 1:
        raise EcgcoreError(f"{name}: {share}; expected a number between 0 and 1.")


def _check_size(classes: NDArray[np.int64], n_folds: int) -> None:
    if n_folds < 2:
        raise EcgcoreError(f"n_folds: {n_folds}; expected 2 or more.")
    counts = np.bincount(classes, minlength=2)
    if counts.min() < n_folds:
        raise EcgcoreError(
            f"n_folds: {n_folds} folds need at least as many patients of each class; here are "
            f"{counts[0]} negative and {counts[1]} positive: lower n_folds or use more records."
        )


def _ids(rows: "pd.Series[int]") -> Ids:
    ecg_ids: Ids = np.asarray(rows.index, dtype=np.int64)
    return ecg_ids


def _of_patients(patient_of: "pd.Series[int]", patients: NDArray[np.int64]) -> Ids:
    return _ids(patient_of[patient_of.isin(patients)])

"""The only place that turns patients and folds into train, valid and test."""

from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from ecgcore.errors import EcgcoreError

Ids = NDArray[np.int64]


def persons(table: pd.DataFrame) -> "pd.Series[int]":
    """Whose each record is: ``patient_id``, but one for patients who share a recording.

    Where a store found the same signals under two patients (``duplicate_of``), a record bears the
    wrong name, and nobody knows which; so both patients count as one person, the smaller
    ``patient_id``.

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
    """Records by part. No person is in two parts: asserted when a split is made.

    Of a person whom the folds put into two parts, because one recording is filed under two
    patients (:func:`persons`), the functions of this module keep the last part's records only: a
    test part is as published, and nobody in it was trained on.

    Parameters
    ----------
    name
        What pages call it.
    train, valid, test
        ``ecg_id`` by part.
    patients
        :func:`persons`, index ``ecg_id``; used for the check, not kept.
    selects_on_test
        ``valid`` is ``test``: what is chosen on valid is then reported on the same records.

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
    """PTB-XL's own recommendation: folds 1-8 train, 9 valid, 10 test."""
    fold = table["strat_fold"].loc[list(ecg_ids)]
    parts = [_ids(fold[fold <= 8]), _ids(fold[fold == 9]), _ids(fold[fold == 10])]
    train, valid, test = _apart(parts, table)
    return Split("official", train, valid, test, persons(table))


def as_published(table: pd.DataFrame, ecg_ids: Sequence[int] | Ids) -> Split:
    """Paper A's public code: folds 1-8 train; 9 and 10 both choose the epoch and are reported."""
    fold = table["strat_fold"].loc[list(ecg_ids)]
    train, rest = _apart([_ids(fold[fold <= 8]), _ids(fold[fold >= 9])], table)
    return Split("as_published", train, rest, rest, persons(table), selects_on_test=True)


def fewer_train(split: Split, table: pd.DataFrame, n_records: int, *, seed: int) -> Split:
    """The same split with at most so many training records, drawn at random; valid and test stay.

    Parameters
    ----------
    n_records
        0 keeps all.
    """
    if not 0 < n_records < len(split.train):
        return split
    drawn = np.random.default_rng(seed).choice(split.train, n_records, replace=False)
    return replace(split, train=np.sort(drawn), patients=table["patient_id"])


def hold_out_folds(
    table: pd.DataFrame,
    y: "pd.Series[int]",
    *,
    test_share: float = 0.2,
    n_folds: int = 5,
    seed: int = 42,
) -> list[Split]:
    """Paper B's protocol: hold out patients for test, then cross-validate on the others.

    A patient's class is the rounded mean of the labels of their records. Patients are taken in
    the order of ``y``, so that with the whole of PTB-XL 1.0.3 and the defaults the paper's own
    partition comes out (test: 2,183 records, 288 of them AF).

    Parameters
    ----------
    table
        Table of an archive or store.
    y
        Labels, index ``ecg_id``; see :func:`ecgcore.tasks.labels`.
    test_share
        Share of patients held out.
    n_folds
        Number of folds, and of splits returned; all have the same test part.

    Raises
    ------
    EcgcoreError
        Fewer than two folds, or too few patients of a class for that many.
    """
    if n_folds < 2:
        raise EcgcoreError(f"n_folds: {n_folds}; expected 2 or more.")
    if not 0 < test_share < 1:
        raise EcgcoreError(f"test_share: {test_share}; expected between 0 and 1.")
    patient_of = table["patient_id"].loc[y.index]
    mean = y.groupby(patient_of, sort=False).mean()
    patients, classes = mean.index.to_numpy(), np.round(mean.to_numpy()).astype(int)
    _check_size(classes, n_folds)
    rest, test = train_test_split(
        np.arange(len(patients)), test_size=test_share, stratify=classes, random_state=seed
    )
    rest = np.sort(rest)
    _check_size(classes[rest], n_folds)
    test_ids = _of_patients(patient_of, patients[test])
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(rest, classes[rest])
    made = []
    for number, fold in enumerate(folds, start=1):
        parts = [_of_patients(patient_of, patients[rest[part]]) for part in fold]
        train, valid, test = _apart([*parts, test_ids], table)
        made.append(Split(f"fold_{number}", train, valid, test, persons(table)))
    return made


def balance(ecg_ids: Sequence[int] | Ids, y: "pd.Series[int]", seed: int) -> Ids:
    """Drop records of the larger class at random until both have the same number.

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
    kept = [rng.choice(group, n, replace=False) for group in (positive, negative)]
    balanced: Ids = wanted[np.sort(np.concatenate(kept))]
    return balanced


def _apart(parts: Sequence[Ids], table: pd.DataFrame) -> list[Ids]:
    """Parts, without the records of merged patients (:func:`persons`) that a later part has too."""
    person = persons(table)
    merged = set(person[person != table["patient_id"]])
    apart, later = [], set[int]()
    for part in reversed(parts):
        of_part = person.loc[pd.Index(part)]
        apart.append(part[~of_part.isin(merged & later).to_numpy()])
        later |= set(of_part)
    return apart[::-1]


def _check_size(classes: NDArray[np.int64], n_folds: int) -> None:
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

"""Splits: no patient is in two parts, and paper B's partition is reproduced."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold, train_test_split

from ecgcore import splits
from ecgcore.errors import EcgcoreError


def invented(n_records: int, seed: int, share: float = 0.3) -> tuple[pd.DataFrame, pd.Series]:
    """Return patients with one or more records, some with both labels, and folds by patient."""
    rng = np.random.default_rng(seed)
    index = pd.Index(rng.permutation(n_records) + 1, name="ecg_id")
    patient = rng.integers(0, max(2, n_records * 2 // 3), n_records)
    table = pd.DataFrame({"patient_id": patient, "strat_fold": patient % 10 + 1}, index=index)
    sick = rng.random(patient.max() + 1) < share
    noisy = sick[patient] ^ (rng.random(n_records) < 0.05)
    return table, pd.Series(noisy.astype(int), index=index)


def with_twins(table: pd.DataFrame, pairs: list[tuple[int, int]]) -> pd.DataFrame:
    first = dict(pairs)
    return table.assign(duplicate_of=pd.array(table.index.map(first), dtype="Int64"))


def published_partition(table: pd.DataFrame, y: pd.Series) -> tuple[list[set[int]], set[int]]:
    """Return paper B's partition of patients, restated with its own library calls."""
    label_of = defaultdict(list)
    for ecg_id in y.index:
        label_of[str(float(table["patient_id"][ecg_id]))].append(y[ecg_id])
    patients = list(label_of)
    classes = [int(np.round(np.mean(label_of[p]))) for p in patients]
    rest, test = train_test_split(patients, test_size=0.2, stratify=classes, random_state=42)
    chosen = set(rest)
    patients = [p for p in patients if p in chosen]
    classes = [int(np.round(np.mean(label_of[p]))) for p in patients]
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=42).split(patients, classes)

    def records(of: set[str]) -> set[int]:
        return {e for e in y.index if str(float(table["patient_id"][e])) in of}

    return [records({patients[k] for k in valid}) for _, valid in folds], records(set(test))


def test_hold_out_folds_are_the_published_partition() -> None:
    table, y = invented(900, seed=3)
    valid, test = published_partition(table, y)
    got = splits.hold_out_folds(table, y)
    assert [set(split.valid.tolist()) for split in got] == valid
    assert all(set(split.test.tolist()) == test for split in got)


@settings(max_examples=40)
@given(st.integers(150, 600), st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 12))
def test_no_person_is_in_two_parts_and_no_record_is_lost(
    n: int, seed: int, n_folds: int, n_twins: int
) -> None:
    """Where patients share recordings, only training and validation records are left out."""
    table, y = invented(n, seed)
    rng = np.random.default_rng(seed)
    pairs = [tuple(rng.choice(table.index, 2, replace=False).tolist()) for _ in range(n_twins)]
    known = with_twins(table, pairs)
    held_out, apart = (splits.hold_out_folds(t, y, n_folds=n_folds) for t in (table, known))
    official = splits.official(table, y.index)
    outer = splits.outer_folds(table, y, n_folds=n_folds, seed=seed)
    for split in [*held_out, *outer, official]:
        parts = [split.train, split.valid, split.test]
        assert sorted(np.concatenate(parts)) == sorted(y.index)
        patients = [set(table["patient_id"][part]) for part in parts]
        assert sum(map(len, patients)) == len(set.union(*patients))
    valid = np.concatenate([split.valid for split in held_out])
    assert len(set(valid.tolist())) == len(valid)
    assert sorted(np.concatenate([split.test for split in outer])) == sorted(y.index)
    naive = [*held_out, official, splits.as_published(table, y.index)]
    others = [*apart, splits.official(known, y.index), splits.as_published(known, y.index)]
    for split, whole in zip(others, naive, strict=True):
        np.testing.assert_array_equal(split.test, whole.test)
        assert set(split.train) <= set(whole.train)
        assert set(split.valid) <= set(whole.valid)
        for pair in dict(pairs).items():
            later = set(split.test) | set(split.valid)
            assert not set(pair) & set(split.train) or not set(pair) & later
            if not split.selects_on_test:
                assert not set(pair) & set(split.valid) or not set(pair) & set(split.test)


def test_outer_folds_are_stratified_and_keep_shared_recordings_together() -> None:
    table, y = invented(600, seed=2)
    twins = with_twins(table, [(table.index[k], table.index[k + 300]) for k in range(20)])
    folds = splits.outer_folds(twins, y, seed=1)
    person, prevalence = splits.persons(twins), y.mean()
    tests = [set(person[split.test]) for split in folds]
    assert sum(map(len, tests)) == len(set.union(*tests)) == person.nunique()
    for split in folds:
        n_people = {part: person[getattr(split, part)].nunique() for part in ("train", "valid")}
        assert n_people["valid"] / sum(n_people.values()) == pytest.approx(0.2, abs=0.01)
        for part in (split.train, split.valid, split.test):
            assert y[part].mean() == pytest.approx(prevalence, abs=0.06)


def test_official_and_published_folds() -> None:
    table, y = invented(300, seed=1)
    ids = y.index[:250]
    official, published = splits.official(table, ids), splits.as_published(table, ids)
    assert set(table["strat_fold"][official.train]) == set(range(1, 9))
    assert set(table["strat_fold"][official.valid]) == {9}
    assert set(table["strat_fold"][official.test]) == {10}
    assert not official.selects_on_test
    assert published.selects_on_test
    assert set(published.test) == set(official.valid) | set(official.test)
    assert set(np.concatenate([official.train, official.valid, official.test])) == set(ids)


def test_subsampling_training_records_leaves_the_rest_unchanged() -> None:
    table, y = invented(300, 1)
    whole = splits.official(table, y.index)
    fewer = splits.subsample_train(whole, table, 40, seed=3)
    assert len(set(fewer.train)) == 40
    assert set(fewer.train) <= set(whole.train)
    np.testing.assert_array_equal(fewer.test, whole.test)
    np.testing.assert_array_equal(fewer.valid, whole.valid)
    assert splits.subsample_train(whole, table, 0, seed=3) is whole
    assert splits.subsample_train(whole, table, 10**6, seed=3) is whole


def test_a_split_with_a_leak_is_refused() -> None:
    patients = pd.Series([7, 7, 8, 9], index=[1, 2, 3, 4])

    def ids(*values: int) -> np.ndarray:
        return np.array(values, dtype=np.int64)

    with pytest.raises(EcgcoreError, match="patient 7 is in train and in valid"):
        splits.Split("mine", ids(1), ids(2), ids(3), patients)
    with pytest.raises(EcgcoreError, match="its test part is empty"):
        splits.Split("mine", ids(1), ids(3), ids(), patients)
    with pytest.raises(EcgcoreError, match="needs valid to equal test"):
        splits.Split("mine", ids(1), ids(3), ids(4), patients, selects_on_test=True)
    with pytest.raises(EcgcoreError, match="patient 7 is in train and in test"):
        splits.Split("mine", ids(1), ids(2), ids(2), patients, selects_on_test=True)
    table, y = invented(300, seed=1)
    with pytest.raises(EcgcoreError, match="200 folds need at least as many patients of each"):
        splits.hold_out_folds(table, y, n_folds=200)


def test_patients_who_share_a_recording_are_one_person() -> None:
    table = pd.DataFrame(
        {"patient_id": [7, 7, 5, 9, 3, 3]}, index=pd.Index(range(1, 7), name="ecg_id")
    )
    assert splits.persons(table).tolist() == [7, 7, 5, 9, 3, 3]
    # 3 repeats 1, 4 repeats 3, 6 repeats 5 of the same patient; 77 is no record of this store
    twins = with_twins(table, [(3, 1), (4, 3), (6, 5), (2, 77)])
    assert splits.persons(twins).tolist() == [5, 5, 5, 5, 3, 3]

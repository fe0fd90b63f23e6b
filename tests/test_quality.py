"""What the quality report says of records made wrong on purpose, and of the real slice."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from archives import damage, errors, replace_signals, some_adu, write_archive

from ecgcore import quality, tasks, wfdb16
from ecgcore.leads import LEADS
from ecgcore.ptbxl import Archive
from ecgcore.wfdb16 import prepare, write_records


@pytest.fixture
def tiny(tmp_path: Path) -> Archive:
    return Archive(write_archive(tmp_path / "tiny"))


def found(archive: Archive) -> set[tuple[int, str, str]]:
    table = quality.report(archive, (100,))
    table = table[table["severity"] != "note"]
    return set(zip(table["ecg_id"], table["kind"], table["severity"], strict=True))


def test_a_good_archive_has_only_ptbxls_own_notes(tiny: Archive) -> None:
    table = quality.report(tiny)
    assert table["kind"].tolist() == ["baseline_drift"]
    assert table["detail"].tolist() == ["baseline_drift: V1"]


def test_report_is_what_a_store_carries(tiny: Archive, tmp_path: Path) -> None:
    damage(tiny, 2)
    pd.testing.assert_frame_equal(quality.report(tiny), prepare(tiny, tmp_path / "store").quality)


@pytest.mark.parametrize(("a", "b"), [("I", "II"), ("II", "III"), ("aVL", "aVF")])
def test_swapped_limb_leads_are_named(tiny: Archive, a: str, b: str) -> None:
    adu = some_adu(1, 1000, seed=5)[0]
    order = list(range(12))
    order[LEADS.index(a)], order[LEADS.index(b)] = LEADS.index(b), LEADS.index(a)
    replace_signals(tiny, 3, adu[order])
    report = quality.report(tiny, (100,))
    assert errors(report) == {3: "identities"}
    detail = report.set_index("kind")["detail"]["identities"]
    assert detail.endswith(f"leads {a} and {b} look swapped")


def test_a_glitch_in_one_limb_lead_is_a_warning(tiny: Archive) -> None:
    adu = some_adu(1, 1000, seed=5)[0]
    adu[2, 40:43] += 500
    replace_signals(tiny, 3, adu)
    assert found(tiny) == {(3, "identities", "warning")}


def test_missing_samples_and_dead_records_are_errors(tiny: Archive) -> None:
    adu = some_adu(1, 1000, seed=5)[0]
    adu[6, 3] = wfdb16.INVALID
    replace_signals(tiny, 3, adu)
    replace_signals(tiny, 4, np.zeros((12, 1000), dtype=np.int16))
    assert {(3, "nan", "error"), (4, "flat", "error")} <= found(tiny)


def test_flat_clipped_and_tall_leads_are_warnings(tiny: Archive) -> None:
    adu = some_adu(3, 1000, seed=5)
    adu[0, 6, 100:210] = 40  # V1 holds still for 1.1 s
    adu[1, 7] = np.clip(adu[1, 7] * 9, -2500, 2500)  # V2 is cut off
    adu[2, 8, 10] = 12_000  # V3 reaches 12 mV
    for ecg_id, record in zip((3, 4, 5), adu, strict=True):
        replace_signals(tiny, ecg_id, record)
    table = quality.report(tiny, (100,)).set_index("kind")
    assert table.loc[["flat", "clipping", "amplitude"], ["ecg_id", "lead"]].values.tolist() == [
        [3, "V1"],
        [4, "V2"],
        [5, "V3"],
    ]


def test_still_for_less_than_a_second_is_not_flat(tiny: Archive) -> None:
    adu = some_adu(1, 1000, seed=5)[0]
    adu[6, 100:195] = 40
    replace_signals(tiny, 3, adu)
    assert found(tiny) == set()


def test_duplicates_files_without_row_and_rows_without_file(tiny: Archive) -> None:
    replace_signals(tiny, 3, (tiny.signals(100, [1])[0] * 1000).round().astype(np.int16))
    write_records([tiny.path / "records100/00000/00099_lr"], some_adu(1, 1000), 100)
    Path(tiny.stems(100, [5])[0] + ".hea").unlink()
    assert found(tiny) == {
        (3, "duplicate", "warning"),
        (0, "no_row", "warning"),
        (5, "missing", "error"),
    }


def test_summary_counts(tiny: Archive) -> None:
    damage(tiny, 2)
    damage(tiny, 3)
    table = quality.summary(quality.report(tiny, (100,)))
    row = table[table["kind"] == "truncated"].iloc[0]
    assert (row["severity"], row["rate_hz"], row["issues"], row["records"]) == (
        "error",
        100,
        2,
        2,
    )


def test_published_counts_are_for_the_whole_of_ptbxl(tiny: Archive) -> None:
    assert quality.check_published_counts(tiny) is None


def test_the_noise_that_ptbxl_notes_is_counted_by_class(tiny: Archive) -> None:
    noted = quality.noise_notes(tiny)  # record 2 is NDT, with drift in V1
    assert noted["baseline_drift"].to_dict() == pytest.approx(
        {"all": 1 / 6, "NORM": 0, "MI": 0, "STTC": 0.5, "CD": np.nan, "HYP": np.nan, "AF": 0},
        nan_ok=True,
    )
    assert not noted.drop(columns="baseline_drift").fillna(0).any(axis=None)


def test_errors_come_first_and_notes_are_no_faults(tiny: Archive) -> None:
    damage(tiny, 5)
    replace_signals(tiny, 3, (tiny.signals(100, [1])[0] * 1000).round().astype(np.int16))
    faults = quality.faults(quality.report(tiny))
    assert faults["severity"].tolist() == ["error", "warning"]
    assert faults["ecg_id"].tolist() == [5, 3]


def test_twins_of_the_real_slice(ptbxl_500: Path, tmp_path: Path) -> None:
    twins = quality.twins(prepare(Archive(ptbxl_500), tmp_path / "store", (500,)))
    assert twins["whose"].tolist() == ["the same patient"] * 4 + ["another patient"]
    last = twins.iloc[-1]
    assert (last["ecg_id"], last["repeats"]) == (463, 145)
    assert (last["patients"], last["folds"]) == ("16690 and 16723", "3 and 1")


def test_no_twins(tiny: Archive, tmp_path: Path) -> None:
    assert quality.twins(prepare(tiny, tmp_path / "store")).empty


def test_published_counts_include_what_was_left_out(
    tiny: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "FULL", 6)
    counts = {"NORM": 1, "MI": 2, "STTC": 2, "CD": 0, "HYP": 0, "AFIB": 1}
    monkeypatch.setattr(tasks, "PUBLISHED_COUNTS", {**counts, "patients": 6, "records": 6})
    damage(tiny, 2)
    for source in (tiny, prepare(tiny, tmp_path / "store")):
        found = quality.check_published_counts(source)
        assert found is not None
        assert found["agrees"].all(), found
    monkeypatch.setitem(tasks.PUBLISHED_COUNTS, "MI", 3)
    found = quality.check_published_counts(tiny)
    assert found is not None
    assert found.index[~found["agrees"]].tolist() == ["MI"]

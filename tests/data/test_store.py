"""Prepared stores and their quality reports: complete or absent, shared by processes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from archives import damage, errors, replace_signals, some_adu, write_archive, write_record
from refusal import refused

from ecgcore.data import DEFAULT_ARCHIVE, INVALID, LAYERS, Archive, open_data, open_store, prepare
from ecgcore.errors import EcgcoreError


@pytest.fixture
def tiny(tmp_path: Path) -> Archive:
    return Archive(write_archive(tmp_path / "tiny"))


def test_the_store_of_the_real_slice_equals_the_archive(ptbxl_500: Path, tmp_path: Path) -> None:
    archive = Archive(ptbxl_500)
    store = prepare(archive, tmp_path / "store")
    for rate_hz in (100, 500):
        np.testing.assert_array_equal(store.signals(rate_hz), archive.signals(rate_hz))
    np.testing.assert_array_equal(store.signals(100, [9, 4]), archive.signals(100, [9, 4]))
    pd.testing.assert_frame_equal(store.table.drop(columns="duplicate_of"), archive.table)
    pd.testing.assert_frame_equal(store.statements, archive.statements)
    assert store.fingerprint == archive.fingerprint
    assert not errors(store.quality)
    # these repetitions are in the real data; verified byte by byte with cmp
    repeated = store.quality.query("kind == 'duplicate'")
    assert repeated["ecg_id"].tolist() == [138, 144, 457, 460, 463]
    assert repeated["detail"].iloc[-1] == (
        "has the same signals as record 145 of ANOTHER patient (fold 3; this one: fold 1)"
    )
    first = store.table["duplicate_of"].dropna()
    assert first.to_dict() == {138: 137, 144: 143, 457: 456, 460: 459, 463: 145}


def test_the_store_of_a_simulated_archive_keeps_its_evidence(
    simulated_archive: Path, small_store: str
) -> None:
    archive, store = Archive(simulated_archive), open_store(small_store)
    assert store.simulation == archive.simulation
    assert not errors(store.quality)
    ids = archive.table.index[[7, 3]].to_numpy()
    for layer in LAYERS:
        expected = archive.evidence(100, layer=layer)
        np.testing.assert_array_equal(store.evidence(100, layer=layer), expected)
        np.testing.assert_array_equal(store.evidence(100, ids, layer), expected[[7, 3]])


def test_opening_again_does_not_read_again(tiny: Archive, tmp_path: Path) -> None:
    first = prepare(tiny, tmp_path / "store")
    for stem in tiny.stems(100).values():
        Path(f"{stem}.dat").unlink()
    assert prepare(tiny, tmp_path / "store").info == first.info
    assert open_store(tmp_path / "store").adu(500).shape == (6, 12, 5000)
    assert not first.adu(100).flags.writeable
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "tiny"]


def test_damaged_records_are_left_out_at_all_rates_and_listed(
    tiny: Archive, tmp_path: Path
) -> None:
    damage(tiny, 2)
    damage(tiny, 5, 500)
    with pytest.raises(EcgcoreError, match=r"strict: record 2 at 100 Hz: .*middle of a frame"):
        prepare(tiny, tmp_path / "store", strict=True)
    assert not (tmp_path / "store").exists()
    store = prepare(tiny, tmp_path / "store")
    assert store.table.index.tolist() == [1, 3, 4, 6]
    for rate_hz in (100, 500):
        np.testing.assert_array_equal(store.signals(rate_hz), tiny.signals(rate_hz, [1, 3, 4, 6]))
    assert errors(store.quality) == {2: "unreadable", 5: "unreadable"}
    assert store.left_out.index.tolist() == [2, 5]
    refused(r"\(first: 2\) are not in tiny.*damaged", store.signals, 100, [1, 2])


def test_each_fault_has_its_kind_and_severity(tmp_path: Path) -> None:
    tiny = Archive(write_archive(tmp_path / "tiny", 8))
    columns = ["ecg_id", "rate_hz", "lead", "kind", "severity", "detail"]
    clean = prepare(tiny, tmp_path / "clean").quality
    assert (clean.columns.tolist(), clean["detail"].tolist()) == (columns, ["baseline_drift: V1"])
    adu = some_adu(5, 1000, seed=5)
    adu[0, 6, 3] = INVALID
    adu[1] = 0
    adu[2, 2, 40:43] += 500
    adu[3, 8, 10] = 12_000
    adu[4, [3, 4]] = adu[4, [4, 3]]
    for ecg_id, record in enumerate(adu, start=1):
        replace_signals(tiny, ecg_id, record)
    Path(f"{tiny.stems(500)[6]}.hea").unlink()
    replace_signals(tiny, 7, some_adu(1, 900)[0])
    offset_mv = np.where(np.arange(12) > 5, 300.0, 0)[:, None]  # does not fit into the store
    write_record(tiny.stems(100)[8], some_adu(1, 1000)[0] / 1000 + offset_mv, 100, gain=100)
    report = prepare(tiny, tmp_path / "store").quality.query("severity != 'note'")
    assert set(zip(report["ecg_id"], report["kind"], report["severity"], strict=True)) == {
        (1, "nan", "error"), (2, "flat", "error"),
        (3, "identities", "warning"), (4, "amplitude", "warning"), (5, "identities", "error"),
        (6, "unreadable", "error"), (7, "unreadable", "error"), (8, "unreadable", "error"),
    }  # fmt: skip


def test_folders_in_use_are_left_alone(tiny: Archive, tmp_path: Path) -> None:
    prepare(tiny, tmp_path / "store")
    other = Archive(write_archive(tmp_path / "b", seed=3, n_records=5))
    refused(r"is the store of another archive \(tiny\)", prepare, other, tmp_path / "store")


def test_stores_that_cannot_be_opened(tiny: Archive, tmp_path: Path) -> None:
    refused("is not a prepared store", open_store, tmp_path)
    store = prepare(tiny, tmp_path / "store")
    info = tmp_path / "store/store.json"
    info.write_text(json.dumps({**store.info, "layout": 0}))
    refused("prepared by another version", open_store, tmp_path / "store")
    assert prepare(tiny, tmp_path / "store").info == store.info  # prepared again
    info.write_text("{")
    refused("cannot be read", open_store, tmp_path / "store")
    (tmp_path / "store/adu_100.bin").write_bytes(b"abc")
    refused(r"adu_100\.bin: cannot be read", store.adu, 100)


def test_data_are_opened_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write_archive(tmp_path / "home" / "a")
    store = open_data(archive, cache=tmp_path / "cache")
    assert open_data(store.path).info == store.info
    assert (store.name, store.is_simulated, len(store.table)) == ("a", False, 6)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert open_data("~/a", cache=tmp_path / "cache").path == store.path
    refused("Parameter 'archive': there is no folder", open_data, tmp_path / "nowhere")
    monkeypatch.setitem(DEFAULT_ARCHIVE, "n_records", 12)
    simulated = open_data("simulated", cache=tmp_path)
    assert (simulated.is_simulated, len(simulated.table)) == (True, 12)
    assert open_data("simulated", cache=tmp_path).path == simulated.path

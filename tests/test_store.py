"""Prepared stores: equal to the archive, whole or not at all, resumed, shared between processes."""

import errno
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from archives import damage, errors, write_archive
from filelock import FileLock

from ecgcore import files, wfdb16
from ecgcore.errors import EcgcoreError
from ecgcore.ptbxl import Archive
from ecgcore.wfdb16 import arrayfile, open_store, prepare


@pytest.fixture
def tiny(tmp_path: Path) -> Archive:
    return Archive(write_archive(tmp_path / "tiny"))


def test_store_of_the_real_slice_equals_the_archive(ptbxl_500: Path, tmp_path: Path) -> None:
    archive = Archive(ptbxl_500)
    store = prepare(archive, tmp_path / "store")
    for rate_hz in (100, 500):
        np.testing.assert_array_equal(store.signals(rate_hz), archive.signals(rate_hz))
    np.testing.assert_array_equal(store.signals(100, [9, 4]), archive.signals(100, [9, 4]))
    pd.testing.assert_frame_equal(store.table.drop(columns="duplicate_of"), archive.table)
    pd.testing.assert_frame_equal(store.statements, archive.statements)
    assert store.fingerprint == archive.fingerprint
    assert not errors(store.quality)
    # found by this check in the real data; verified byte by byte with cmp
    twins = store.quality[
        (store.quality["kind"] == "duplicate") & (store.quality["rate_hz"] == 500)
    ]
    assert twins["ecg_id"].tolist() == [138, 144, 457, 460, 463]
    assert twins["detail"].iloc[-1] == (
        "has the same signals as record 145 of ANOTHER patient (fold 3; this one: fold 1)"
    )
    first = store.table["duplicate_of"].dropna()
    assert first.to_dict() == {138: 137, 144: 143, 457: 456, 460: 459, 463: 145}


def test_store_of_a_simulated_archive_keeps_its_evidence(
    simulated_archive: Path, tmp_path: Path
) -> None:
    archive = Archive(simulated_archive)
    store = prepare(archive, tmp_path / "store", (100,))
    assert store.is_simulated
    assert store.simulation == archive.simulation
    assert not errors(store.quality)
    for layer in wfdb16.LAYERS:
        np.testing.assert_array_equal(
            store.evidence(100, layer=layer), archive.evidence(100, layer=layer)
        )
    ids = archive.table.index[[7, 3]]
    np.testing.assert_array_equal(store.evidence(100, ids), archive.evidence(100, ids))


def test_opening_again_does_not_decode_again(tiny: Archive, tmp_path: Path) -> None:
    first = prepare(tiny, tmp_path / "store")
    for stem in tiny.stems(100):
        Path(f"{stem}.dat").unlink()
    assert prepare(tiny, tmp_path / "store", (100,)).info == first.info
    assert open_store(tmp_path / "store").adu(500).shape == (6, 12, 5000)
    assert not first.adu(100).flags.writeable


def test_a_further_rate_is_added(tiny: Archive, tmp_path: Path) -> None:
    assert prepare(tiny, tmp_path / "store", (100,)).rates_hz == (100,)
    assert prepare(tiny, tmp_path / "store", (100, 500)).rates_hz == (100, 500)
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".lock") == ["store", "tiny"]


def test_damaged_records_are_left_out_at_all_rates_and_listed(
    tiny: Archive, tmp_path: Path
) -> None:
    damage(tiny, 2)
    damage(tiny, 5, 500)
    store = prepare(tiny, tmp_path / "store")
    assert store.table.index.tolist() == [1, 3, 4, 6]
    for rate_hz in (100, 500):
        np.testing.assert_array_equal(store.signals(rate_hz), tiny.signals(rate_hz, [1, 3, 4, 6]))
    assert errors(store.quality) == {2: "truncated", 5: "truncated"}
    assert store.left_out.index.tolist() == [2, 5]
    assert "4 records (2 left out)" in store.summary()
    with pytest.raises(EcgcoreError, match=r"record 2 is not in tiny.*left out as damaged"):
        store.signals(100, [1, 2])


def test_strict_stops_at_the_first_damaged_record(tiny: Archive, tmp_path: Path) -> None:
    damage(tiny, 2)
    with pytest.raises(EcgcoreError, match=r"strict: record 2 at 100 Hz: .*middle of a frame"):
        prepare(tiny, tmp_path / "store", strict=True)
    assert not (tmp_path / "store").exists()
    prepare(tiny, tmp_path / "store")
    with pytest.raises(EcgcoreError, match="strict: record 2"):
        prepare(tiny, tmp_path / "store", strict=True)


def test_nothing_left(tiny: Archive, tmp_path: Path) -> None:
    for ecg_id in tiny.table.index:
        damage(tiny, ecg_id)
    with pytest.raises(EcgcoreError, match="none of its 6 records can be decoded; the first: "):
        prepare(tiny, tmp_path / "store")


def test_an_interrupted_call_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(write_archive(tmp_path / "a", 10, rates_hz=(100,)))
    monkeypatch.setattr("ecgcore.wfdb16.preparation.CHUNK", 2)
    damage(archive, 1)

    def stop(n_done: int, n_all: int) -> None:
        assert n_all == 10
        if n_done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(archive, tmp_path / "store", jobs=1, progress=stop)
    assert not (tmp_path / "store").exists()
    log = tmp_path / "store.partial/done.jsonl"
    n_kept = len(log.read_text().splitlines()) - 1
    assert n_kept >= 3
    log.write_text(log.read_text() + '{"rate_hz": 100, "sta')  # as a power cut leaves it
    seen: list[int] = []
    store = prepare(archive, tmp_path / "store", progress=lambda n, _: seen.append(n))
    assert len(seen) == 5 - n_kept
    np.testing.assert_array_equal(store.signals(100), archive.signals(100, range(2, 11)))
    assert errors(store.quality) == {1: "truncated"}


def test_an_unfinished_store_of_another_archive_is_not_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgcore.wfdb16.preparation.CHUNK", 2)

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(Archive(write_archive(tmp_path / "a")), tmp_path / "store", progress=stop)
    other = Archive(write_archive(tmp_path / "b", 5, seed=9))
    np.testing.assert_array_equal(
        prepare(other, tmp_path / "store").signals(100), other.signals(100)
    )


def test_threads_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgcore.wfdb16.preparation.CHUNK", 3)
    archive = Archive(write_archive(tmp_path / "a", 20, rates_hz=(100,)))
    one, many = (prepare(archive, tmp_path / f"s{n}", jobs=n) for n in (1, 5))
    np.testing.assert_array_equal(one.adu(100), many.adu(100))
    pd.testing.assert_frame_equal(one.quality, many.quality)


def test_two_processes_share_the_work(tiny: Archive, tmp_path: Path) -> None:
    code = (
        "import sys; from ecgcore.ptbxl import Archive; from ecgcore.wfdb16 import prepare;"
        "print(len(prepare(Archive(sys.argv[1]), sys.argv[2]).table))"
    )
    command = [sys.executable, "-c", code, str(tiny.path), str(tmp_path / "store")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0].strip() for process in both] == ["6", "6"]
    assert not (tmp_path / "store.partial").exists()


def test_who_will_not_wait_is_told(tiny: Archive, tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / "store.prepare.lock"),
        pytest.raises(EcgcoreError, match="another process is preparing this store"),
    ):
        prepare(tiny, tmp_path / "store", wait_s=0.05)


def test_a_full_disk_is_told_and_what_is_done_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgcore.wfdb16.preparation.CHUNK", 2)
    archive = Archive(write_archive(tmp_path / "a", rates_hz=(100,)))
    write_rows, room = arrayfile.write_rows, threading.Semaphore(2)

    def full(*arguments: object) -> None:
        if not room.acquire(blocking=False):
            raise OSError(errno.ENOSPC, "No space left on device", "adu_100.npy")
        write_rows(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(arrayfile, "write_rows", full)
    with pytest.raises(EcgcoreError, match="the disk is full; free some space and run it again"):
        prepare(archive, tmp_path / "store", jobs=1)
    assert not (tmp_path / "store").exists()
    monkeypatch.setattr(arrayfile, "write_rows", write_rows)
    seen: list[int] = []
    prepare(archive, tmp_path / "store", progress=lambda n, _: seen.append(n))
    assert seen == [6]


def test_a_disk_too_small_is_told_before_decoding(
    tiny: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(EcgcoreError, match=r"too full for this store: 0\.0008 GiB needed"):
        prepare(tiny, tmp_path / "store")


def test_a_place_that_cannot_be_written_is_told(tiny: Archive, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EcgcoreError, match="cannot be written"):
        prepare(tiny, tmp_path / "file" / "store")


def test_a_folder_in_use_is_left_alone(tiny: Archive, tmp_path: Path) -> None:
    with pytest.raises(EcgcoreError, match="holds files that are no store"):
        prepare(tiny, tiny.path)
    prepare(tiny, tmp_path / "store")
    other = Archive(write_archive(tmp_path / "b", seed=3, n_records=5))
    with pytest.raises(EcgcoreError, match=r"is the store of another archive \(tiny\)"):
        prepare(other, tmp_path / "store")


def test_rates_that_are_not_there(tiny: Archive, tmp_path: Path) -> None:
    with pytest.raises(EcgcoreError, match="holds no records at 250 Hz"):
        prepare(tiny, tmp_path / "store", (250,))
    with pytest.raises(EcgcoreError, match=r"no records at 500 Hz \(it holds: 100\)"):
        prepare(tiny, tmp_path / "store", (100,)).signals(500)


def test_stores_that_cannot_be_opened(tiny: Archive, tmp_path: Path) -> None:
    with pytest.raises(EcgcoreError, match="is not a prepared store"):
        open_store(tmp_path)
    store = prepare(tiny, tmp_path / "store")
    info = tmp_path / "store/store.json"
    info.write_text(json.dumps({**store.info, "layout": 0}))
    with pytest.raises(EcgcoreError, match="prepared by another version"):
        open_store(tmp_path / "store")
    assert prepare(tiny, tmp_path / "store").info == store.info  # made again
    info.write_text("{")
    with pytest.raises(EcgcoreError, match="cannot be read"):
        open_store(tmp_path / "store")
    (tmp_path / "store/adu_100.npy").write_bytes(b"")
    with pytest.raises(EcgcoreError, match=r"adu_100\.npy: cannot be read"):
        store.adu(100)


def test_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    """2,000 records of 500 Hz, 240 MB of samples, within 150 MiB beyond the imports."""
    archive = write_archive(tmp_path / "a", 4, rates_hz=(500,))
    table = pd.read_csv(archive / "ptbxl_database.csv")
    many = pd.concat([table] * 500, ignore_index=True).assign(ecg_id=range(1, 2001))
    many.to_csv(archive / "ptbxl_database.csv", index=False)
    code = (
        "import resource, sys; from ecgcore.ptbxl import Archive; from ecgcore import wfdb16\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "archive = Archive(sys.argv[1]); before = peak()\n"
        "store = wfdb16.prepare(archive, sys.argv[2])\n"
        "print(len(store.table), peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(archive), str(tmp_path / "store")],
        check=True,
        capture_output=True,
        text=True,
    )
    n_records, growth_mib = done.stdout.split()
    assert n_records == "2000"
    assert float(growth_mib) < 150


def test_a_table_is_read_as_pandas_reads_it(small_store: str) -> None:
    path = Path(small_store) / "table.parquet"
    pd.testing.assert_frame_equal(files.read_parquet(path), pd.read_parquet(path))

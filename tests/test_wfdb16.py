"""Format-16 records: decoded as the wfdb package does, refused by name where they are unusual."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb
from archives import some_adu
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ecgcore import ptbxl, wfdb16
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.wfdb16 import read_header, read_signals_adu, to_mv, write_record, write_records

RATE_HZ, N = 100, 1000


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    """One good record."""
    write_records([tmp_path / "00001_lr"], some_adu(1, N), RATE_HZ)
    return tmp_path / "00001_lr"


def read(stem: Path) -> np.ndarray:
    return read_signals_adu([stem], RATE_HZ, N)[0]


def edit(stem: Path, change: Callable[[str], str]) -> None:
    file = Path(f"{stem}.hea")
    before = file.read_text()
    file.write_text(change(before))
    assert file.read_text() != before


@pytest.mark.parametrize("rate_hz", [100, 500])
def test_every_record_of_the_real_slice_equals_wfdb(ptbxl_500: Path, rate_hz: int) -> None:
    archive = ptbxl.Archive(ptbxl_500)
    stems = archive.stems(rate_hz)
    adu = read_signals_adu(stems, rate_hz, 10 * rate_hz)
    signals_mv = to_mv(adu)
    assert len(stems) == 500
    names = [name.upper() for name in LEADS]
    for stem, got, got_mv in zip(stems, adu, signals_mv, strict=True):
        record = wfdb.rdrecord(stem, physical=False)
        assert (got == record.d_signal.T).all(), stem
        wfdb_mv, fields = wfdb.rdsamp(stem)
        assert (got_mv == wfdb_mv.T.astype(np.float32)).all(), stem
        assert fields["sig_name"] == names


def test_writing_a_real_record_again_gives_the_same_bytes(ptbxl_500: Path, tmp_path: Path) -> None:
    source = ptbxl_500 / "records500/00000/00001_hr"
    signals_mv = to_mv(read_signals_adu([source], 500, 5000))[0]
    write_record(tmp_path / "00001_hr", signals_mv, 500)
    for suffix in (".hea", ".dat"):
        assert (
            Path(f"{tmp_path}/00001_hr{suffix}").read_bytes()
            == Path(f"{source}{suffix}").read_bytes()
        )


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(np.int16, (12, 23), elements=st.integers(-32768, 32767)))
def test_any_samples_survive_a_round_trip_and_wfdb_agrees(
    tmp_path_factory: pytest.TempPathFactory, adu: np.ndarray
) -> None:
    stem = tmp_path_factory.mktemp("record") / "r"
    write_records([stem], adu[None], RATE_HZ)
    np.testing.assert_array_equal(read_signals_adu([stem], RATE_HZ, 23)[0], adu)
    record = wfdb.rdrecord(str(stem), physical=False)
    np.testing.assert_array_equal(record.d_signal.T, adu)
    assert record.checksum == record.calc_checksum()
    assert record.init_value == adu[:, 0].tolist()


def test_missing_samples_become_nan_as_in_wfdb(tmp_path: Path) -> None:
    signals_mv = np.ones((12, N), dtype=np.float32)
    signals_mv[3, 5] = np.nan
    write_record(tmp_path / "r", signals_mv, RATE_HZ)
    got = to_mv(read_signals_adu([tmp_path / "r"], RATE_HZ, N))[0]
    expected, _ = wfdb.rdsamp(str(tmp_path / "r"))
    np.testing.assert_array_equal(got, expected.T.astype(np.float32))
    assert np.isnan(got[3, 5])


def test_amplitude_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EcgcoreError, match=r"40 mV does not fit in 16 bits"):
        write_record(tmp_path / "r", np.full((12, 4), 40.0), RATE_HZ)


def test_leads_are_ordered_by_name(stem: Path, tmp_path: Path) -> None:
    expected = read(stem)
    order = np.random.default_rng(1).permutation(12)
    write_record(
        tmp_path / "shuffled",
        expected[order] / 1000,
        RATE_HZ,
        lead_names=[LEADS[k] for k in order],
    )
    np.testing.assert_array_equal(read(tmp_path / "shuffled"), expected)
    # also right after a plain record, whose words a decoder remembers
    both = read_signals_adu([stem, tmp_path / "shuffled"], RATE_HZ, N)
    np.testing.assert_array_equal(both[0], both[1])


def test_another_gain_and_baseline_are_applied_exactly(stem: Path) -> None:
    before = read(stem)
    edit(stem, lambda text: text.replace("1000.0(0)/mV", "200.0(7)/mV", 1))
    after = read(stem)
    np.testing.assert_array_equal(after[0], (before[0].astype(int) - 7) * 5)
    np.testing.assert_array_equal(after[1:], before[1:])
    expected, _ = wfdb.rdsamp(str(stem))
    np.testing.assert_array_equal(to_mv(after), expected.T.astype(np.float32))


def test_byte_offset_is_respected(stem: Path) -> None:
    expected = read(stem)
    data = Path(f"{stem}.dat")
    data.write_bytes(b"preamble" + data.read_bytes())
    edit(stem, lambda text: text.replace(".dat 16 ", ".dat 16+8 "))
    np.testing.assert_array_equal(read(stem), expected)


def test_header_agrees_with_wfdb(stem: Path) -> None:
    ours, theirs = read_header(stem), wfdb.rdheader(str(stem))
    assert ours.rate_hz == theirs.fs
    assert ours.n_samples == theirs.sig_len
    assert list(ours.gains) == theirs.adc_gain
    assert list(ours.checksums) == theirs.checksum
    assert list(ours.initial_values) == theirs.init_value
    assert list(ours.baselines) == theirs.baseline
    assert ours.lead_names == LEADS


BAD_HEADERS = {
    "format": (lambda t: t.replace(".dat 16 ", ".dat 212 ", 1), "signal format 212"),
    "skew": (lambda t: t.replace(".dat 16 ", ".dat 16:3 ", 1), "signal format 16:3"),
    "frames": (lambda t: t.replace(".dat 16 ", ".dat 16x2 ", 1), "signal format 16x2"),
    "rate": (lambda t: t.replace(" 100 1000", " 250 1000", 1), "says 250 Hz; expected 100"),
    "length": (lambda t: t.replace(" 100 1000", " 100 900", 1), "says 900 samples a lead"),
    "gain": (lambda t: t.replace("1000.0(0)", "333.0(0)", 1), "lead I has 333 adu per mV"),
    "unit": (lambda t: t.replace("/mV", "/mmHg", 1), "lead I has 1000 adu per mmHg"),
    "unknown lead": (lambda t: t.replace(" V6", " V9"), "lacks V6, has unknown V9"),
    "lead twice": (lambda t: t.replace(" V6", " V5"), "lacks V6, has V5 more than once"),
    "cut": (lambda t: "\n".join(t.splitlines()[:-2]), "12 signals but describes 10"),
    "no header": (lambda t: "hello", "not a WFDB header"),
    "words": (lambda t: t.replace(" 100 1000", " fast 1000", 1), "first line"),
    "signal line": (lambda t: t.replace("1000.0(0)/mV", "often", 1), "cannot read signal line"),
    "elsewhere": (lambda t: t.replace("00001_lr.dat", "../x.dat"), "lies elsewhere"),
    "several files": (lambda t: t.replace("00001_lr.dat", "x.dat", 1), "several files"),
    "segments": (lambda t: t.replace("00001_lr 12", "00001_lr/3 12", 1), "multi-segment"),
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_unusual_header_is_refused_by_name(stem: Path, name: str) -> None:
    change, said = BAD_HEADERS[name]
    edit(stem, change)
    with pytest.raises(EcgcoreError, match=rf"00001_lr\.hea.*{re.escape(said)}"):
        read(stem)


def test_wrong_number_of_leads_is_refused(tmp_path: Path) -> None:
    write_record(tmp_path / "r", np.zeros((11, N)), RATE_HZ, lead_names=LEADS[:11])
    with pytest.raises(EcgcoreError, match="has 11 leads, lacks V6; expected the 12 leads"):
        read(tmp_path / "r")


BAD_DATA = {
    "middle of a frame": (lambda b: b[:-5], "ends in the middle of a frame"),
    "whole frames gone": (lambda b: b[:-48], "holds 998 samples a lead but its header says 1000"),
    "too long": (lambda b: b + b[:24], "holds 1001 samples a lead"),
    "one bit": (lambda b: bytes([b[0] ^ 1]) + b[1:], "checksum of lead I does not match"),
    "two leads exchanged": (lambda b: b[2:4] + b[:2] + b[4:], "checksum of lead I, II does"),
}


@pytest.mark.parametrize("name", BAD_DATA)
@pytest.mark.parametrize("after_a_good_one", [False, True])
def test_damaged_data_are_refused(stem: Path, name: str, after_a_good_one: bool) -> None:
    good = stem.with_name("good")
    write_records([good], some_adu(1, N), RATE_HZ)
    change, said = BAD_DATA[name]
    data = Path(f"{stem}.dat")
    data.write_bytes(change(data.read_bytes()))
    with pytest.raises(EcgcoreError, match=said):
        read_signals_adu([good, stem] if after_a_good_one else [stem], RATE_HZ, N)


@pytest.mark.parametrize("suffix", [".hea", ".dat"])
def test_missing_file_is_named(stem: Path, suffix: str) -> None:
    Path(f"{stem}{suffix}").unlink()
    with pytest.raises(EcgcoreError, match=rf"00001_lr\{suffix}: there is no such"):
        read(stem)


def test_unreadable_file_is_named(stem: Path) -> None:
    Path(f"{stem}.dat").unlink()
    Path(f"{stem}.dat").mkdir()  # cannot be opened, even by root
    with pytest.raises(EcgcoreError, match=r"00001_lr\.dat: cannot be read"):
        read(stem)


def test_header_that_is_no_text_is_named(stem: Path) -> None:
    Path(f"{stem}.hea").write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(EcgcoreError, match="is not text"):
        read(stem)


def test_records_left_out_are_marked_never_zero(stem: Path) -> None:
    good = stem.with_name("good")
    write_records([good], some_adu(1, N), RATE_HZ)
    Path(f"{stem}.dat").write_bytes(b"")
    adu = np.zeros((2, 12, N), dtype=np.int16)
    problems = wfdb16.decode_into(adu, [stem, good], RATE_HZ)
    assert list(problems) == [0]
    assert (adu[0] == wfdb16.INVALID).all()
    np.testing.assert_array_equal(adu[1], read(good))

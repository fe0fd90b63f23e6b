"""WFDB records: read as the wfdb package reads them, or refused by name."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb
from archives import some_adu, write_record, write_records
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from refusal import refused

from ecgcore.data import load_record, to_adu
from ecgcore.data.read_wfdb import read_wfdb, twelve_leads
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS, canonical_lead

RATE_HZ, N = 100, 1000


def as_wfdb(stem: Path) -> np.ndarray:
    """Return the wfdb package's values, leads in PTB-XL's order, shape (lead, sample)."""
    record = wfdb.rdrecord(str(stem))
    names = [canonical_lead(name) for name in record.sig_name]
    return np.asarray(record.p_signal.T[[names.index(lead) for lead in LEADS]])


def read(stem: Path) -> np.ndarray:
    return twelve_leads(read_wfdb(stem)[1], stem).mv


def edit(stem: Path, change: Callable[[str], str]) -> None:
    file = Path(f"{stem}.hea")
    before = file.read_text()
    file.write_text(change(before))
    assert file.read_text() != before


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    """Return the path of a good record."""
    write_records([tmp_path / "00001_lr"], some_adu(1, N), RATE_HZ)
    return tmp_path / "00001_lr"


@pytest.mark.parametrize("rate_hz", [100, 500])
def test_real_records_equal_wfdb_in_every_sample(ptbxl_500: Path, rate_hz: int) -> None:
    paths = sorted((ptbxl_500 / f"records{rate_hz}").rglob("*.hea"))
    assert len(paths) == 500
    for path in paths[::25]:
        record = path.with_suffix("")
        np.testing.assert_array_equal(read(record), as_wfdb(record).astype(np.float32))


def test_records_of_ludb_equal_wfdb_and_are_not_called_swapped(shared: Path) -> None:
    for k in range(1, 201, 10):
        record = load_record(shared / "ludb" / "data" / str(k))
        expected = as_wfdb(shared / "ludb" / "data" / str(k))
        np.testing.assert_array_equal(record.signals_mv, expected.astype(np.float32))
        assert record.rate_hz == 500
        assert any(note.startswith("gains normalised") for note in record.notes)


def test_writing_a_real_record_again_gives_the_same_bytes(ptbxl_500: Path, tmp_path: Path) -> None:
    source = ptbxl_500 / "records500/00000/00001_hr"
    write_record(tmp_path / "00001_hr", load_record(source).signals_mv, 500)
    for suffix in (".hea", ".dat"):
        written = Path(f"{tmp_path}/00001_hr{suffix}").read_bytes()
        assert written == Path(f"{source}{suffix}").read_bytes()


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(np.int16, (12, 23), elements=st.integers(-32768, 32767)))
def test_any_samples_survive_a_round_trip(
    tmp_path_factory: pytest.TempPathFactory, adu: np.ndarray
) -> None:
    stem = tmp_path_factory.mktemp("record") / "r"
    write_records([stem], adu[None], RATE_HZ)
    np.testing.assert_array_equal(to_adu(read(stem)), adu)
    np.testing.assert_array_equal(read(stem), as_wfdb(stem).astype(np.float32))
    record = wfdb.rdrecord(str(stem), physical=False)
    assert record.checksum == record.calc_checksum()
    assert record.init_value == adu[:, 0].tolist()


def test_an_amplitude_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EcgcoreError, match=r"40 mV does not fit in 16 bits"):
        write_record(tmp_path / "r", np.full((12, 4), 40.0), RATE_HZ)


def test_another_format_is_read_through_wfdb(tmp_path: Path) -> None:
    mv = some_adu(1, 720)[0] / 1000
    wfdb.wrsamp(
        "r", fs=360, units=["mV"] * 12, sig_name=[name.lower() for name in LEADS],
        p_signal=mv.T, fmt=["212"] * 12, adc_gain=[500] * 12, baseline=[0] * 12,
        write_dir=str(tmp_path),
    )  # fmt: skip
    record = load_record(tmp_path / "r")
    assert record.rate_hz == 360
    np.testing.assert_array_equal(record.signals_mv, as_wfdb(tmp_path / "r").astype(np.float32))
    np.testing.assert_allclose(record.signals_mv, mv, atol=1 / 500)


def test_gain_baseline_offset_and_missing_samples(stem: Path) -> None:
    before = read(stem)
    edit(stem, lambda text: text.replace("1000.0(0)/mV", "204.8(7)/mV", 1))
    np.testing.assert_array_equal(read(stem), as_wfdb(stem).astype(np.float32))
    np.testing.assert_allclose(read(stem)[0], (before[0] * 1000 - 7) / 204.8, atol=1e-5)


BAD_HEADERS = {
    "unknown format": (lambda t: t.replace(".dat 16 ", ".dat 17 "), "not a readable WFDB record"),
    "unit": (lambda t: t.replace("/mV", "/mmHg", 1), "lead I has the unit 'mmHg'"),
    "cut": (lambda t: "\n".join(t.splitlines()[:-2]), "12 signals but describes 10"),
    "no header": (lambda t: "hello", "not a readable WFDB record"),
    "not ASCII": (lambda t: t.replace(".dat 16 1000.0(0)/mV", ".dat 212 1(0)/µV"), "µV by uV"),
    "elsewhere": (lambda t: t.replace("00001_lr.dat", "../x.dat"), "not a readable WFDB record"),
    "huge": (
        lambda t: t.replace(" 16 1", " 212 1").replace(" 1000\n", " 9999999999\n"),
        "it announces 9999999999 samples",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_a_bad_header_is_refused_by_name(stem: Path, name: str) -> None:
    change, sentence = BAD_HEADERS[name]
    edit(stem, change)
    refused(rf"00001_lr.*{re.escape(sentence)}", read, stem)


BAD_DATA = {
    "middle of a frame": (lambda b: b[:-5], "ends in the middle of a frame"),
    "whole frames gone": (lambda b: b[:-48], "has 998 samples per lead, but its header says 1000"),
    "too long": (lambda b: b + b[:24], "has 1001 samples per lead"),
    "one bit": (lambda b: bytes([b[0] ^ 1]) + b[1:], "checksum of lead I does not match"),
    "shifted by one sample": (lambda b: b"\0\0" + b[:-2], "checksum of lead I, II, III"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_damaged_data_are_refused(stem: Path, name: str) -> None:
    change, sentence = BAD_DATA[name]
    data = Path(f"{stem}.dat")
    data.write_bytes(change(data.read_bytes()))
    refused(sentence, load_record, stem)


def test_files_that_cannot_be_opened_are_named(stem: Path) -> None:
    Path(f"{stem}.dat").unlink()
    refused(r"00001_lr\.dat: cannot be used \(No such file", load_record, stem)
    Path(f"{stem}.dat").mkdir()  # cannot be opened, even by root
    refused(r"00001_lr\.dat: cannot be used", load_record, stem)


def test_segments_are_joined_as_in_wfdb_and_gaps_are_named(tmp_path: Path) -> None:
    mv = (some_adu(1, N)[0] / 1000).astype(np.float32)
    write_record(tmp_path / "one", mv[:, :500], RATE_HZ)
    write_record(tmp_path / "two", mv[:, 500:], RATE_HZ)
    without = [k for k in range(12) if LEADS[k] != "V3"]
    names = [LEADS[k] for k in without]
    write_record(tmp_path / "three", mv[without, :500], RATE_HZ, lead_names=names)
    layout = "".join(f"~ 0 1000(0)/mV 16 0 0 0 0 {name.upper()}\n" for name in LEADS)
    (tmp_path / "layout.hea").write_text("layout 12 100 0\n" + layout)
    for name, lines in {
        "whole": "whole/2 12 100 1000\none 500\ntwo 500\n",
        "gap": "gap/3 12 100 1000\nlayout 0\n~ 500\ntwo 500\n",
        "late": "late/3 12 100 1000\nlayout 0\nthree 500\ntwo 500\n",
        "itself": "itself/1 12 100 1000\nitself 1000\n",
        "elsewhere": f"elsewhere/1 12 100 1000\n{tmp_path}/one 500\n",
    }.items():
        (tmp_path / f"{name}.hea").write_text(lines)
    np.testing.assert_array_equal(load_record(tmp_path / "whole").signals_mv, mv)
    joined = wfdb.rdrecord(str(tmp_path / "whole"), m2s=True).p_signal.T
    np.testing.assert_array_equal(read(tmp_path / "whole"), joined.astype(np.float32))
    refused(r"missing samples \(NaN\): 500 in I, from 0 to 5 s", load_record, tmp_path / "gap")
    after = load_record(tmp_path / "gap", start_s=5)
    np.testing.assert_array_equal(after.signals_mv, mv[:, 500:])
    refused(r"lead V3 has missing samples.*from 0 to 5 s", load_record, tmp_path / "late")
    for name in ("itself", "elsewhere"):
        refused("not a readable WFDB record", load_record, tmp_path / name)

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

from ecgcore.data import load_record, to_adu
from ecgcore.data.read_wfdb import read_wfdb, twelve_leads
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS, canonical_lead

RATE_HZ, N = 100, 1000


def as_wfdb(stem: Path) -> np.ndarray:
    """Physical values of the wfdb package, leads in PTB-XL's order, shape (lead, sample)."""
    record = wfdb.rdrecord(str(stem))
    names = [canonical_lead(name) for name in record.sig_name]
    return np.asarray(record.p_signal.T[[names.index(lead) for lead in LEADS]])


def read(stem: Path) -> np.ndarray:
    return twelve_leads(read_wfdb(stem), stem).mv


def edit(stem: Path, change: Callable[[str], str]) -> None:
    file = Path(f"{stem}.hea")
    before = file.read_text()
    file.write_text(change(before))
    assert file.read_text() != before


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    """One good record."""
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


FORMATS = ["16", "24", "32", "61", "80", "160", "212", "310", "311"]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_equals_wfdb(tmp_path: Path, form: str) -> None:
    mv = some_adu(1, 720)[0] / 1000
    gain = {"80": 60, "310": 200, "311": 200}.get(form, 500)
    if form in ("61", "160", "310", "311"):  # wfdb writes none of these
        adu = np.rint(mv * gain).astype(int)
        write_by_hand(tmp_path / "r", adu, form, gain)
    else:
        wfdb.wrsamp(
            "r", fs=360, units=["mV"] * 12, sig_name=[name.lower() for name in LEADS],
            p_signal=mv.T, fmt=[form] * 12, adc_gain=[gain] * 12, baseline=[0] * 12,
            write_dir=str(tmp_path),
        )  # fmt: skip
    record = load_record(tmp_path / "r")
    assert record.rate_hz == 360
    np.testing.assert_array_equal(record.signals_mv, as_wfdb(tmp_path / "r").astype(np.float32))
    np.testing.assert_allclose(record.signals_mv, mv, atol=1 / gain)


def write_by_hand(stem: Path, adu: np.ndarray, form: str, gain: int) -> None:
    """Formats 61 (big endian), 160 (offset binary), 310 and 311 (three samples of 10 bits in four
    bytes); signal(5)."""
    frames = np.ascontiguousarray(adu.T).ravel()
    if form == "61":
        content = frames.astype(">i2").tobytes()
    elif form == "160":
        content = (frames + 32768).astype("<u2").tobytes()
    else:
        one, two, three = (frames & 0x3FF).astype("<u4").reshape(-1, 3).T
        packed = one | two << 10 | three << 20
        if form == "310":
            packed = one << 1 | (three & 31) << 11 | two << 17 | (three >> 5) << 27
        content = packed.astype("<u4").tobytes()
    lines = [f"{stem.name} 12 360 {adu.shape[1]}"]
    for name, lead in zip(LEADS, adu, strict=True):
        total = int(lead.sum()) & 0xFFFF
        lines.append(f"{stem.name}.dat {form} {gain}(0)/mV 16 0 {lead[0]} {total} 0 {name}")
    Path(f"{stem}.dat").write_bytes(content)
    Path(f"{stem}.hea").write_text("\n".join(lines) + "\n")


def test_format_8_adds_up_differences(tmp_path: Path) -> None:
    adu = np.cumsum(np.random.default_rng(0).integers(-60, 61, (12, N)), axis=1)
    adu[2:6] = np.stack([adu[1] - adu[0], -(adu[0] + adu[1]), adu[0], adu[1]])
    steps = np.clip(np.diff(adu, axis=1, prepend=adu[:, :1]), -128, 127)
    adu = adu[:, :1] + np.cumsum(steps, axis=1)
    write_by_hand(tmp_path / "r", adu, "8", 100)
    (tmp_path / "r.dat").write_bytes(np.ascontiguousarray(steps.T.astype(np.int8)).tobytes())
    np.testing.assert_allclose(read(tmp_path / "r"), adu / 100, atol=1e-5)


def test_several_samples_per_frame_are_averaged_as_in_wfdb(stem: Path) -> None:
    frames = wfdb.rdrecord(str(stem), physical=False).d_signal.reshape(500, 12, 2)
    sums = (frames.sum(axis=(0, 2)) & 0xFFFF).tolist()
    lines = [
        f"00001_lr.dat 16x2 1000(0)/mV 16 0 0 {total} 0 {lead}"
        for lead, total in zip(LEADS, sums, strict=True)
    ]
    Path(f"{stem}.hea").write_text("\n".join(["00001_lr 12 100 500", *lines]) + "\n")
    np.testing.assert_array_equal(read(stem), as_wfdb(stem).astype(np.float32))


def test_gain_baseline_offset_and_missing_samples(stem: Path) -> None:
    before = read(stem)
    edit(stem, lambda text: text.replace("1000.0(0)/mV", "204.8(7)/mV", 1))
    np.testing.assert_array_equal(read(stem), as_wfdb(stem).astype(np.float32))
    np.testing.assert_allclose(read(stem)[0], (before[0] * 1000 - 7) / 204.8, atol=1e-5)
    data = Path(f"{stem}.dat")
    data.write_bytes(b"preamble" + data.read_bytes())
    edit(stem, lambda text: text.replace(".dat 16 ", ".dat 16+8 "))
    np.testing.assert_array_equal(read(stem), as_wfdb(stem).astype(np.float32))


BAD_HEADERS = {
    "unknown format": (lambda t: t.replace(".dat 16 ", ".dat 17 "), "cannot read line"),
    "unit": (lambda t: t.replace("/mV", "/mmHg", 1), "lead I is in 'mmHg'"),
    "cut": (lambda t: "\n".join(t.splitlines()[:-2]), "12 signals but describes 10"),
    "no header": (lambda t: "hello", "first line is not 'NAME"),
    "signal line": (lambda t: t.replace("1000.0(0)/mV", "often", 1), "cannot read line"),
    "elsewhere": (lambda t: t.replace("00001_lr.dat", "../x.dat"), "lies elsewhere"),
    "huge": (
        lambda t: t.replace(" 16 1", " 212 1").replace(" 1000\n", " 9999999999\n"),
        "its header says 9999999999",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_a_bad_header_is_refused_by_name(stem: Path, name: str) -> None:
    change, sentence = BAD_HEADERS[name]
    edit(stem, change)
    with pytest.raises(EcgcoreError, match=rf"00001_lr.*{re.escape(sentence)}"):
        read(stem)


BAD_DATA = {
    "middle of a frame": (lambda b: b[:-5], "ends in the middle of a frame"),
    "whole frames gone": (lambda b: b[:-48], "holds 998 samples per lead but its header says 1000"),
    "too long": (lambda b: b + b[:24], "holds 1001 samples per lead"),
    "one bit": (lambda b: bytes([b[0] ^ 1]) + b[1:], "checksum of lead I does not match"),
    "shifted by one sample": (lambda b: b"\0\0" + b[:-2], "checksum of lead I, II, III"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_damaged_data_are_refused(stem: Path, name: str) -> None:
    change, sentence = BAD_DATA[name]
    data = Path(f"{stem}.dat")
    data.write_bytes(change(data.read_bytes()))
    with pytest.raises(EcgcoreError, match=sentence):
        load_record(stem)


def test_files_that_cannot_be_opened_are_named(stem: Path) -> None:
    Path(f"{stem}.dat").unlink()
    with pytest.raises(EcgcoreError, match=r"00001_lr\.dat: there is no such data file"):
        load_record(stem)
    Path(f"{stem}.dat").mkdir()  # cannot be opened, even by root
    with pytest.raises(EcgcoreError, match=r"00001_lr\.dat: cannot be read"):
        load_record(stem)
    Path(f"{stem}.hea").write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(EcgcoreError, match=r"00001_lr\.hea: "):
        load_record(stem)


def write_segments(folder: Path) -> np.ndarray:
    """Two halves of a record, and headers that join them in several ways."""
    mv = (some_adu(1, N)[0] / 1000).astype(np.float32)
    write_record(folder / "one", mv[:, :500], RATE_HZ)
    write_record(folder / "two", mv[:, 500:], RATE_HZ)
    without = [k for k in range(12) if LEADS[k] != "V3"]
    names = [LEADS[k] for k in without]
    write_record(folder / "three", mv[without, :500], RATE_HZ, lead_names=names)
    layout = "".join(f"~ 0 1000(0)/mV 16 0 0 0 0 {name}\n" for name in LEADS)
    (folder / "layout.hea").write_text("layout 12 100 0\n" + layout)
    for name, lines in {
        "whole": "whole/2 12 100 1000\none 500\ntwo 500\n",
        "gap": "gap/2 12 100 1000\none 500\n~ 500\n",
        "late": "late/3 12 100 1000\nlayout 0\nthree 500\ntwo 500\n",
        "itself": "itself/1 12 100 1000\nitself 1000\n",
        "short": "short/2 12 100 1000\none 500\ntwo 400\n",
    }.items():
        (folder / f"{name}.hea").write_text(lines)
    return mv


def test_segments_are_joined_and_gaps_are_named(tmp_path: Path) -> None:
    mv = write_segments(tmp_path)
    np.testing.assert_array_equal(load_record(tmp_path / "whole").signals_mv, mv)
    joined = wfdb.rdrecord(str(tmp_path / "whole"), m2s=True).p_signal.T
    np.testing.assert_array_equal(read(tmp_path / "whole"), joined.astype(np.float32))
    with pytest.raises(EcgcoreError, match=r"missing samples \(NaN\): 500 in I, from 5 to 10 s"):
        load_record(tmp_path / "gap")
    with pytest.raises(EcgcoreError, match=r"lead V3 has missing samples.*from 0 to 5 s"):
        load_record(tmp_path / "late")
    for name in ("itself", "short"):
        with pytest.raises(EcgcoreError):
            load_record(tmp_path / name)


def test_no_header_reaches_the_network_or_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr("socket.create_connection", never)
    write_record(tmp_path / "secret", np.zeros((12, N)), RATE_HZ)
    (tmp_path / "inside").mkdir()
    for name in (f"{tmp_path}/secret", "../secret", "https://example.org/x", "C:x", "..\\secret"):
        (tmp_path / "inside" / "m.hea").write_text(f"m/1 12 100 1000\n{name} 1000\n")
        with pytest.raises(EcgcoreError, match="lies elsewhere"):
            load_record(tmp_path / "inside" / "m")

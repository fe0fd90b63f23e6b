"""The one door for records: names, units, lengths, damage and other formats."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from archives import some_adu, write_record

from ecgcore.data import Record, load_record, to_adu
from ecgcore.errors import EcgcoreError
from ecgcore.leads import INDEPENDENT, LEADS

RATE_HZ, N = 500, 5000


@pytest.fixture
def mv() -> np.ndarray:
    """Noise as tall as an ECG that obeys the identities of the limb leads."""
    return np.asarray(some_adu(1, N)[0] / 1000)


def header_of(stem: Path, change: tuple[str, str], encoding: str = "utf-8") -> None:
    file = Path(f"{stem}.hea")
    file.write_bytes(file.read_text().replace(*change).encode(encoding))


@pytest.mark.parametrize(
    ("unit", "gain", "encoding"),
    [("mV", "1000.0", "utf-8"), ("mv", "1000.0", "utf-8"), ("MV", "1000.0", "utf-8"),
     ("uV", "1.0", "utf-8"), ("µV", "1.0", "utf-8"), ("μV", "1.0", "utf-8"),
     ("µV", "1.0", "latin-1"), ("µV", "1.0", "cp437"), ("V", "1e6", "utf-8"),
     ("nV", "0.001", "utf-8")],
)  # fmt: skip
def test_any_unit_in_any_encoding(
    tmp_path: Path, mv: np.ndarray, unit: str, gain: str, encoding: str
) -> None:
    write_record(tmp_path / "r", mv, RATE_HZ)
    header_of(tmp_path / "r", ("1000.0(0)/mV", f"{gain}(0)/{unit}"), encoding)
    np.testing.assert_allclose(load_record(tmp_path / "r").signals_mv, mv, atol=1e-6)


def test_a_header_that_names_no_unit_gain_or_rate(tmp_path: Path, mv: np.ndarray) -> None:
    write_record(tmp_path / "r", mv, RATE_HZ)
    header_of(tmp_path / "r", ("(0)/mV", ""))
    np.testing.assert_allclose(load_record(tmp_path / "r").signals_mv, mv, atol=1e-6)
    write_record(tmp_path / "r", mv, RATE_HZ, gain=200)
    header_of(tmp_path / "r", ("200.0(0)/mV", "0"))
    np.testing.assert_allclose(load_record(tmp_path / "r").signals_mv, mv, atol=0.003)


@pytest.mark.parametrize("prefix", ["", "ECG Lead ", "lead_", "ekg:", "MDC_ECG_LEAD_"])
def test_lead_names_with_prefixes_in_other_case_and_order(
    tmp_path: Path, mv: np.ndarray, prefix: str
) -> None:
    order = [*np.random.default_rng(1).permutation(12), 0]
    names = [*[prefix + LEADS[k].lower() for k in order[:-1]], "resp"]
    write_record(tmp_path / "r", mv[order], RATE_HZ, lead_names=names)
    for spelt in ("r", "r.hea", "r.dat"):
        record = load_record(tmp_path / spelt)
        assert (record.name, record.rate_hz, record.notes) == ("r", RATE_HZ, ())
        np.testing.assert_allclose(record.signals_mv, mv, atol=1e-6)
        assert record.signals_mv.dtype == np.float32


def test_four_limb_leads_are_derived_and_said(tmp_path: Path, mv: np.ndarray) -> None:
    eight = [LEADS.index(lead) for lead in INDEPENDENT]
    write_record(tmp_path / "r", mv[eight], RATE_HZ, lead_names=INDEPENDENT)
    record = load_record(tmp_path / "r")
    np.testing.assert_allclose(record.signals_mv, mv, atol=0.0011)
    assert record.notes == ("lead III, aVR, aVL, aVF derived from I and II",)
    names = ["I", "II", "III", "-aVR", *LEADS[4:]]  # Cabrera's sequence
    write_record(tmp_path / "r", mv * np.where(np.arange(12) == 3, -1, 1)[:, None], RATE_HZ,
                 lead_names=names)  # fmt: skip
    assert load_record(tmp_path / "r").notes == ("lead aVR derived from I and II",)


def test_missing_and_nameless_leads_are_named(tmp_path: Path, mv: np.ndarray) -> None:
    write_record(tmp_path / "r", mv[:10], RATE_HZ, lead_names=LEADS[:10])
    with pytest.raises(EcgcoreError, match=r"lead V5, V6 missing \(it has I, II"):
        load_record(tmp_path / "r")
    write_record(tmp_path / "r", mv, RATE_HZ, lead_names=[""] * 12)
    with pytest.raises(EcgcoreError, match="it has no names"):
        load_record(tmp_path / "r")
    write_record(tmp_path / "r", np.vstack([mv[1], mv]), RATE_HZ, lead_names=["II", *LEADS])
    with pytest.raises(EcgcoreError, match="lead II is present twice; remove all but one"):
        load_record(tmp_path / "r")


def refusal(tmp_path: Path, mv: np.ndarray, gain: int = 1000) -> str:
    write_record(tmp_path / "r", mv, RATE_HZ, gain=gain)
    with pytest.raises(EcgcoreError) as refused:
        load_record(tmp_path / "r")
    return str(refused.value)


def notes(tmp_path: Path, mv: np.ndarray, gain: int = 1000) -> str:
    write_record(tmp_path / "r", mv, RATE_HZ, gain=gain)
    record = load_record(tmp_path / "r")
    np.testing.assert_allclose(record.signals_mv, mv, atol=1 / gain)
    return "; ".join(record.notes)


def test_swapped_and_inverted_limb_leads_are_refused(tmp_path: Path, mv: np.ndarray) -> None:
    swapped = mv.copy()
    swapped[[3, 4]] = mv[[4, 3]]
    assert "limb leads may be swapped or inverted" in refusal(tmp_path, swapped, gain=100)
    inverted = mv * np.where(np.arange(12) == 5, -1, 1)[:, None]
    assert "limb leads may be swapped or inverted" in refusal(tmp_path, inverted)


def test_coarse_gains_and_offsets_violate_no_identity(tmp_path: Path, mv: np.ndarray) -> None:
    assert not notes(tmp_path, mv, gain=20)
    shifted = mv + np.where(np.arange(12) == 3, 0.5, 0)[:, None]
    assert not notes(tmp_path, shifted)
    shifted = mv + np.where(np.arange(12) > 5, 16.0, 0)[:, None]
    assert notes(tmp_path, shifted) == "lead V1, V2, V3, V4, V5, V6 has a median beyond 2 mV"


def test_gaps_are_refused_and_may_be_avoided(tmp_path: Path, mv: np.ndarray) -> None:
    gap = mv.copy()
    gap[7, 1000:2500] = np.nan
    said = refusal(tmp_path, gap)
    assert "lead V2 has missing samples (NaN): 1,500 in V2, from 2 to 5 s" in said
    part = load_record(tmp_path / "r", start_s=5, duration_s=4)
    np.testing.assert_allclose(part.signals_mv, mv[:, 2500:4500], atol=1e-6)
    for start_s, duration_s in (
        (10, 1), (-1, 1), (np.nan, 1), (np.inf, 1), (0, 0), (0, np.nan), (9.9999999, 1), (0, 1e-9),
    ):  # fmt: skip
        with pytest.raises(EcgcoreError, match="are not within the record's 10 s"):
            load_record(tmp_path / "r", start_s=start_s, duration_s=duration_s)


def test_an_ecg_of_a_strange_size_is_noted_or_refused(tmp_path: Path, mv: np.ndarray) -> None:
    for factor, gain in ((10, 1000), (0.01, 100_000)):
        assert "check the unit and the gain" in notes(tmp_path, mv * factor, gain=gain)
    assert "check the unit and the gain" in refusal(tmp_path, mv * 1000, gain=1)
    assert "check the unit and the gain" in refusal(tmp_path, mv / 1000, gain=1_000_000)


def test_flat_and_tall_leads(tmp_path: Path, mv: np.ndarray) -> None:
    assert "has no signal" in refusal(tmp_path, mv * 0)
    flat = mv.copy()
    flat[6, 500:1050] = 0.04
    assert notes(tmp_path, flat) == "lead V1 keeps one value for 1 s or longer"
    flat[6, 900:1050] = mv[6, 900:1050]
    assert notes(tmp_path, flat) == ""
    tall = mv.copy()
    tall[8, 10] = 12
    assert notes(tmp_path, tall) == "lead V3 has an amplitude beyond 10 mV"
    adu = to_adu(mv)
    adu[6, 1000:1400] ^= 0x4000  # an even number of bits: the checksum agrees
    assert "lead V1 jumps by more than 10 mV" in refusal(tmp_path, adu / 1000)
    glitch = mv.copy()
    glitch[2, 40:43] += 0.5
    assert "3 samples violate the identities of the limb leads" in notes(tmp_path, glitch)


@pytest.mark.parametrize(
    ("rate", "n_samples", "read"),
    [("500", 4999, 500), ("1000", 10000, 1000), ("500/1000(0)", 5000, 500),
     ("499.9999999", 5000, 500)],
)  # fmt: skip
def test_lengths_and_rates(
    tmp_path: Path, mv: np.ndarray, rate: str, n_samples: int, read: int
) -> None:
    signals = np.tile(mv, 2)[:, :n_samples]
    write_record(tmp_path / "r", signals, RATE_HZ)
    header_of(tmp_path / "r", (" 12 500 ", f" 12 {rate} "))
    record = load_record(tmp_path / "r")
    assert (record.rate_hz, record.signals_mv.shape) == (read, (12, n_samples))


@pytest.mark.parametrize(
    "name",
    ["a$1$b", "x_$y", "ecg心电图", "2024.05.01_rest", "with space", "two  16 spaces", "r 12"],
)
def test_any_name_of_a_record(tmp_path: Path, mv: np.ndarray, name: str) -> None:
    write_record(tmp_path / name, mv, RATE_HZ)
    record = load_record(tmp_path / name)
    assert record.name == name
    np.testing.assert_allclose(record.signals_mv, mv, atol=1e-6)


def test_headers_of_the_challenges_of_2020_and_2021(tmp_path: Path, mv: np.ndarray) -> None:
    adu = to_adu(mv)
    (tmp_path / "A0001.mat").write_bytes(bytes(24) + np.ascontiguousarray(adu.T).tobytes())
    lines = [
        f"A0001.mat 16+24 1000/mV 16 0 {x[0]} {int(x.sum(dtype=np.int16))} 0 {lead}"
        for lead, x in zip(LEADS, adu, strict=True)
    ]
    text = "\n".join(["A0001 12 500 5000 05-Feb-2020 11:39:16", *lines, "#Age: 74"])
    (tmp_path / "A0001.hea").write_text(text)
    for spelt in ("A0001", "A0001.mat"):
        np.testing.assert_array_equal(
            load_record(tmp_path / spelt).signals_mv, (adu / 1000).astype(np.float32)
        )


def read_table(path: Path, **options: object) -> Record:
    return load_record(path, rate_hz=RATE_HZ, **{"unit": "uV", **options})  # type: ignore[arg-type]


def test_csv_and_numpy_files(tmp_path: Path, mv: np.ndarray) -> None:
    table = pd.DataFrame(mv.T * 1000, columns=[f"Lead {lead}" for lead in LEADS])
    table.insert(0, "time", np.arange(N) / RATE_HZ)
    table.to_csv(tmp_path / "comma.csv", index=False)
    np.save(tmp_path / "a.npy", mv * 1000)
    np.save(tmp_path / "b.npy", mv.T * 1000)
    for name in ("comma.csv", "a.npy", "b.npy"):
        record = read_table(tmp_path / name)
        assert (record.name, record.rate_hz) == (name.split(".")[0], RATE_HZ)
        np.testing.assert_allclose(record.signals_mv, mv, atol=1e-6)


def test_tables_with_missing_or_infinite_samples_are_refused(
    tmp_path: Path, mv: np.ndarray
) -> None:
    for value in (np.inf, np.nan, 1e300):
        signals = mv * 1000
        signals[6, :50] = value
        np.save(tmp_path / "a.npy", signals)
        with pytest.raises(EcgcoreError, match=r"lead V1 has missing samples \(NaN\): 50 in V1"):
            read_table(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("x.csv", b"I;II\n1;2\n", "lead I, II, III, aVR"),
     ("x.npy", b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f8', 'fortran_order': False, "
      b"'shape': (12, 500000000000), }".ljust(117) + b"\n", "Unable to allocate"),
     ("x.csv", b"", "cannot be read as a table"), ("x.csv", b"I,II\n1,b\n", "table of numbers"),
     ("x.csv", b"I,II\n1,2\n3,4\n5,6\n", "lead V1, V2"), ("x.npy", b"abc", "table of num"),
     ("x.csv", b"\xff\xfe\xfa", "table of numbers"), ("x.npy", b"PK\3\4", "table of numbers")],
)  # fmt: skip
def test_tables_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EcgcoreError, match=words):
        read_table(tmp_path / name)


def test_rate_and_unit_belong_to_tables_alone(tmp_path: Path, mv: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", mv)
    write_record(tmp_path / "r", mv, RATE_HZ)
    for options in ({}, {"rate_hz": 500}, {"unit": "mV"}, {"rate_hz": 500, "unit": "mmHg"}):
        with pytest.raises(EcgcoreError, match="give both, such as rate 500"):
            load_record(tmp_path / "a.npy", **options)
    with pytest.raises(EcgcoreError, match="a WFDB header states rate and unit itself"):
        load_record(tmp_path / "r", rate_hz=500)
    with pytest.raises(EcgcoreError, match="expected a whole number of Hz"):
        load_record(tmp_path / "a.npy", rate_hz=np.nan, unit="mV")


def test_what_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    for name, words in {
        "nothing": "there is no such header file",
        "photo.png": "has no header photo.hea beside it",
        ".": "is a folder; name one record in it",
        "a\0b": "there is no such header file",
        "x" * 400: "File name too long",
    }.items():
        with pytest.raises(EcgcoreError, match=re.escape(words)):
            load_record(tmp_path / name)

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
     ("µV", "1.0", "latin-1"), ("µV", "1.0", "cp437"), ("µV", "1.0", "utf-16"),
     ("µV", "1.0", "utf-8-sig"), ("Microvolts", "1.0", "utf-8"), ("V", "1e6", "utf-8"),
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
    record = load_record(tmp_path / "r")
    np.testing.assert_allclose(record.signals_mv, mv, atol=0.003)
    assert "the header names no gain; WFDB's default of 200 per mV is used" in record.notes


@pytest.mark.parametrize(
    "prefix", ["", "ECG ", "Lead ", "ECG Lead ", "lead_", "ekg:", "MDC_ECG_LEAD_"]
)
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
    assert record.notes == ("leads III, aVR, aVL, aVF were derived from I and II",)
    names = ["I", "II", "III", "-aVR", *LEADS[4:]]  # Cabrera's sequence
    write_record(tmp_path / "r", mv * np.where(np.arange(12) == 3, -1, 1)[:, None], RATE_HZ,
                 lead_names=names)  # fmt: skip
    assert load_record(tmp_path / "r").notes == ("lead aVR was derived from I and II",)


def test_missing_and_nameless_leads_are_named(tmp_path: Path, mv: np.ndarray) -> None:
    write_record(tmp_path / "r", mv[:10], RATE_HZ, lead_names=LEADS[:10])
    with pytest.raises(EcgcoreError, match=r"lead V5, V6 missing \(it has I, II"):
        load_record(tmp_path / "r")
    write_record(tmp_path / "r", mv, RATE_HZ, lead_names=[""] * 12)
    with pytest.raises(EcgcoreError, match="a lead without a name"):
        load_record(tmp_path / "r")


def test_of_two_leads_of_one_name_the_complete_one_is_taken(tmp_path: Path, mv: np.ndarray) -> None:
    strip = mv[1].copy()
    strip[1250:] = np.nan
    write_record(tmp_path / "r", np.vstack([strip, mv]), RATE_HZ, lead_names=["II", *LEADS])
    record = load_record(tmp_path / "r")
    np.testing.assert_allclose(record.signals_mv, mv, atol=1e-6)
    assert record.notes == ("lead II is present 2 times; the only complete one is used",)
    write_record(tmp_path / "r", np.vstack([-mv[1], mv]), RATE_HZ, lead_names=["II", *LEADS])
    with pytest.raises(EcgcoreError, match="lead II is present 2 times with different samples"):
        load_record(tmp_path / "r")
    write_record(tmp_path / "r", np.vstack([mv[1], mv]), RATE_HZ, lead_names=["II", *LEADS])
    assert not load_record(tmp_path / "r").notes


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
    assert "leads aVR and aVL look swapped" in refusal(tmp_path, swapped)
    assert "leads aVR and aVL look swapped" in refusal(tmp_path, swapped, gain=100)
    inverted = mv * np.where(np.arange(12) == 5, -1, 1)[:, None]
    assert "lead aVF looks inverted" in refusal(tmp_path, inverted)


def test_coarse_gains_and_offsets_violate_no_identity(tmp_path: Path, mv: np.ndarray) -> None:
    assert not notes(tmp_path, mv, gain=20)
    shifted = mv + np.where(np.arange(12) == 3, 0.5, 0)[:, None]
    assert not notes(tmp_path, shifted)
    shifted = mv + np.where(np.arange(12) > 5, 16.0, 0)[:, None]
    assert notes(tmp_path, shifted) == ("lead V1, V2, V3, V4, V5, V6 has an offset of up to 16 mV")
    assert "offset of up to 300 mV" in notes(tmp_path, shifted + (shifted > 9) * 284, gain=100)


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


@pytest.mark.parametrize(("factor", "words"), [(10, "factor of about 10"), (0.01, "about 100")])
def test_an_ecg_of_a_strange_size_is_flagged(
    tmp_path: Path, mv: np.ndarray, factor: float, words: str
) -> None:
    gain = 1000 if factor > 1 else 100_000
    assert words in notes(tmp_path, mv * factor, gain=gain)


def test_an_ecg_of_an_impossible_size_is_refused_with_the_likely_unit(
    tmp_path: Path, mv: np.ndarray
) -> None:
    assert "this looks like uV read as mV" in refusal(tmp_path, mv * 1000, gain=1)
    assert "this looks like V read as mV" in refusal(tmp_path, mv / 1000, gain=1_000_000)


def test_flat_clipped_and_tall_leads(tmp_path: Path, mv: np.ndarray) -> None:
    assert "has no signal" in refusal(tmp_path, mv * 0)
    flat = mv.copy()
    flat[6, 500:1050] = 0.04
    assert notes(tmp_path, flat) == "lead V1 keeps one value for 1 s or longer"
    flat[6, 900:1050] = mv[6, 900:1050]
    assert notes(tmp_path, flat) == ""
    clipped = mv.copy()
    clipped[7] = np.clip(np.repeat(mv[7, ::50], 50) * 9, -2.5, 2.5)
    assert "lead V2 looks clipped at its extreme" in notes(tmp_path, clipped)
    tall = mv.copy()
    tall[8, 10] = 12
    assert notes(tmp_path, tall) == "lead V3 has an amplitude beyond 10 mV"
    glitch = mv.copy()
    glitch[2, 40:43] += 0.5
    assert "3 samples violate the identities of the limb leads" in notes(tmp_path, glitch)


def test_one_lead_of_another_size_or_with_the_samples_of_another(
    tmp_path: Path, mv: np.ndarray
) -> None:
    small = mv.copy()
    small[8] /= 1000
    assert "lead V3 has less than 0.02 of the others' size" in notes(tmp_path, small, gain=10_000)
    copied = mv.copy()
    copied[6] = mv[7]
    assert notes(tmp_path, copied) == "lead V1, V2 holds the same samples as another lead"


def test_flipped_bits_are_damage_even_where_the_checksum_agrees(
    tmp_path: Path, mv: np.ndarray
) -> None:
    adu = to_adu(mv)
    adu[6, 1000:1400] ^= 0x4000
    assert "lead V1 jumps by more than 10 mV" in refusal(tmp_path, adu / 1000)


def test_a_negative_gain_is_said_and_one_of_a_limb_lead_refused(
    tmp_path: Path, mv: np.ndarray
) -> None:
    write_record(tmp_path / "r", mv, RATE_HZ)
    text = (tmp_path / "r.hea").read_text()
    header_of(tmp_path / "r", (" 1000", " -1000"))
    record = load_record(tmp_path / "r")
    assert "a negative gain inverts lead I, II, III" in record.notes[0]
    np.testing.assert_allclose(record.signals_mv, -mv, atol=1e-6)
    (tmp_path / "r.hea").write_text(text.replace(" 1000", " -1000", 1))
    with pytest.raises(EcgcoreError, match="lead I looks inverted"):
        load_record(tmp_path / "r")


@pytest.mark.parametrize(
    ("rate", "n_samples", "read"),
    [("500", 4999, 500), ("257", 2569, 257), ("1000", 10000, 1000), ("500/500", 5000, 500),
     ("500/1000(0)", 5000, 500), ("499.9999999", 5000, 500), ("100", 1000, 100)],
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
    for first in ("A0001 12 500 5000 05-Feb-2020 11:39:16", "A0001.mat 12 500 5000 2020-02-05"):
        lines = [
            f"A0001.mat 16+24 1000/mV 16 0 {x[0]} {int(x.sum(dtype=np.int16))} 0 {lead}"
            for lead, x in zip(LEADS, adu, strict=True)
        ]
        text = "\n".join([first, *lines, "#Age: 74", "#Dx: 59118001"])
        (tmp_path / "A0001.hea").write_text(text)
        for spelt in ("A0001", "A0001.mat", "A0001.hea"):
            np.testing.assert_array_equal(
                load_record(tmp_path / spelt).signals_mv, (adu / 1000).astype(np.float32)
            )


def read_table(path: Path, **options: object) -> Record:
    return load_record(path, rate_hz=RATE_HZ, **{"unit": "uV", **options})  # type: ignore[arg-type]


def test_csv_and_numpy_files(tmp_path: Path, mv: np.ndarray) -> None:
    table = pd.DataFrame(mv.T * 1000, columns=[f"Lead {lead}" for lead in LEADS])
    table.insert(0, "time", np.arange(N) / RATE_HZ)
    table.to_csv(tmp_path / "comma.csv", index=False)
    table.to_csv(tmp_path / "european.csv", index=False, sep=";", decimal=",")
    table.to_csv(tmp_path / "tabs.txt", index=False, sep="\t", encoding="utf-16")
    np.savetxt(tmp_path / "bare.csv", mv.T * 1000, delimiter=",")
    np.save(tmp_path / "a.npy", mv * 1000)
    np.save(tmp_path / "b.npy", mv.T * 1000)
    np.savez(tmp_path / "c.npz", ecg=mv * 1000)
    for name in ("comma.csv", "european.csv", "tabs.txt", "bare.csv", "a.npy", "b.npy", "c.npz"):
        record = read_table(tmp_path / name)
        assert (record.name, record.rate_hz) == (name.split(".")[0], RATE_HZ)
        np.testing.assert_allclose(record.signals_mv, mv, atol=1e-6)
        named = name in ("comma.csv", "european.csv", "tabs.txt")
        assert named == (record.notes == ()), name


def test_tables_without_names_in_any_separation(tmp_path: Path, mv: np.ndarray) -> None:
    table = pd.DataFrame(mv.T)
    table.to_csv(tmp_path / "counted.csv", index=False)  # its first line is 0,1,2,...
    table.to_csv(tmp_path / "european.csv", index=False, header=False, sep=";", decimal=",")
    np.savetxt(tmp_path / "spaces.txt", mv.T)
    np.savetxt(tmp_path / "named.txt", mv.T[:, ::-1], header=" ".join(LEADS[::-1]))
    for name in ("counted.csv", "european.csv", "spaces.txt", "named.txt"):
        record = read_table(tmp_path / name, unit="mV")
        np.testing.assert_allclose(record.signals_mv, mv, atol=1e-6)
        assert (name == "named.txt") == (record.notes == ()), name


def test_tables_with_missing_and_infinite_samples_or_another_rate_are_refused(
    tmp_path: Path, mv: np.ndarray
) -> None:
    for value in (-32768, np.inf, np.nan, 1e300):
        signals = mv * 1000
        signals[6, :50] = value
        np.save(tmp_path / "a.npy", signals)
        with pytest.raises(EcgcoreError, match=r"lead V1 has missing samples \(NaN\): 50 in V1"):
            read_table(tmp_path / "a.npy")
    table = pd.DataFrame(mv.T * 1000, columns=list(LEADS))
    for name, step in {"time_ms": 2, "t": 1, "Time (s)": 0.002, "timing": 7}.items():
        table.assign(**{name: step * np.arange(N)}).to_csv(tmp_path / "a.csv", index=False)
        assert read_table(tmp_path / "a.csv").rate_hz == RATE_HZ
        table.assign(**{name: 3 * step * np.arange(N)}).to_csv(tmp_path / "b.csv", index=False)
        if name != "timing":
            with pytest.raises(EcgcoreError, match="does not fit 500 samples per second"):
                read_table(tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("x.csv", b"I (mV),II (mV)\n1,2\n", r"none of its columns is a lead: I \(mV\)"),
     ("x.npy", b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f8', 'fortran_order': False, "
      b"'shape': (12, 500000000000), }".ljust(117) + b"\n", "Unable to allocate"),
     ("x.csv", b"", "cannot be read as a table"), ("x.csv", b"I,II\n1,b\n", "table of numbers"),
     ("x.csv", b"I,II\n1,2\n3,4\n5,6\n", "lead V1, V2"), ("x.npy", b"abc", "table of numbers"),
     ("x.csv", b"\xff\xfe\xfa", "table of numbers"), ("x.csv", b"1,2\n3,4\n", "expected 12 leads")],
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


@pytest.mark.parametrize(
    ("name", "start", "package"),
    [("x.edf", b"0       X", "pyedflib"), ("x.dcm", b"", "pydicom"),
     ("x", bytes(128) + b"DICM", "pydicom"), ("x.scp", b"", "biosig"),
     ("x.xml", b"<?xml version='1.0'?><AnnotatedECG>", "aecg"),
     ("y.xml", b"<?xml version='1.0'?><!DOCTYPE RestingECG>", "muse2wfdb"),
     ("z.xml", "<restingecgdata>".encode("utf-16"), "sierraecg"), ("x.h5", b"", "h5py")],
)  # fmt: skip
def test_other_formats_name_their_converter(
    tmp_path: Path, name: str, start: bytes, package: str
) -> None:
    (tmp_path / name).write_bytes(start)
    with pytest.raises(EcgcoreError, match=rf"convert it .* Python package {package}\."):
        load_record(tmp_path / name)


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

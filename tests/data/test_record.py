"""Loading single records: names, units, lengths, damage and other formats."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from archives import some_adu, write_record
from refusal import refused

from ecgcore.data import Record, load_record, to_adu
from ecgcore.errors import EcgcoreError
from ecgcore.leads import INDEPENDENT, LEADS

RATE_HZ, N = 500, 5000


@pytest.fixture
def mv() -> np.ndarray:
    """Return noise of an ECG's amplitude that obeys the identities of the limb leads."""
    return np.asarray(some_adu(1, N)[0] / 1000)


def header_of(stem: Path, change: tuple[str, str], encoding: str = "utf-8") -> None:
    file = Path(f"{stem}.hea")
    file.write_bytes(file.read_text().replace(*change).encode(encoding))


@pytest.mark.parametrize(
    ("words", "encoding"),
    [("1000.0(0)/mv", "utf-8"), ("1000.0(0)/MV", "utf-8"), ("1000.0", "utf-8"),
     ("1.0(0)/uV", "utf-8"), ("1.0(0)/µV", "utf-8"), ("1.0(0)/μV", "utf-8"),
     ("1.0(0)/µV", "latin-1"), ("1.0(0)/µV", "cp437"), ("1e6(0)/V", "utf-8"),
     ("0.001(0)/nV", "utf-8")],
)  # fmt: skip
def test_any_unit_in_any_encoding(
    tmp_path: Path, mv: np.ndarray, words: str, encoding: str
) -> None:
    write_record(tmp_path / "r", mv, RATE_HZ)
    header_of(tmp_path / "r", ("1000.0(0)/mV", words), encoding)
    np.testing.assert_allclose(load_record(tmp_path / "r").signals_mv, mv, atol=1e-6)
    write_record(tmp_path / "r", mv, RATE_HZ, gain=200)
    header_of(tmp_path / "r", ("200.0(0)/mV", "0"))  # WFDB: the gain is not known, so 200
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


def test_four_limb_leads_are_derived_and_noted(tmp_path: Path, mv: np.ndarray) -> None:
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
    refused(r"lead V5, V6 missing \(it has I, II", load_record, tmp_path / "r")
    write_record(tmp_path / "r", mv, RATE_HZ, lead_names=[""] * 12)
    refused("it has no names", load_record, tmp_path / "r")
    write_record(tmp_path / "r", np.vstack([mv[1], mv]), RATE_HZ, lead_names=["II", *LEADS])
    refused("lead II is present twice; remove all but one", load_record, tmp_path / "r")


def on(leads: Sequence[int], value: float = 1.0) -> np.ndarray:
    """Return a value in these leads and 0 in the others, shape (lead, 1)."""
    return np.isin(np.arange(12), leads)[:, None] * value


def put(mv: np.ndarray, lead: int, samples: slice, value: float) -> np.ndarray:
    changed = mv.copy()
    changed[lead, samples] = value
    return changed


def flip_bits(mv: np.ndarray) -> np.ndarray:
    """Flip an even number of bits, so that the checksum still matches."""
    adu = to_adu(mv)
    adu[6, 1000:1400] ^= 0x4000
    return adu / 1000


SWAPPED, UNIT = (
    "refused: .*limb leads may be swapped or inverted.*",
    "check the unit and the gain.*",
)
FAULTS = {
    "swapped": (lambda mv: mv[[0, 1, 2, 4, 3, *range(5, 12)]], 100, SWAPPED),
    "inverted": (lambda mv: mv * (1 - on([5], 2)), 1000, SWAPPED),
    "coarse gain": (lambda mv: mv, 20, ""),
    "offset of a limb lead": (lambda mv: mv + on([3], 0.5), 1000, ""),
    "offsets": (lambda mv: mv + on([6, 8], 16.0), 1000, "lead V1, V3 has a median beyond 2 mV"),
    "ten times": (lambda mv: mv * 10, 1000, f"(?!refused).*{UNIT}"),
    "a hundredth": (lambda mv: mv / 100, 100_000, f"(?!refused).*{UNIT}"),
    "volt": (lambda mv: mv * 1000, 1, f"refused: .*{UNIT}"),
    "microvolt": (lambda mv: mv / 1000, 1_000_000, f"refused: .*{UNIT}"),
    "dead": (lambda mv: mv * 0, 1000, "refused: .*has no signal.*"),
    "flat for 1.1 s": (
        lambda mv: put(mv, 6, slice(500, 1050), 0.04), 1000,
        "lead V1 keeps one value for 1 s or longer",
    ),
    "flat for 0.8 s": (lambda mv: put(mv, 6, slice(500, 900), 0.04), 1000, ""),
    "tall": (lambda mv: put(mv, 8, slice(9), 12), 1000, "lead V3 has an amplitude beyond 10 mV"),
    "bits": (flip_bits, 1000, "refused: .*lead V1 jumps by more than 10 mV.*"),
    "glitch": (
        lambda mv: mv + on([2], 0.5) * np.isin(np.arange(N), [40, 41, 42]), 1000,
        "(?!refused).*3 samples violate the identities of the limb leads.*",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_noted_or_refused(tmp_path: Path, mv: np.ndarray, name: str) -> None:
    change, gain, expected = FAULTS[name]
    write_record(tmp_path / "r", change(mv), RATE_HZ, gain=gain)
    try:
        record = load_record(tmp_path / "r")
    except EcgcoreError as error:
        said = f"refused: {error}"
    else:
        np.testing.assert_allclose(record.signals_mv, change(mv), atol=1 / gain)
        said = "; ".join(record.notes)
    assert re.fullmatch(expected, said), said


def test_gaps_are_refused_and_may_be_avoided(tmp_path: Path, mv: np.ndarray) -> None:
    gap = mv.copy()
    gap[7, 1000:2500] = np.nan
    write_record(tmp_path / "r", gap, RATE_HZ)
    refused(r"lead V2 has missing.*: 1,500 in V2, from 2 to 5 s", load_record, tmp_path / "r")
    part = load_record(tmp_path / "r", start_s=5, duration_s=4)
    np.testing.assert_allclose(part.signals_mv, mv[:, 2500:4500], atol=1e-6)
    for start_s, duration_s in (
        (10, 1), (-1, 1), (np.nan, 1), (np.inf, 1), (0, 0), (0, np.nan), (9.9999999, 1), (0, 1e-9),
    ):  # fmt: skip
        with pytest.raises(EcgcoreError, match="are not within the record's 10 s"):
            load_record(tmp_path / "r", start_s=start_s, duration_s=duration_s)


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
def test_records_may_have_any_name(tmp_path: Path, mv: np.ndarray, name: str) -> None:
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


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("x.csv", b"I;II\n1;2\n", "lead I, II, III, aVR"),
     ("x.npy", b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f8', 'fortran_order': False, "
      b"'shape': (12, 500000000000), }".ljust(117) + b"\n", "Unable to allocate"),
     ("x.csv", b"", "cannot be read as a table"), ("x.csv", b"I,II\n1,b\n", "table of numbers"),
     ("x.csv", b"\xff\xfe\xfa", "table of numbers"), ("x.npy", b"PK\3\4", "table of numbers")],
)  # fmt: skip
def test_tables_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    refused(words, read_table, tmp_path / name)


def test_tables_with_missing_samples_and_without_rate_or_unit_are_refused(
    tmp_path: Path, mv: np.ndarray
) -> None:
    mv[6, :50] = np.repeat([np.inf, np.nan, 1e300, -np.inf, np.nan], 10)
    np.save(tmp_path / "a.npy", mv)
    with pytest.raises(EcgcoreError, match=r"lead V1 has missing samples \(NaN\): 50 in V1"):
        read_table(tmp_path / "a.npy", unit="mV")
    for options in ({"rate_hz": 500}, {"unit": "mV"}, {"rate_hz": 500, "unit": "mmHg"}):
        refused("give both, such as rate 500", load_record, tmp_path / "a.npy", **options)
    write_record(tmp_path / "r", mv[:, 50:], RATE_HZ)
    refused("a WFDB header states rate and unit itself", load_record, tmp_path / "r", rate_hz=500)


def test_paths_without_a_record_are_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    for name, words in {
        "nothing": "there is no such header file",
        "photo.png": "has no header photo.hea beside it",
        ".": "is a folder; name one record in it",
        "a\0b": "there is no such header file",
        "x" * 400: "File name too long",
    }.items():
        refused(re.escape(words), load_record, tmp_path / name)

"""Archives: what is read from them, and the sentence for each way in which one can be wrong."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
from archives import some_adu, write_archive

from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.ptbxl import Archive, load_record
from ecgcore.wfdb16 import write_record

DATABASE = "ptbxl_database.csv"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "tiny")


def test_the_real_slice_is_read_as_pandas_and_wfdb_read_it(ptbxl_500: Path) -> None:
    archive = Archive(ptbxl_500)
    plain = pd.read_csv(ptbxl_500 / DATABASE, index_col="ecg_id")
    pd.testing.assert_frame_equal(
        archive.table.drop(columns="scp_codes"),
        plain.drop(columns="scp_codes").astype({"patient_id": np.int64}),
    )
    assert archive.table["scp_codes"].map(str).equals(plain["scp_codes"])
    assert archive.rates_hz == (100, 500)
    assert not archive.is_simulated
    assert archive.verify().empty
    got = archive.signals(100, [17, 3])
    for record, ecg_id in zip(got, (17, 3), strict=True):
        expected, _ = wfdb.rdsamp(str(ptbxl_500 / plain["filename_lr"][ecg_id]))
        np.testing.assert_array_equal(record, expected.T.astype(np.float32))
    assert "500 records of 466 patients" in archive.summary()


def test_simulated_evidence_explains_its_record(simulated_archive: Path) -> None:
    archive = Archive(simulated_archive)
    assert archive.is_simulated
    ids = archive.table.index[:40]
    evidence_mv = archive.evidence(100, ids)
    assert evidence_mv.shape == (40, len(LEADS), 1000)
    normal = [set(codes) <= {"NORM", "SR"} for codes in archive.table["scp_codes"].loc[ids]]
    assert not evidence_mv[normal].any()
    assert evidence_mv[~np.array(normal)].any()
    with pytest.raises(EcgcoreError, match="layer: there is no 'masks'"):
        archive.evidence(100, ids, layer="masks")


def test_a_real_archive_has_no_evidence(tiny: Path) -> None:
    with pytest.raises(EcgcoreError, match="only a simulated archive has evidence masks"):
        Archive(tiny).evidence(100)


def test_the_fingerprint_follows_the_tables_not_the_place(tiny: Path, tmp_path: Path) -> None:
    before = Archive(tiny).fingerprint
    copy = shutil.copytree(tiny, tmp_path / "copy")
    assert Archive(copy).fingerprint == before
    (copy / DATABASE).write_text((copy / DATABASE).read_text().replace("50.0", "51.0", 1))
    assert Archive(copy).fingerprint != before


def test_wrong_folder_points_to_the_right_one(tiny: Path) -> None:
    for near in (tiny.parent, tiny / "records100", tiny / "records100" / "00000"):
        with pytest.raises(EcgcoreError, match=rf"is not an archive.*did you mean .*{tiny.name}"):
            Archive(near)


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(EcgcoreError, match="there is no such folder"):
        Archive(tmp_path / "nowhere")
    with pytest.raises(EcgcoreError, match="is not an archive in PTB-XL's layout; expected a"):
        Archive(tmp_path)


def cells(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def apply(file: Path) -> None:
        change(pd.read_csv(file)).to_csv(file, index=False)

    return apply


def text(change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda file: file.write_text(change(file.read_text(encoding="utf-8"))) and None


BAD_TABLES = {
    "empty": (text(lambda t: ""), "cannot be read as CSV"),
    "semicolons": (text(lambda t: t.replace(",", ";")), "is not separated by commas"),
    "tabs": (text(lambda t: t.replace(",", "\t")), "is not separated by commas"),
    "open quote": (text(lambda t: t[: t.rindex('"')]), "truncated or damaged"),
    "cut in a row": (text(lambda t: t[: t.rindex("records100") - 3]), "line 7 has no whole number"),
    "cut in a name": (text(lambda t: t[: t.rindex("records500")]), "ecg_id 6 has no usable file"),
    "no column": (cells(lambda d: d.drop(columns="scp_codes")), "column scp_codes is missing"),
    "bad codes": (
        cells(lambda d: d.assign(scp_codes=["{'NORM': 100", *d["scp_codes"][1:]])),
        "ecg_id 1 has scp_codes \"{'NORM': 100\"; expected a dict",
    ),
    "a list of codes": (
        cells(lambda d: d.assign(scp_codes=["['NORM']", *d["scp_codes"][1:]])),
        "ecg_id 1 has scp_codes",
    ),
    "code that runs": (
        cells(lambda d: d.assign(scp_codes=["__import__('os').getcwd()", *d["scp_codes"][1:]])),
        "ecg_id 1 has scp_codes",
    ),
    "twice": (cells(lambda d: pd.concat([d, d[:1]])), "ecg_id 1 occurs twice"),
    "climbs out": (
        cells(lambda d: d.assign(filename_lr="../../x")),
        "ecg_id 1 has no usable filename_lr",
    ),
    "no patient": (
        cells(lambda d: d.assign(patient_id=[None, *d["patient_id"][1:]])),
        "line 2 has no whole number in column patient_id",
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_database_is_told(tiny: Path, name: str) -> None:
    damage, said = BAD_TABLES[name]
    damage(tiny / DATABASE)
    with pytest.raises(EcgcoreError, match=rf"{re.escape(DATABASE)}.*{re.escape(said)}"):
        Archive(tiny)


def test_missing_table_is_told(tiny: Path) -> None:
    (tiny / "scp_statements.csv").unlink()
    with pytest.raises(EcgcoreError, match=r"scp_statements\.csv: there is no such file"):
        Archive(tiny)


def test_a_rate_that_is_not_there(tmp_path: Path) -> None:
    archive = Archive(write_archive(tmp_path / "low", rates_hz=(100,)))
    with pytest.raises(EcgcoreError, match=r"no records at 500 Hz \(it holds: 100\)"):
        archive.signals(500)
    with pytest.raises(EcgcoreError, match="no records at 250 Hz"):
        archive.signals(250)


def test_a_record_that_is_not_there(tiny: Path) -> None:
    with pytest.raises(EcgcoreError, match="record 77 is not in tiny"):
        Archive(tiny).signals(100, [1, 77])


def test_verify_tells_what_is_wrong(tiny: Path) -> None:
    with pytest.raises(EcgcoreError, match="cannot be verified"):
        Archive(tiny).verify()
    wrong = "0" * 64
    (tiny / "SHA256SUMS.txt").write_text(
        f"{wrong} {DATABASE}\n{wrong} records100/00000/99999_lr.dat\n{wrong} records100\n"
    )
    found = Archive(tiny).verify().set_index("file")["problem"].to_dict()
    assert found[DATABASE] == "differs"
    assert found["records100/00000/99999_lr.dat"] == "missing"
    assert found["records100"] == "unreadable"
    (tiny / "SHA256SUMS.txt").write_text("one word\nword\n")
    with pytest.raises(EcgcoreError, match="is not a list of checksums"):
        Archive(tiny).verify()


class TestLoadRecord:
    """A user's own ECG."""

    def test_any_order_case_rate_and_further_leads(self, tmp_path: Path) -> None:
        expected = some_adu(1, 720)[0] / 1000
        order = [*np.random.default_rng(0).permutation(12), 0]
        names = [LEADS[k].lower() for k in order[:-1]] + ["resp"]
        wfdb.wrsamp(
            "own",
            fs=360,
            units=["mV"] * 6 + ["uV"] * 6 + ["mV"],
            sig_name=names,
            p_signal=(expected[order] * ([[1.0]] * 6 + [[1000.0]] * 6 + [[1.0]])).T,
            fmt=["212"] * 13,
            write_dir=str(tmp_path),
        )
        for spelt in ("own", "own.hea", "own.dat"):
            record = load_record(tmp_path / spelt)
            assert (record.name, record.rate_hz) == ("own", 360)
            np.testing.assert_allclose(record.signals_mv, expected, atol=0.002)
            assert record.signals_mv.dtype == np.float32

    def test_a_ptbxl_record_reads_as_in_the_archive(self, tiny: Path) -> None:
        record = load_record(tiny / "records500/00000/00002_hr")
        np.testing.assert_array_equal(record.signals_mv, Archive(tiny).signals(500, [2])[0])

    def test_missing_leads_are_named(self, tmp_path: Path) -> None:
        write_record(tmp_path / "r", np.zeros((10, 500)), 250, lead_names=LEADS[:10])
        with pytest.raises(EcgcoreError, match="lead V5, V6 missing"):
            load_record(tmp_path / "r")

    def test_what_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(EcgcoreError, match="there is no such header file"):
            load_record(tmp_path / "r")
        (tmp_path / "r.hea").write_text("not a header")
        with pytest.raises(EcgcoreError, match="is not a readable WFDB record"):
            load_record(tmp_path / "r")
        write_record(tmp_path / "p", np.zeros((12, 500)), 250)
        header = tmp_path / "p.hea"
        header.write_text(header.read_text().replace("/mV", "/mmHg"))
        with pytest.raises(EcgcoreError, match="lead I is in 'mmHg'"):
            load_record(tmp_path / "p")

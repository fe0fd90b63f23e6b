"""Archives: what is read from them, and the error for each kind of damage."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
from archives import write_archive
from refusal import refused

from ecgcore.data import Archive

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
    signals_mv = archive.signals(100, [17, 3])
    for record, ecg_id in zip(signals_mv, (17, 3), strict=True):
        expected, _ = wfdb.rdsamp(str(ptbxl_500 / plain["filename_lr"][ecg_id]))
        np.testing.assert_array_equal(record, expected.T.astype(np.float32))


def test_the_fingerprint_depends_on_the_tables_not_the_place(tiny: Path, tmp_path: Path) -> None:
    before = Archive(tiny).fingerprint
    copy = shutil.copytree(tiny, tmp_path / "copy")
    assert Archive(copy).fingerprint == before
    (copy / DATABASE).write_text((copy / DATABASE).read_text().replace("50.0", "51.0", 1))
    assert Archive(copy).fingerprint != before


def test_a_wrong_folder_is_refused(tiny: Path, tmp_path: Path) -> None:
    for folder in (tiny / "records100", tmp_path / "nowhere"):
        refused("is not an archive; expected a folder with ptbxl", Archive, folder)


def cells(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def apply(file: Path) -> None:
        change(pd.read_csv(file)).to_csv(file, index=False)

    return apply


def text(change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda file: file.write_text(change(file.read_text(encoding="utf-8"))) and None


def first_codes(cell: str) -> Callable[[Path], None]:
    return cells(lambda d: d.assign(scp_codes=[cell, *d["scp_codes"][1:]]))


BAD_TABLES = {
    "empty": (text(lambda t: ""), "cannot be read as CSV"),
    "semicolons": (text(lambda t: t.replace(",", ";")), "expected PTB-XL's columns, comma-sep"),
    "utf-16": (lambda f: f.write_bytes(f.read_text().encode("utf-16")), "cannot be read as CSV"),
    "open quote": (text(lambda t: t[: t.rindex('"')]), "cannot be read as CSV"),
    "cut in a row": (text(lambda t: t[: t.rindex("records100") - 3]), "line 7 has strat_fold"),
    "cut in a name": (text(lambda t: t[: t.rindex("records500")]), "line 7 has filename_hr"),
    "no column": (cells(lambda d: d.drop(columns="scp_codes")), "column scp_codes is missing"),
    "bad codes": (first_codes("{'NORM': 100"), "line 2 has scp_codes \"{'NORM': 100\"; expected"),
    "code that runs": (first_codes("__import__('os').getcwd()"), "line 2 has scp_codes"),
    "twice": (cells(lambda d: pd.concat([d, d[:1]])), "ecg_id 1 occurs twice"),
    "no patient": (
        cells(lambda d: d.assign(patient_id=[None, *d["patient_id"][1:]])),
        "line 2 has patient_id 'nan'; expected a whole number",
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_database_is_refused(tiny: Path, name: str) -> None:
    damage, sentence = BAD_TABLES[name]
    damage(tiny / DATABASE)
    refused(rf"{re.escape(DATABASE)}.*{re.escape(sentence)}", Archive, tiny)


GOOD_TABLES = {
    "byte order mark": lambda f: f.write_bytes(b"\xef\xbb\xbf" + f.read_bytes()),
    "Windows lines": lambda f: f.write_bytes(f.read_bytes().replace(b"\n", b"\r\n")),
    "floats": cells(lambda d: d.astype({"patient_id": float, "ecg_id": float})),
    "JSON quotes": cells(lambda d: d.assign(scp_codes=d["scp_codes"].str.replace("'", '"'))),
    "an index column": lambda f: pd.read_csv(f).to_csv(f),
}


@pytest.mark.parametrize("name", GOOD_TABLES)
def test_a_database_as_other_tools_save_it_is_read(tiny: Path, name: str) -> None:
    expected = Archive(tiny).table["scp_codes"]
    GOOD_TABLES[name](tiny / DATABASE)
    assert Archive(tiny).table["scp_codes"].equals(expected)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    archive = Archive(write_archive(tmp_path / "low", rates_hz=(100,)))
    refused(r"no records at 500 Hz \(available: 100\)", archive.signals, 500)
    refused("only a simulated archive has evidence masks", archive.evidence, 100)
    (archive.path / "scp_statements.csv").unlink()
    refused(r"scp_statements\.csv: .*No such file", Archive, archive.path)


def test_verify_names_what_is_wrong(tiny: Path) -> None:
    refused("cannot be read as checksums", Archive(tiny).verify)
    wrong, sums = "0" * 64, tiny / "SHA256SUMS.txt"
    sums.write_text(f"{wrong} {DATABASE}\n{wrong} records100/99999_lr.dat\n")
    problems = Archive(tiny).verify().set_index("file")["problem"].to_dict()
    assert problems == {DATABASE: "differs", "records100/99999_lr.dat": "missing"}
    sums.write_text("one word\nword\n")
    refused("cannot be read as checksums", Archive(tiny).verify)
    for name in ("../secret", "/etc/passwd", "a\\..\\b", "C:/x", "a/../../x"):
        sums.write_text(f"{wrong} {name}\n")
        refused("points outside the archive's folder", Archive(tiny).verify)

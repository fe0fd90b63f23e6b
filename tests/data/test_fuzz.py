"""Any input to the readers is read as other libraries read it, or refused with a message."""

import time
from pathlib import Path

import numpy as np
import pytest
import wfdb
from archives import some_adu, write_records
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecgcore.data.archive import read_table
from ecgcore.data.read_wfdb import read_wfdb, to_millivolt, twelve_leads
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS, canonical_lead

LONGEST_S = 20.0
N_SAMPLES = 1000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def write_good(place: Path) -> str:
    """Write a good record; return its header."""
    write_records([place / "00001_lr"], some_adu(1, N_SAMPLES), 100)
    return (place / "00001_lr.hea").read_text()


_NASTY = [
    "", "0", "-1", "1", "16", "12", "1e3", "nan", "inf", "-0", "1_0", "0x10", "1e999", "1e-300",
    "99999999999999999999", "1/2", "16+24", "16x2", "212", "8", "500", "100(5)", "100/360(2)",
    "200", "2000", "1000(7)", "1000(0)/uV", "1000/V", "-1000.0(0)/mV", "(3)/mV",
    "1000(99999999999)/mV",
    "#", "~", "../../x.dat", "/etc/passwd", "C:x.dat", "00001_lr.dat", "x.dat", "AVR", "aVR", "V1",
    "\x00", "é", "\u0661\u0662", "\ufeff",
]  # fmt: skip


def check_header(place: Path, text: str) -> bool:
    """Return whether a header is accepted; samples must equal wfdb's where wfdb reads it too."""
    (place / "00001_lr.hea").write_bytes(text.encode("utf-8", "surrogatepass"))
    start = time.monotonic()
    try:
        record = twelve_leads(read_wfdb(place / "00001_lr")[1], "fuzz")
    except EcgcoreError:
        return False
    finally:
        assert time.monotonic() - start < LONGEST_S
    if not text.isascii():
        return True  # wfdb drops non-ASCII characters
    try:
        theirs = wfdb.rdrecord(str(place / "00001_lr"), return_res=64)
    except ValueError:
        return True  # wfdb refuses more names than we do
    names = [canonical_lead(name or "") for name in theirs.sig_name]
    for lead, ours in zip(LEADS, record.mv, strict=True):
        if lead in names:
            column = names.index(lead)
            scale = to_millivolt(theirs.units[column])
            expected = theirs.p_signal[:, column] * scale
            np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-9)
    return True


def headers(good: str) -> st.SearchStrategy[str]:
    """Return good headers with one word changed, dropped or added."""

    def changed(row: int, column: int, word: str) -> str:
        lines = [line.split(" ") for line in good.splitlines()]
        lines[row][column : column + 1] = [word]
        return "\n".join(" ".join(line) for line in lines)

    words = st.sampled_from(_NASTY) | st.text(max_size=6)
    return st.builds(changed, st.integers(0, 12), st.integers(0, 8), words)


def test_headers_are_read_as_wfdb_reads_them_or_refused(place: Path) -> None:
    accepted = []

    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(headers(write_good(place)))
    def every(text: str) -> None:
        accepted.append(check_header(place, text))

    every()
    share = sum(accepted) / len(accepted)
    assert 0.02 < share < 0.98, "the headers must be neither all good nor all bad"


COLUMNS = "ecg_id,patient_id,age,scp_codes,strat_fold,filename_lr,filename_hr"


@pytest.mark.parametrize(
    "row",
    ["TRUE,2,60,{},2,a,b", "1,2,60,{},TRUE,a,b", ',1,2,60,"{}",2,a,b',
     '9,1,2,60,"{}",2,a,b', "1,2,60,{'A': 1e999},2,a,b",
     "1,2,60,[1],2,a,b", "1,1e400,60,{},2,a,b", "1,2,60," + "(" * 300 + ",2,a,b",
     "1,2,60,{},2,records100/../x,b", "1,2,60,{},1.5,a,b"],
)  # fmt: skip
def test_rows_that_would_be_misread_are_refused(place: Path, row: str) -> None:
    """Found by fuzzing: words as numbers, extra fields as row names, a zero byte as the end."""
    (place / "ptbxl_database.csv").write_text(f"{COLUMNS}\n{row}\n")
    with pytest.raises(EcgcoreError, match=r"ptbxl_database\.csv: "):
        read_table(place / "ptbxl_database.csv")

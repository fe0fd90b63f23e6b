"""What is fuzzed and what must hold; a little in test_faults_fuzz.py, much in benchmarks/fuzz.py.

Every property takes one input made by its strategy and raises unless the promise is kept: the input
is read as someone else reads it, or refused with an :class:`EcgcoreError`.  Nothing else may be
raised, and nothing may take longer than :data:`LONGEST_S`.
"""

import ast
import atexit
import csv
import io
import math
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import wfdb
from archives import some_adu
from hypothesis import strategies as st

from ecgcore import parameters
from ecgcore.archive_tables import read_table
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS
from ecgcore.wfdb16 import decode_into, write_records
from ecgcore.wfdb16.header import canonical_lead, parse_header

LONGEST_S = 20.0
RATE_HZ, N_SAMPLES = 100, 1000
PLACE = Path(tempfile.mkdtemp(prefix="ecgcore-fuzz-"))
"""Files of the inputs."""
atexit.register(shutil.rmtree, PLACE, ignore_errors=True)


@dataclass(frozen=True)
class Target:
    """A reader: what it is fed with, and the property that must hold of it."""

    name: str
    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], bool]
    """Whether the input was accepted; raises where the promise is broken."""


def timely(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """The same property, and that it does not hang."""

    def checked(given: Any) -> bool:
        start = time.monotonic()
        accepted = check(given)
        assert time.monotonic() - start < LONGEST_S, "it hung"
        return accepted

    return checked


# A header: the words of a good one, some of them changed

_STEM = PLACE / "00001_lr"
write_records([_STEM], some_adu(1, N_SAMPLES), RATE_HZ)
GOOD_HEADER = (PLACE / "00001_lr.hea").read_text()
_SAMPLES = (PLACE / "00001_lr.dat").read_bytes()
_NASTY = [
    "", "0", "-1", "1", "16", "12", "1e3", "nan", "inf", "-0", "1_0", "0x10", "1e999", "1e-300",
    "99999999999999999999", "1/2", "16+24", "16x2", "212", "8", "500", "100(5)", "100/360(2)",
    "200", "2000", "1000(7)", "1000(0)/uV", "1000/V", "-1000.0(0)/mV", "(3)/mV",
    "1000(99999999999)/mV",
    "#", "~", "../../x.dat", "/etc/passwd", "C:x.dat", "00001_lr.dat", "x.dat", "AVR", "aVR", "V1",
    "\x00", "é", "\u0661\u0662", "\ufeff",
]  # fmt: skip
_words = st.one_of(
    st.sampled_from(_NASTY), st.integers(-(2**33), 2**33).map(str), st.floats().map(str),
    st.text(max_size=6),
)  # fmt: skip


@st.composite
def headers(draw: st.DrawFn) -> str:
    """A good header with up to four words replaced, dropped or doubled, or lines mixed up."""
    lines = [line.split(" ") for line in GOOD_HEADER.splitlines()]
    for _ in range(draw(st.integers(0, 4))):
        row = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(["word", "word", "word", "column", "drop", "double", "lines"]))
        column = draw(st.integers(0, max(len(lines[row]) - 1, 0)))
        if kind == "word" and lines[row]:
            lines[row][column] = draw(_words)
        elif kind == "column":  # the same word in every lead, which other rules let pass
            word = draw(_words)
            for line in lines[1:]:
                if column < len(line):
                    line[column] = word
        elif kind == "drop":
            del lines[row][column:]
        elif kind == "double":
            lines.insert(row, list(lines[row]))
        else:
            other = draw(st.integers(0, len(lines) - 1))
            lines[row], lines[other] = lines[other], lines[row]
    ends = draw(st.sampled_from(["\n", "\r\n", "\n\n", " \n", "\n# "]))
    return ends.join(" ".join(line) for line in lines)


def check_header(text: str) -> bool:
    """Accepted: every field is as wfdb reads it, and so are the samples in mV."""
    path = PLACE / "fuzz" / "00001_lr"
    path.parent.mkdir(exist_ok=True)
    path.with_name("00001_lr.dat").write_bytes(_SAMPLES)
    raw = text.encode("utf-8", "surrogatepass")
    path.with_name("00001_lr.hea").write_bytes(raw)
    try:
        header = parse_header(raw.decode(), "fuzz")
    except (EcgcoreError, UnicodeDecodeError):
        header = None
    adu = np.empty((1, 12, N_SAMPLES), dtype=np.int16)
    problems = decode_into(adu, [path], RATE_HZ)  # may refuse, and say why; never raises
    if problems:
        assert problems[0].detail
        assert (adu == -32768).all(), "a refused record must hold no samples"
        return False
    assert header is not None
    theirs = wfdb.rdheader(str(path))
    assert [canonical_lead(name) for name in theirs.sig_name] == list(header.lead_names)
    for ours, other in (
        (header.gains, theirs.adc_gain), (header.baselines, theirs.baseline),
        (header.units, theirs.units), ([header.rate_hz], [theirs.fs]),
        (header.formats, theirs.fmt), (header.file_names, theirs.file_name),
    ):  # fmt: skip
        assert list(ours) == list(other), (ours, other)
    record = wfdb.rdrecord(str(path), return_res=64)
    order = [list(header.lead_names).index(lead) for lead in LEADS]
    scale = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "V": 1e3}
    per_lead = np.array([scale[unit] for unit in record.units])
    expected = (record.p_signal * per_lead).T[order]
    ours_mv = np.where(adu[0] == -32768, np.nan, adu[0] / 1000)
    np.testing.assert_allclose(ours_mv, expected, atol=1e-9)
    return True


# A database: the cells of a good one, some of them changed

_COLUMNS = ("ecg_id", "patient_id", "age", "scp_codes", "strat_fold", "filename_lr", "filename_hr")
_CODES = ["{'NORM': 100.0}", "{'SR': 0.0, 'AFIB': 50}", "{}"]
_BAD_CELLS = [
    "", "nan", "-1", "1.5", "1e400", "1e18", "18446744073709551615", "9" * 23,
    "0x1", "True", "{", "{'A': 1e999}", "{'A': 'b'}", "{'A'}", "[1]", "{'A': " + "9" * 400 + "}",
    "(" * 300 + ")" * 300, "-" * 3000 + "1", "{'A': __import__('os')}", "../../x", "/etc/passwd",
    "records100/../x", "a\x00b", "a,b", '"', "'", "\n", "é", "=1+1", "<script>",
]  # fmt: skip


@st.composite
def databases(draw: st.DrawFn) -> str:
    """A good database with some cells replaced, or with bytes dropped and doubled anywhere."""
    rows = [
        [str(k), f"{100 + k}.0", "60", _CODES[k % 3], str(k % 10 + 1),
         f"records100/00000/{k:05d}_lr", f"records500/00000/{k:05d}_hr"]
        for k in range(1, draw(st.integers(1, 5)) + 1)
    ]  # fmt: skip
    names = list(_COLUMNS)
    cell = st.one_of(st.sampled_from(_BAD_CELLS), st.integers().map(str), st.text(max_size=8))
    for _ in range(draw(st.integers(0, 4))):
        row = draw(st.integers(-1, len(rows) - 1))
        target = names if row < 0 else rows[row]
        if target:
            target[draw(st.integers(0, len(target) - 1))] = draw(cell)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=draw(st.sampled_from(",,,,;\t")))
    writer.writerows([names, *rows])
    text = out.getvalue()
    if draw(st.integers(0, 3)) == 0:
        start, stop = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        text = draw(st.sampled_from([text[:start] + text[stop:], text[:stop] + text[start:]]))
    return text


def check_database(text: str) -> bool:
    """Accepted: keys, patients, folds, codes and names are what Python's csv module reads."""
    path = PLACE / "ptbxl_database.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        table = read_table(path)
    except EcgcoreError:
        return False
    with open(path, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if any(row.values())]
    assert [float(row["ecg_id"]) for row in rows] == table.index.tolist()
    assert table.index.is_unique
    for column in ("patient_id", "strat_fold"):
        assert [float(row[column]) for row in rows] == table[column].tolist()
    for row, codes in zip(rows, table["scp_codes"], strict=True):
        theirs = {str(k): float(v) for k, v in ast.literal_eval(row["scp_codes"]).items()}
        assert list(theirs) == list(codes)
        assert all(math.isfinite(v) for v in codes.values())
        assert list(theirs.values()) == list(codes.values())
    for column in ("filename_lr", "filename_hr"):
        for row, name in zip(rows, table[column], strict=True):
            assert name == row[column]
            inside = (PLACE / name).resolve()
            assert inside.is_relative_to(PLACE.resolve()), "a record outside of its archive"
    return True


# A parameter: any value for a declared one, any text for a cell

_DECLARED = {
    p.name: p
    for p in parameters.parse_cell(
        "rate_hz: int = 100  # sampling rate [Hz]; allowed: 25..500\n"
        "seed: int = 1  # seed; allowed: 0..\n"
        "step: float = 0.1  # step size; allowed: 0..1\n"
        'model: str = "cnn1d"  # network; allowed: cnn1d | cnn_lstm\n'
        'archive: str = "simulated"  # where\n'
        "balance: bool = True  # down-sample\n"
        'leads: list[str] = ["II"]  # leads; allowed: I | II | V1\n'
        "sizes: list[int] = [1]  # sizes; allowed: 1..9\n"
    )
}
_ODD = ["1e3", "1_000", "١٢", "0x10", "true", "None", "$(touch pwned)", "`id`", "; rm -rf x",
        "\x00", "nan", "-inf", "9" * 400, "[1,2]", "II,V1", "<b>", "\ud800"]  # fmt: skip
_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(_ODD),
    st.text(max_size=8), st.binary(max_size=4), st.integers(10**300, 10**400),
)  # fmt: skip
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_scalars, inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
_names = st.one_of(st.sampled_from(sorted(_DECLARED)), st.text(max_size=6), _scalars)
_cell_parts = st.sampled_from([
    "a", ": ", "int", "float", "str", "bool", "list[int]", "list[list[int]]", " = ", "1", "-1",
    "f(1)", '"x"', "[1]", "1" * 5000, "  # ", "meaning", " [Hz]", "; allowed: ", "1..2", "..",
    "e..", "x | y", "\n", "\\\n", "\t", "(", ")", "'", '"""', "\x0c", "é", "import os",
    "a: int = 1  # m\n", "1e999..",
])  # fmt: skip
_cells = st.one_of(st.lists(_cell_parts, max_size=14).map("".join), st.text(max_size=60))


@st.composite
def parameter_inputs(draw: st.DrawFn) -> tuple[str, Any]:
    """Values as YAML or papermill give them, text of a command line, or a parameters cell."""
    kind = draw(st.sampled_from(["values", "text", "cell"]))
    if kind == "values":
        return kind, draw(st.dictionaries(_names, _values, max_size=3))
    if kind == "text":
        return kind, (
            draw(st.sampled_from(sorted(_DECLARED))),
            draw(st.text(max_size=9) | st.sampled_from(_ODD)),
        )
    return kind, draw(_cells)


def check_parameters(given: tuple[str, Any]) -> bool:
    """Accepted: of the declared type, allowed, and the number that was given."""
    kind, content = given
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of a cell's own text
            if kind == "cell":
                for p in parameters.parse_cell(content):
                    assert p.name.isidentifier()
                return True
            if kind == "text":
                name, text = content
                pairs = [(name, _DECLARED[name].parse_text(text), None)]
            else:
                values = parameters.check(list(_DECLARED.values()), content)
                pairs = [(name, values[name], source) for name, source in content.items()]
    except EcgcoreError:
        return False
    for name, value, source in pairs:
        items = value if isinstance(value, list) else [value]
        originals = source if isinstance(source, list | tuple) else [source] * len(items)
        for item, original in zip(items, originals, strict=True):
            _check_value(_DECLARED[name], item, original)
    return True


def _check_value(declared: parameters.Parameter, value: Any, original: Any) -> None:
    kind = re.sub(r"list\[(.*)\]", r"\1", declared.kind)
    assert type(value) is {"int": int, "float": float, "str": str, "bool": bool}[kind]
    if declared.allowed:
        assert value in declared.allowed
    if declared.limits:
        assert declared.limits[0] <= value <= declared.limits[1]
    if isinstance(original, int | float) and not isinstance(original, bool) and kind != "float":
        assert value == original, "another number than was given"
    if isinstance(original, str) and kind == "str":
        assert value == original


TARGETS = (
    Target("WFDB header and samples", headers(), timely(check_header)),
    Target("database", databases(), timely(check_database)),
    Target("parameters", parameter_inputs(), timely(check_parameters)),
)

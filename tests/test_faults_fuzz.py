"""Anything may be fed to the readers: it is read as others read it, or refused in words."""

import pytest
from fuzz_kit import GOOD_HEADER, TARGETS, Target, check_database, check_header, check_parameters
from hypothesis import HealthCheck, given, settings

EXAMPLES = 150


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_read_as_others_read_it_or_refused(target: Target) -> None:
    accepted = []

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def every(example: object) -> None:
        accepted.append(target.check(example))

    every()
    assert 0.02 < sum(accepted) / len(accepted) < 0.98, (
        "the inputs must be neither all good nor bad"
    )


@pytest.mark.parametrize("column", [2, 4, 5, 6, 7])
def test_a_word_that_is_no_number_is_refused_also_where_another_field_overrules_it(column):
    """Found by fuzzing: the zero of a lead went unread where its gain names a baseline."""
    lines = [line.split(" ") for line in GOOD_HEADER.splitlines()]
    lines[1][column] = "1e3x" if column == 2 else "1e3"
    assert not check_header("\n".join(" ".join(line) for line in lines))


@pytest.mark.parametrize(("column", "word"), [(3, "-0"), (3, "+16"), (4, "+0"), (7, "-0")])
def test_a_sign_is_read_only_where_others_read_it(column, word):
    """Found by fuzzing: ``-0`` bits were taken for none, where wfdb reads another field."""
    lines = [line.split(" ") for line in GOOD_HEADER.splitlines()]
    lines[1][column] = word
    assert not check_header("\n".join(" ".join(line) for line in lines))


def test_a_file_name_of_digits_is_a_name():
    """Found by fuzzing: a column of such names was read as numbers."""
    columns = "ecg_id,patient_id,age,scp_codes,strat_fold,filename_lr,filename_hr"
    assert check_database(f"{columns}\r\n1,2.0,60,{{}},2,-1,0012\r\n")
    for cells in ("TRUE,2,60,{},2", "1,TRUE,60,{},2", "1,2,60,{},TRUE"):
        assert not check_database(f"{columns}\r\n{cells},a,b\r\n")


def test_a_line_with_a_field_too_many_is_refused():
    """Found by fuzzing: pandas takes a field too many at the start for the names of rows."""
    columns = "ecg_id,patient_id,age,scp_codes,strat_fold,filename_lr,filename_hr"
    codes = '"{}"'
    for line in (f",1,2,60,{codes},2,a,b", f"9,1,2,60,{codes},2,a,b"):
        assert not check_database(f"{columns}\r\n{line}\r\n")


def test_a_zero_byte_is_refused():
    """Found by fuzzing: pandas ended the cell there, so that another file was named."""
    columns = "ecg_id,patient_id,age,scp_codes,strat_fold,filename_lr,filename_hr"
    assert not check_database(f"{columns}\r\n1,2,60,{{}},2,a\0b,c\r\n")


def test_a_likelihood_is_finite():
    """Found by fuzzing: Python reads 1e999 as infinity."""
    columns = "ecg_id,patient_id,age,scp_codes,strat_fold,filename_lr,filename_hr"
    assert not check_database(f"{columns}\r\n1,2,60,{{'A': 1e999}},2,a,b\r\n")


def test_a_lone_carriage_return_ends_a_line_of_a_parameters_cell():
    """Found by fuzzing: Python counts it as the end of a line."""
    assert not check_parameters(("cell", "\r0"))
    assert check_parameters(("cell", "\rx: int = 1  # things; allowed: 0.."))

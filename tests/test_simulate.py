"""The simulated archive as a whole: layout, labels, determinism, layers, plain errors."""

import ast
import hashlib
import json
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import wfdb

from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS, twelve_from_eight
from ecgcore.simulate import LAYERS, NoiseLevels, Shortcut, draw, plan_cohort, simulate_archive
from ecgcore.simulate.cohort import PREVALENCE
from ecgcore.simulate.record import SIGNS


@pytest.fixture(scope="module")
def table(simulated_archive: Path) -> pd.DataFrame:
    frame = pd.read_csv(simulated_archive / "ptbxl_database.csv", index_col="ecg_id")
    frame["scp_codes"] = frame["scp_codes"].map(ast.literal_eval)
    return frame


def digest(root: Path) -> dict[str, str]:
    return {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }


def test_the_tables_have_the_columns_of_the_real_archive(
    simulated_archive: Path, ptbxl_500: Path
) -> None:
    for name in ("ptbxl_database.csv", "scp_statements.csv"):
        simulated = pd.read_csv(simulated_archive / name, nrows=5)
        real = pd.read_csv(ptbxl_500 / name, nrows=5)
        assert list(simulated.columns) == list(real.columns)


def test_every_statement_used_is_described_as_in_ptbxl(
    simulated_archive: Path, table: pd.DataFrame, ptbxl_500: Path
) -> None:
    ours = pd.read_csv(simulated_archive / "scp_statements.csv", index_col=0)
    real = pd.read_csv(ptbxl_500 / "scp_statements.csv", index_col=0)
    assert {code for codes in table["scp_codes"] for code in codes} <= set(ours.index)
    columns = ["diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass"]
    pd.testing.assert_frame_equal(
        ours[columns], real.loc[ours.index, columns], check_names=False, check_dtype=False
    )


def test_conditions_come_in_the_proportions_asked_for(simulated_archive: Path) -> None:
    truth = pd.read_csv(simulated_archive / "simulation.csv")
    counts = truth["condition"].value_counts()
    for name, share in PREVALENCE.items():
        assert abs(counts[name] - share * 240) < 1


def test_no_patient_is_in_two_folds_and_each_fold_has_atrial_fibrillation() -> None:
    cases = plan_cohort(1000, 3, PREVALENCE, None)
    rows = pd.DataFrame(
        [(case.patient.patient_id, case.strat_fold, case.condition) for case in cases],
        columns=["patient_id", "fold", "condition"],
    )
    assert (rows.groupby("patient_id")["fold"].nunique() == 1).all()
    assert rows["patient_id"].nunique() < len(rows)
    counts = rows.groupby(["condition", "fold"]).size().unstack(fill_value=0)
    assert (counts > 0).all(axis=None)


@pytest.mark.parametrize("rate_hz", [100, 500])
def test_wfdb_reads_it_with_right_checksums(
    simulated_archive: Path, table: pd.DataFrame, rate_hz: int
) -> None:
    column = "filename_lr" if rate_hz == 100 else "filename_hr"
    for stem in table[column].head(6):
        record = wfdb.rdrecord(str(simulated_archive / stem), physical=False)
        assert record.fs == rate_hz
        assert record.d_signal.shape == (10 * rate_hz, 12)
        assert [name.upper() for name in record.sig_name] == [name.upper() for name in LEADS]
        assert record.calc_checksum() == record.checksum


def test_sha256sums_lists_every_file(simulated_archive: Path) -> None:
    lines = (simulated_archive / "SHA256SUMS.txt").read_text(encoding="utf-8").splitlines()
    listed = {name: value for value, name in (line.split(" ", 1) for line in lines)}
    found = digest(simulated_archive)
    del found["SHA256SUMS.txt"]
    assert listed == {name.replace("\\", "/"): value for name, value in found.items()}


def test_lead_identities_hold_to_half_an_adu(simulated_archive: Path, table: pd.DataFrame) -> None:
    for stem in table["filename_hr"].head(10):
        adu = wfdb.rdrecord(str(simulated_archive / stem), physical=False).d_signal.T.astype(int)
        independent = adu[[0, 1, *range(6, 12)]]
        np.testing.assert_array_equal(adu[2], adu[1] - adu[0])
        assert np.abs(adu - twelve_from_eight(independent)).max() <= 0.5


def test_the_parts_add_up_to_the_signal() -> None:
    seen: set[str] = set()
    for case in plan_cohort(60, 5, PREVALENCE, Shortcut("MI")):
        _, record = draw(case, 5, NoiseLevels(), Shortcut("MI"))
        total = sum(SIGNS[name] * part for name, part in record.parts.items() if name != "signal")
        np.testing.assert_allclose(record.parts["signal"], total, atol=1e-9)
        assert "evidence" not in record.parts or case.condition != "NORM"
        seen |= set(record.parts)
    assert seen == {"signal", *SIGNS}


def test_stored_layers_are_the_parts_of_the_stored_signal(
    simulated_archive: Path, table: pd.DataFrame
) -> None:
    """Healthy + noise = signal - evidence + counterfactual - distractor; each rounded once."""
    for case in plan_cohort(240, 7, PREVALENCE, None)[:12]:
        _, record = draw(case, 7, NoiseLevels(), None)
        left = wfdb.rdrecord(
            str(simulated_archive / str(table.loc[case.ecg_id, "filename_hr"]))
        ).p_signal.T
        for name in LAYERS:
            folder = simulated_archive / "layers" / name
            stem = folder / str(table.loc[case.ecg_id, "filename_hr"])
            assert stem.with_suffix(".dat").exists() == (name in record.parts)
            if name in record.parts:
                left -= SIGNS[name] * wfdb.rdrecord(str(stem)).p_signal.T
        rest = (record.parts["healthy"] + record.parts["noise"])[:, 100:5100]
        assert np.abs(left[[0, 1, *range(6, 12)]] - rest).max() < 0.0021


def test_100_hz_is_the_500_hz_record_below_the_new_nyquist_frequency() -> None:
    """Against scipy's polyphase resampler, which we did not write, away from the edges."""
    from scipy.signal import resample_poly

    case = plan_cohort(3, 11, PREVALENCE, None)[0]
    _, record = draw(case, 11, NoiseLevels().times(0), None)
    slow, fast = record.at(100)["signal"], record.at(500)["signal"]
    reference = resample_poly(fast.astype(float), 1, 5, axis=-1)
    error = np.sqrt(np.mean((slow - reference)[:, 50:-50] ** 2))
    assert error < 0.04 * slow.std()


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_workers(tmp_path: Path) -> None:
    archives = [
        simulate_archive(tmp_path / name, n_records=30, seed=seed, rates_hz=(100,), jobs=jobs)
        for name, seed, jobs in (("a", 2, 1), ("b", 2, 2), ("c", 3, 1))
    ]
    first, again, other = (digest(archive) for archive in archives)
    assert first == again
    assert first["ptbxl_database.csv"] != other["ptbxl_database.csv"]


def test_a_shortcut_goes_with_its_condition_and_stays_in_its_lead(tmp_path: Path) -> None:
    path = simulate_archive(
        tmp_path / "shortcut", n_records=150, seed=1, rates_hz=(100,), shortcut=Shortcut("MI", "V6")
    )
    truth = pd.read_csv(path / "simulation.csv", index_col="ecg_id")
    assert truth.loc[truth["condition"] == "MI", "has_shortcut"].mean() > 0.8
    assert truth.loc[truth["condition"] != "MI", "has_shortcut"].mean() < 0.15
    planted = truth.index[truth["has_shortcut"]][0]
    stem = path / "layers" / "shortcut" / "records100" / "00000" / f"{planted:05d}_lr"
    artefact = wfdb.rdrecord(str(stem)).p_signal.T
    assert np.flatnonzero(np.abs(artefact).max(axis=1)).tolist() == [LEADS.index("V6")]
    assert json.loads((path / "simulation.json").read_text())["shortcut"]["lead"] == "V6"


def test_noise_is_a_parameter() -> None:
    case = plan_cohort(1, 1, {"NORM": 1.0, **dict.fromkeys(list(PREVALENCE)[1:], 0.0)}, None)[0]
    quiet = draw(case, 1, NoiseLevels().times(0.0), None)[1].parts["noise"]
    loud = draw(case, 1, NoiseLevels().times(2.0), None)[1].parts["noise"]
    usual = draw(case, 1, NoiseLevels(), None)[1].parts["noise"]
    assert np.abs(quiet).max() == 0
    np.testing.assert_allclose(loud, 2 * usual, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"n_records": 0}, "n_records"),
        ({"rates_hz": (250,)}, "rates_hz"),
        ({"prevalence": {"AFIB": 1.0}}, "prevalence"),
        ({"prevalence": {"NORM": 0.0}}, "prevalence"),
        ({"shortcut": Shortcut("MI", "aVF")}, "shortcut.lead"),
        ({"shortcut": Shortcut("AMI")}, "shortcut.condition"),
        ({"jobs": 0}, "jobs"),
    ],
)
def test_impossible_parameters_are_named(
    tmp_path: Path, arguments: dict[str, object], named: str
) -> None:
    with pytest.raises(EcgcoreError, match=named):
        simulate_archive(tmp_path / "x", **{"n_records": 3, "seed": 1, **arguments})  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(EcgcoreError, match="exists"):
        simulate_archive(tmp_path / "x", n_records=3, seed=1)


def test_a_worker_that_is_killed_is_told_in_words(tmp_path: Path) -> None:
    told: list[BaseException] = []

    def simulate() -> None:
        try:
            simulate_archive(tmp_path / "a", n_records=200, seed=1, rates_hz=(100,), jobs=2)
        except EcgcoreError as error:
            told.append(error)

    thread = threading.Thread(target=simulate)
    thread.start()
    while thread.is_alive():
        for child in psutil.Process().children():
            if "spawn_main" in " ".join(child.cmdline()):
                child.kill()
        thread.join(0.2)
    assert "processes was ended from outside" in str(told[0])
    assert not (tmp_path / "a").exists()

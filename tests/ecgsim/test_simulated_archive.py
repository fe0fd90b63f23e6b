"""The simulated archive as a whole: layout, labels, determinism, layers and errors."""

import ast
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgcore.data import LAYERS
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS, twelve_from_eight
from ecgsim import (
    CONDITIONS,
    DEVICES,
    PREVALENCE,
    NoiseLevels,
    Shortcut,
    draw,
    plan_cohort,
    plant_shortcut,
    simulate_archive,
)
from ecgsim.noise import NO_NOISE
from ecgsim.record import SIGNS


@pytest.fixture(scope="module")
def table(simulated_archive: Path) -> pd.DataFrame:
    frame = pd.read_csv(simulated_archive / "ptbxl_database.csv", index_col="ecg_id")
    frame["scp_codes"] = frame["scp_codes"].map(ast.literal_eval)
    return frame


SIGN_LAYERS = {"evidence_st", "evidence_t", "evidence_q"}


def digest(root: Path) -> dict[str, str]:
    return {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }


def test_the_tables_are_those_of_ptbxl(
    simulated_archive: Path, table: pd.DataFrame, ptbxl_500: Path
) -> None:
    database, statements = (
        [pd.read_csv(root / name, index_col=0) for root in (simulated_archive, ptbxl_500)]
        for name in ("ptbxl_database.csv", "scp_statements.csv")
    )
    for ours, real in (database, statements):
        assert list(ours.columns) == list(real.columns)
    assert {code for codes in table["scp_codes"] for code in codes} <= set(ours.index)
    columns = ["diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass"]
    pd.testing.assert_frame_equal(
        ours[columns], real.loc[ours.index, columns], check_names=False, check_dtype=False
    )


def test_no_patient_is_in_two_folds_and_each_fold_has_atrial_fibrillation() -> None:
    cases = plan_cohort(1000, 3, PREVALENCE)
    rows = pd.DataFrame(
        [(case.patient.patient_id, case.strat_fold, case.condition) for case in cases],
        columns=["patient_id", "fold", "condition"],
    )
    assert (rows.groupby("patient_id")["fold"].nunique() == 1).all()
    assert rows["patient_id"].nunique() < len(rows)
    counts = rows.groupby(["condition", "fold"]).size().unstack(fill_value=0)
    assert (counts > 0).all(axis=None)
    assert (counts.sum(axis=1) - 1000 * pd.Series(PREVALENCE)).abs().max() < 1


@pytest.mark.parametrize("rate_hz", [100, 500])
def test_wfdb_reads_it_with_correct_checksums_and_lead_identities(
    simulated_archive: Path, table: pd.DataFrame, rate_hz: int
) -> None:
    column = "filename_lr" if rate_hz == 100 else "filename_hr"
    for stem in table[column].head(6):
        record = wfdb.rdrecord(str(simulated_archive / stem), physical=False)
        assert record.fs == rate_hz
        assert record.d_signal.shape == (10 * rate_hz, 12)
        assert [name.upper() for name in record.sig_name] == [name.upper() for name in LEADS]
        assert record.calc_checksum() == record.checksum
        adu = record.d_signal.T.astype(int)
        np.testing.assert_array_equal(adu[2], adu[1] - adu[0])
        assert np.abs(adu - twelve_from_eight(adu[[0, 1, *range(6, 12)]])).max() <= 0.5


def test_stored_layers_are_the_parts_of_the_stored_signal(
    simulated_archive: Path, table: pd.DataFrame
) -> None:
    """Healthy + noise + coupling = signal - evidence + counterfactual - distractor."""
    for case in plan_cohort(240, 7, PREVALENCE)[:12]:
        _, record = draw(case, 7, NoiseLevels())
        rest_mv = wfdb.rdrecord(
            str(simulated_archive / str(table.loc[case.ecg_id, "filename_hr"]))
        ).p_signal.T
        for name in LAYERS:
            folder = simulated_archive / "layers" / name
            stem = folder / str(table.loc[case.ecg_id, "filename_hr"])
            assert stem.with_suffix(".dat").exists() == (name in record.parts)
            if name in record.parts:
                rest_mv -= SIGNS[name] * wfdb.rdrecord(str(stem)).p_signal.T
        parts = [record.parts[name] for name in ("healthy", "noise", "coupling")]
        expected = np.sum(parts, axis=0)[:, 100:5100]
        assert np.abs(rest_mv[[0, 1, *range(6, 12)]] - expected).max() < 0.0021


def test_100_hz_is_the_500_hz_record_below_the_new_nyquist_frequency() -> None:
    """Compared with scipy's polyphase resampler, away from the edges."""
    from scipy.signal import resample_poly

    case = plan_cohort(3, 11, PREVALENCE)[0]
    _, record = draw(case, 11, NO_NOISE)
    slow, fast = record.at(100)["signal"], record.at(500)["signal"]
    reference = resample_poly(fast.astype(float), 1, 5, axis=-1)
    error = np.sqrt(np.mean((slow - reference)[:, 50:-50] ** 2))
    assert error < 0.04 * slow.std()


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_workers(tmp_path: Path) -> None:
    archives = [
        simulate_archive(tmp_path / name, n_records=12, seed=seed, rates_hz=(100,), jobs=jobs)
        for name, seed, jobs in (("a", 2, 1), ("b", 2, 2), ("c", 3, 1))
    ]
    first, again, other = (digest(archive) for archive in archives)
    assert first == again
    assert first["ptbxl_database.csv"] != other["ptbxl_database.csv"]


def test_each_sign_has_a_layer_that_is_part_of_the_evidence() -> None:
    """A Q wave lies in the QRS, ST and T after it; without an ST sign there is no ST layer."""
    counts = dict.fromkeys(("st", "t", "q"), 0)
    time_s = np.arange(5200) / 500
    for condition in ("MI", "STTC"):
        for case in plan_cohort(40, 3, {condition: 1.0}):
            plan, record = draw(case, 3, NoiseLevels())
            signs = {wave.sign for finding in plan.findings for wave in finding.evidence} - {""}
            assert {f"evidence_{sign}" for sign in signs} == set(record.parts) & SIGN_LAYERS
            since_r_s = time_s[:, None] - record.beats.r_s
            in_qrs = ((since_r_s > -0.09) & (since_r_s < 0.06)).any(axis=1)
            for sign in signs:
                counts[sign] += 1
                energy = np.square(record.parts[f"evidence_{sign}"]).sum(axis=0)
                share = energy[in_qrs].sum() / energy.sum()
                assert share > 0.95 if sign == "q" else share < 0.2
    assert min(counts.values()) > 15


def test_the_device_is_independent_of_the_condition_by_default() -> None:
    """With 0.9, as in a slice of PTB-XL, AF nearly always has the device with most noise."""
    frames = {}
    for confounding in (0.0, 0.9):
        cases = plan_cohort(3000, 5, PREVALENCE, device_confounding=confounding)
        frame = pd.DataFrame([(c.condition, c.device.name) for c in cases], columns=["c", "device"])
        frames[confounding] = frame.groupby("c")["device"].value_counts(normalize=True).unstack()
    shares = {device.name: device.share for device in DEVICES}
    assert (frames[0.0][list(shares)] - pd.Series(shares)).abs().to_numpy().max() < 0.12
    assert frames[0.9].loc["AF", "simulated C"] > 0.85
    others = [name for name in CONDITIONS if name != "AF"]
    pd.testing.assert_frame_equal(frames[0.9].loc[others], frames[0.0].loc[others])


def test_a_shortcut_can_be_planted_in_records_of_any_archive() -> None:
    labels = np.repeat([1, 0], 100)
    added = plant_shortcut(
        Shortcut("V2"), np.arange(200), labels, rate_hz=100, n_samples=1000, seed=1
    )
    has_artefact = np.abs(added[:, LEADS.index("V2")]).max(axis=1) > 0
    assert has_artefact[labels == 1].mean() > 0.85
    assert has_artefact[labels == 0].mean() < 0.15
    assert np.abs(np.delete(added, LEADS.index("V2"), axis=1)).max() == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"n_records": 0}, "n_records"),
        ({"rates_hz": (250,)}, "rates_hz"),
        ({"prevalence": {"AFIB": 1.0}}, "prevalence"),
        ({"device_confounding": 1.5}, "device_confounding"),
        ({"jobs": 0}, "jobs"),
    ],
)
def test_impossible_parameters_are_named(
    tmp_path: Path, arguments: dict[str, object], named: str
) -> None:
    with pytest.raises(EcgcoreError, match=named):
        simulate_archive(tmp_path / "x", **{"n_records": 3, "seed": 1, **arguments})  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
    with pytest.raises(EcgcoreError, match="exists"):
        simulate_archive(tmp_path, n_records=3, seed=1)

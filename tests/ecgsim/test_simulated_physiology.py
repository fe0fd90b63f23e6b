"""Simulated records against published physiology, as a cardiologist would measure them.

The records have no noise. The sources are those of ``ecgsim``; each test names its own.
"""

from dataclasses import replace

import neurokit2 as nk
import numpy as np
import pytest

from ecgcore.leads import LEADS
from ecgsim import SimulatedRecord, measures, simulate_record
from ecgsim import conduction as cd
from ecgsim.anatomy import Heart, Patient, draw_heart
from ecgsim.cohort import ALWAYS_S, RecordPlan
from ecgsim.finding import Finding
from ecgsim.infarction import TERRITORIES, acute_infarction, towards_territory
from ecgsim.measures import BEFORE, beat_mv, qrs_ms, r_sample, signal_mv
from ecgsim.noise import NO_NOISE
from ecgsim.record import Rhythm

STEADY = Rhythm(mean_rr_s=0.85, rr_cv=0.01)


def cohort(condition: str, n_records: int = 60) -> list[tuple[RecordPlan, SimulatedRecord]]:
    return list(measures.noise_free_cohort(condition, n_records, 9))


def hearts(n_hearts: int) -> list[Heart]:
    patients = [
        Patient(number, 45 + number, number % 2 == 0, 172, 75) for number in range(n_hearts)
    ]
    return [draw_heart(np.random.default_rng([4, p.patient_id]), p) for p in patients]


def simulate(heart: Heart, *findings: Finding) -> SimulatedRecord:
    return simulate_record(np.random.default_rng(1), heart, STEADY, findings, noise=NO_NOISE)


def test_f_waves_have_power_at_4_to_9_hz_where_there_is_no_qrst() -> None:
    """3-12 Hz, largest in V1, 15-70 uV RMS by axis (Stridh 2001; Petrenas 2017)."""
    rms_v1_mv = []
    for plan, record in cohort("AF", 40):
        if plan.rhythm.episode_s != ALWAYS_S or plan.findings:
            continue
        f = signal_mv(record, "evidence")
        power = np.abs(np.fft.rfft(f[LEADS.index("V1")])) ** 2
        frequency_hz = np.fft.rfftfreq(f.shape[1], 1 / 500)
        assert power[(frequency_hz > 2) & (frequency_hz < 13)].sum() > 0.9 * power.sum()
        rms = f.std(axis=1)
        assert (
            rms[LEADS.index("V1")] > rms[[LEADS.index(v) for v in ("V3", "V4", "V5", "V6")]].max()
        )
        rms_v1_mv.append(rms[LEADS.index("V1")])
    assert len(rms_v1_mv) > 10
    assert 0.012 < np.median(rms_v1_mv) < 0.06


def test_fibrillation_has_no_p_wave_but_its_usual_place_is_known() -> None:
    for _, record in cohort("AF", 8):
        p = signal_mv(record, "counterfactual")
        first = record.beats.fibrillating
        onset = ((record.beats.p_onset_s[first] - 0.2) * 500).astype(int)
        inside = [start for start in onset if 0 < start < 4900]
        assert np.abs(p).max() > 0.005
        mask = np.zeros(5000, dtype=bool)
        for start in inside:
            mask[max(start - 25, 0) : start + 90] = True
        assert np.square(p[:, mask]).sum() > 0.9 * np.square(p).sum()


def test_an_independent_delineator_finds_the_beats_and_the_pr_interval() -> None:
    """neurokit2's detector and DWT delineation are applied to lead II."""
    measured, true = [], []
    for plan, record in cohort("NORM", 14):
        if (record.beats.kind > 0).any() or "low voltage" in plan.heart.variants:
            continue
        ecg = signal_mv(record)[LEADS.index("II")]
        if ecg.max() < 0.5:
            continue
        _, peaks = nk.ecg_peaks(ecg, sampling_rate=500)
        inside = record.beats.r_s - 0.2
        n_true = int(((inside > 0.1) & (inside < 9.9)).sum())
        assert abs(len(peaks["ECG_R_Peaks"]) - n_true) <= 1
        _, waves = nk.ecg_delineate(ecg, peaks["ECG_R_Peaks"], sampling_rate=500, method="dwt")
        p_peak = np.array(waves["ECG_P_Peaks"], dtype=float)
        if np.isnan(p_peak).mean() > 0.5:
            continue  # a P too flat for the delineator; such patients are simulated on purpose
        distance_s = (peaks["ECG_R_Peaks"] - p_peak) / 500
        measured.append(np.nanmedian(distance_s))
        true.append(np.median(record.beats.r_s - record.beats.p_onset_s) - 0.055)
    assert len(true) > 5
    assert np.median(np.abs(np.array(measured) - np.array(true))) < 0.025


def test_bundle_branch_blocks_are_broad_and_have_the_right_polarity() -> None:
    """QRS of at least 120 ms; LBBB negative in V1, positive in V6 and I; RBBB r' in V1, S in V6
    (AHA/ACCF/HRS 2009)."""
    rng = np.random.default_rng(0)
    v1, v6, one = LEADS.index("V1"), LEADS.index("V6"), LEADS.index("I")
    for heart in hearts(8):
        left = simulate(heart, cd.left_bundle_branch_block(rng, heart, 1.0))
        beat, centre = beat_mv(left), BEFORE
        net = beat[:, centre - 40 : centre + 60].sum(axis=1)
        assert qrs_ms(left) >= 120
        assert net[v1] < 0 < min(net[v6], net[one])
        right = simulate(heart, cd.right_bundle_branch_block(rng, heart, 1.0))
        beat, centre = beat_mv(right), BEFORE
        late = beat[:, centre + 20 : centre + 40]
        assert qrs_ms(right) >= 120
        assert late[v1].max() > 0.15
        assert late[one].min() < -0.1


@pytest.mark.parametrize(
    ("code", "raised", "lowered"),
    [
        ("IMI", ("II", "III", "aVF"), ("aVL",)),
        ("ASMI", ("V1", "V2", "V3"), ()),
        ("ALMI", ("I", "aVL", "V4", "V5"), ("III",)),
        ("LMI", ("I", "aVL", "V5", "V6"), ("III",)),
    ],
)
def test_st_rises_over_the_territory_and_falls_opposite(
    code: str, raised: tuple[str, ...], lowered: tuple[str, ...]
) -> None:
    """At least 0.1 mV at J + 60 ms in two contiguous leads (4th universal definition, 2018)."""
    heart = hearts(1)[0]
    stage = acute_infarction(np.random.default_rng(3), heart, 1.0)
    waves = towards_territory(stage.evidence, TERRITORIES[code][2])
    record = simulate(heart, replace(stage, evidence=waves))
    st = signal_mv(record, "evidence")[:, r_sample(record) + 60]
    level = dict(zip(LEADS, st, strict=True))
    assert sorted(level[lead] for lead in raised)[-2] >= 0.1
    assert all(level[lead] > 0 for lead in raised)
    assert all(level[lead] < 0 for lead in lowered)


def test_a_premature_ventricular_beat_has_a_compensatory_pause() -> None:
    rhythm = replace(STEADY, n_ectopic=1, ectopic_kind=1)
    record = simulate_record(np.random.default_rng(2), hearts(1)[0], rhythm, (), noise=NO_NOISE)
    place = int(np.flatnonzero(record.beats.kind == 1)[0])
    around = record.beats.r_s[place + 1] - record.beats.r_s[place - 1]
    assert record.beats.r_s[place] - record.beats.r_s[place - 1] < 0.8 * 0.85
    assert around == pytest.approx(2 * 0.85, rel=0.05)
    assert np.abs(record.parts["distractor"]).max() > 0.3


def test_mild_cases_overlap_with_normal_records() -> None:
    """Without overlap in severity, methods could not be ranked."""
    strength = [np.abs(record.at(500)["evidence"]).max() / 1000 for _, record in cohort("MI", 80)]
    assert np.quantile(strength, 0.1) < 0.25
    assert np.quantile(strength, 0.9) > 0.5


def test_most_records_lie_inside_the_published_ranges() -> None:
    """Most records lie inside the published range of their condition; Sokolow-Lyon misses
    many hypertrophies, as it does in patients (specific rather than sensitive)."""
    table = measures.compare_with_published(100, seed=9).set_index(["measure", "records"])
    assert len(table) == len(measures.NORMS)
    assert (table["n"] > 0).all()
    rr_cv = table.loc["RR variation"]
    assert rr_cv.loc["AF", "p05"] < 2 * rr_cv.loc["normal", "p95"], "intervals alone suffice"
    few = table.index == ("Sokolow-Lyon", "LVH")
    assert (table["inside"][~few] > 0.5).all(), table
    assert 0.1 < table["inside"][few].item() < 0.9

"""Who is in the archive and what they have: patients, records, folds, devices.

Prevalences are those of PTB-XL 1.0.3 (Wagner et al., *PTB-XL, a large publicly available
electrocardiography dataset*, Sci. Data 7:154, 2020): of 21,799 records NORM 9,514, MI 5,469, STTC
5,235, CD 4,898, HYP 2,649, AFIB 1,514; 18,869 patients.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgcore.data import DURATION_S
from ecgcore.errors import EcgcoreError, check_choice
from ecgsim import conduction, hypertrophy, infarction, repolarisation
from ecgsim.anatomy import Heart, Patient, draw_heart, draw_patient
from ecgsim.devices import Device, draw_device
from ecgsim.dipole import ATRIAL, VENTRICULAR
from ecgsim.finding import Finding, choose, draw_severity
from ecgsim.record import Rhythm

CONDITIONS = ("NORM", "AF", "MI", "STTC", "CD", "HYP")
PREVALENCE = {"NORM": 0.435, "AF": 0.07, "MI": 0.155, "STTC": 0.13, "CD": 0.145, "HYP": 0.065}
"""Share of each leading condition; with :data:`COMORBIDITY` the superclass counts come near those
of PTB-XL."""

COMORBIDITY = {
    "MI": {"STTC": 0.22, "CD": 0.20, "HYP": 0.08},
    "STTC": {"HYP": 0.22, "CD": 0.10, "MI": 0.08},
    "CD": {"STTC": 0.12, "MI": 0.14, "HYP": 0.08},
    "HYP": {"STTC": 0.28, "CD": 0.12, "MI": 0.06},
    "AF": {"STTC": 0.28, "MI": 0.10, "CD": 0.12, "HYP": 0.10},
    "NORM": {},
}
"""Probability of a second superclass beside the leading one; a record has at most one."""

MILD_SHARE = {"MI": 0.24, "STTC": 0.25, "CD": 0.42, "HYP": 0.26}
PAROXYSMAL_SHARE = 0.20
ALWAYS_S = (-1.0 * DURATION_S, 2.0 * DURATION_S)
"""Episode of a record whose atria fibrillate from the first sample to the last."""

MEAN_AGE_YEARS = {"NORM": 51, "AF": 72, "MI": 66, "STTC": 64, "CD": 63, "HYP": 66}
FINDINGS = {
    "MI": infarction.KINDS,
    "STTC": repolarisation.KINDS,
    "CD": conduction.KINDS,
    "HYP": hypertrophy.KINDS,
}
RECORDS_PER_PATIENT = 21799 / 18869


@dataclass(frozen=True)
class Case:
    """One record before anything about its signal is decided."""

    ecg_id: int
    patient: Patient
    condition: str
    strat_fold: int
    device: Device


@dataclass(frozen=True)
class RecordPlan:
    """All that is decided about a record before its signal is computed."""

    case: Case
    heart: Heart
    rhythm: Rhythm
    findings: tuple[Finding, ...]


def check_prevalence(prevalence: Mapping[str, float] | None) -> dict[str, float]:
    """Return shares that add up to one; ``None`` means PTB-XL's.

    Raises ``EcgcoreError`` if a condition is unknown, a share is negative, or none is above zero.
    """
    shares = dict(PREVALENCE if prevalence is None else prevalence)
    for condition in shares:
        check_choice("prevalence", condition, CONDITIONS)
    total = sum(shares.values())
    if min(shares.values(), default=0) < 0 or not 0 < total < math.inf:
        raise EcgcoreError("prevalence: expected shares of 0 or more, one of them above 0.")
    return {name: shares.get(name, 0.0) / total for name in CONDITIONS}


def plan_cohort(
    n_records: int,
    seed: int,
    prevalence: Mapping[str, float],
    *,
    device_confounding: float = 0.0,
) -> list[Case]:
    """Draw patients, their records, folds and devices.

    ``prevalence`` holds shares of leading conditions that add up to one. Conditions have exact
    proportions (largest remainder), so that a small archive contains each of them. Four in five
    further records of a patient have the same condition. Within a condition the folds take turns,
    patient by patient. For ``device_confounding`` see :func:`ecgsim.devices.draw_device`; no other
    draw depends on it.
    """
    rng, device_rng = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 6])
    remaining = _counts(n_records, prevalence)
    next_fold = {name: int(rng.integers(10)) for name in CONDITIONS}
    patient_ids = iter(rng.permutation(np.arange(1, 2 * n_records + 1)))
    ecg_ids = iter(rng.permutation(np.arange(1, n_records + 1)))
    cases: list[Case] = []
    while remaining.any():
        condition = _draw_condition(rng, remaining)
        patient = draw_patient(rng, int(next(patient_ids)), MEAN_AGE_YEARS[condition])
        fold = next_fold[condition] % 10 + 1
        next_fold[condition] += 1
        for _ in range(min(int(rng.geometric(1 / RECORDS_PER_PATIENT)), int(remaining.sum()))):
            if remaining[CONDITIONS.index(condition)] == 0 or rng.random() > 0.8:
                condition = _draw_condition(rng, remaining)
            remaining[CONDITIONS.index(condition)] -= 1
            rng.random()  # not used, but keeps the records of each seed as before
            device = draw_device(device_rng, condition, device_confounding)
            ecg_id = int(next(ecg_ids))
            cases.append(Case(ecg_id, patient, condition, fold, device))
    return sorted(cases, key=lambda case: case.ecg_id)


def _counts(n_records: int, prevalence: Mapping[str, float]) -> NDArray[np.int64]:
    """Return the number of records of each condition."""
    exact = np.array([prevalence.get(name, 0.0) * n_records for name in CONDITIONS])
    counts: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: n_records - counts.sum()]] += 1
    return counts


def _draw_condition(rng: np.random.Generator, remaining: NDArray[np.int64]) -> str:
    return CONDITIONS[int(rng.choice(len(CONDITIONS), p=remaining / remaining.sum()))]


def plan_record(case: Case, seed: int) -> RecordPlan:
    """Decide what one record will show.

    The heart depends on the patient alone, and so do the findings of a condition, since both are
    chronic. The rhythm is drawn for each record.
    """
    number, patient = CONDITIONS.index(case.condition), case.patient
    heart = draw_heart(np.random.default_rng([seed, 1, patient.patient_id]), patient)
    rng = np.random.default_rng([seed, 2, patient.patient_id, number])
    names = [case.condition] if case.condition in FINDINGS else []
    chance = rng.random()
    for name, probability in COMORBIDITY[case.condition].items():
        if 0 <= chance < probability:
            names.append(name)
        chance -= probability
    findings = tuple(
        choose(rng, FINDINGS[name])(rng, heart, draw_severity(rng, MILD_SHARE[name]))
        for name in names
    )
    rhythm = _draw_rhythm(np.random.default_rng([seed, 3, case.ecg_id]), case)
    return RecordPlan(case, heart, rhythm, findings)


def _draw_rhythm(rng: np.random.Generator, case: Case) -> Rhythm:
    is_af = case.condition == "AF"
    ectopic_kind = VENTRICULAR if is_af or rng.random() < 0.6 else ATRIAL
    some = int(rng.choice([1, 2, 3, 4], p=[0.55, 0.25, 0.1, 0.1]))
    n_ectopic = some if rng.random() < 0.10 else 0
    if is_af:
        # Most records fibrillate throughout; in the others AF starts or stops within the record.
        episode_s, length_s = ALWAYS_S, rng.uniform(2.0, 7.5)
        if rng.random() < PAROXYSMAL_SHARE:
            starts = rng.random() < 0.5
            first_s, last_s = ALWAYS_S
            episode_s = (DURATION_S - length_s, last_s) if starts else (first_s, length_s)
        return Rhythm(
            mean_rr_s=60 / float(np.clip(rng.normal(82, 19), 48, 150)),
            rr_cv=float(np.clip(rng.normal(0.18, 0.08), 0.03, 0.36)),
            episode_s=episode_s,
            sinus_rr_s=60 / float(rng.uniform(55, 90)),
            coarseness=float(np.clip(np.exp(rng.normal(-0.5, 0.6)), 0.1, 2.5)),
            atrial_hz=float(np.clip(rng.normal(6.3, 1.0), 4.0, 9.0)),
            n_ectopic=n_ectopic,
            ectopic_kind=ectopic_kind,
        )
    age = case.patient.age_years
    is_arrhythmic = rng.random() < 0.20 - 0.0012 * age
    usual_cv = 0.045 * np.exp(-0.012 * (age - 30))
    rr_cv = rng.uniform(0.08, 0.20) if is_arrhythmic else usual_cv * np.exp(rng.normal(0, 0.4))
    return Rhythm(
        mean_rr_s=60 / float(np.clip(rng.normal(71, 13), 44, 128)),
        rr_cv=float(np.clip(rr_cv, 0.008, 0.20)),
        n_ectopic=n_ectopic,
        ectopic_kind=ectopic_kind,
    )

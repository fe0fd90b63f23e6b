"""The healthy heart of one patient: body, electrodes, and the waves of a normal beat.

Normal values: QRS 74-114 ms in men, PR 120-200 ms, frontal axis -30 to +90 degrees (AHA/ACCF/HRS
recommendations 2009, Surawicz et al., Circulation 119:e235). P wave in Frank leads: x 0.04-0.09, y
0.05-0.125, z +-0.02-0.05 mV, about 120 ms (Bachi et al., IEEE TBME 2023). The course of the QRS
vector (septal rightwards and forwards, then left and down, then back) follows the normal
vectorcardiogram (Draper et al., Circulation 30, 1964). Its fine structure holds the content above
60 Hz, most of which lies in the QRS complexes of real records (Goldberger et al., *Genesis and
pathogenesis of high-frequency QRS*; here set to the spectra of raw PTB-XL records). The benign
variants (low P, early repolarisation, rsr', low voltage) are included so that no single amplitude
identifies a pathology.
"""

import math
from dataclasses import dataclass

import numpy as np

from ecgcore.arrays import Floats
from ecgsim.dipole import DOWER, Wave, rotate


@dataclass(frozen=True)
class Patient:
    """What stays the same in all records of one patient."""

    patient_id: int
    age_years: float
    is_male: bool
    height_cm: float
    weight_kg: float


@dataclass(frozen=True)
class Heart:
    """The normal beat of one patient, and how the leads see it.

    ``p``, ``qrs`` and ``t`` are waves of the dipole; ``lead_matrix`` has shape (8, 3).
    ``qrs_onset_s`` lies before the R peak, so it is positive; ``st_s`` is the middle of ST.
    """

    lead_matrix: Floats
    p: list[Wave]
    qrs: list[Wave]
    t: list[Wave]
    pr_s: float
    qrs_onset_s: float
    qtc_factor: float
    variants: tuple[str, ...]


def draw_patient(rng: np.random.Generator, patient_id: int, mean_age_years: float) -> Patient:
    """Draw age, sex and size; PTB-XL has a median age of 62 and 52 % men (Wagner et al. 2020)."""
    is_male = bool(rng.random() < 0.52)
    age = float(np.clip(rng.normal(mean_age_years, 15), 18, 93))
    height = rng.normal(175 if is_male else 163, 7)
    weight = np.clip(rng.normal(24 + 0.04 * age, 3.5), 17, 42) * (height / 100) ** 2
    return Patient(patient_id, round(age), is_male, float(round(height)), float(round(weight)))


def draw_heart(rng: np.random.Generator, patient: Patient) -> Heart:
    """Draw a patient's normal beat."""
    age, variants = patient.age_years, []
    frontal_deg = float(np.clip(rng.normal(-8 - 0.35 * (age - 50), 18), -62, 42))
    horizontal_deg = float(rng.normal(5, 14))
    voltage = float(np.exp(rng.normal(0.02 - 0.004 * (age - 50), 0.24)))
    if rng.random() < 0.04:
        voltage *= 0.5
        variants.append("low voltage")
    width = float(np.clip(rng.normal(1.0 if patient.is_male else 0.94, 0.09), 0.75, 1.25))
    qrs = _qrs(rng, voltage, width, frontal_deg, horizontal_deg)
    qrs += _fine_structure(rng, voltage, width)
    t = _t(rng, frontal_deg, horizontal_deg, voltage)
    if rng.random() < (0.22 if patient.is_male and age < 45 else 0.06):
        # ST elevation of 0.05 to 0.2 mV in V2-V5; young men may have up to 0.25 mV there.
        vector_mv = rng.uniform(0.04, 0.14) * np.array([0.55, 0.25, -0.80])
        t.append(Wave("T", 0.150, 0.090, 0.090, vector_mv, flat=True))
        variants.append("early repolarisation")
    if rng.random() < 0.05:
        vector_mv = rng.uniform(0.10, 0.22) * np.array([-0.6, 0.05, -0.8])
        qrs.append(Wave("QRS", 0.043 * width, 0.009, 0.009, vector_mv))
        variants.append("rsr'")
    onset_s = 0.042 * width
    return Heart(
        lead_matrix=_lead_matrix(rng),
        p=_p(rng),
        qrs=qrs,
        t=t,
        pr_s=float(np.clip(rng.normal(0.150 + 0.0004 * (age - 50), 0.021), 0.11, 0.205)),
        qrs_onset_s=onset_s,
        qtc_factor=float(np.clip(rng.normal(1.0 if patient.is_male else 1.04, 0.045), 0.86, 1.16)),
        variants=tuple(variants),
    )


def _lead_matrix(rng: np.random.Generator) -> Floats:
    """Draw Dower's matrix for one thorax, with varied gains and misplaced chest electrodes."""
    matrix = DOWER.copy()
    shift = np.clip(rng.normal(0, 0.18, 6), -0.4, 0.4)
    chest = DOWER[2:]
    neighbour = np.where(shift[:, None] > 0, np.roll(chest, -1, axis=0), np.roll(chest, 1, axis=0))
    neighbour[0 if shift[0] <= 0 else 5] = chest[0 if shift[0] <= 0 else 5]
    matrix[2:] = chest + np.abs(shift)[:, None] * (neighbour - chest)
    matrix[2:] *= np.exp(rng.normal(-0.05, 0.13, (6, 1)))
    matrix[:2] *= np.exp(rng.normal(0, 0.05, (2, 1)))
    return matrix + rng.normal(0, 0.05, (8, 3))


def _vary(rng: np.random.Generator, vector: tuple[float, float, float], cv: float) -> Floats:
    """Vary the length of a vector by a factor, and its components by a third as much."""
    varied: Floats = np.multiply(vector, math.exp(rng.normal(0, cv)))
    varied += rng.normal(0, cv / 3, 3) * math.hypot(*vector)
    return varied


def _qrs(
    rng: np.random.Generator,
    voltage: float,
    width: float,
    frontal_deg: float,
    horizontal_deg: float,
) -> list[Wave]:
    """Draw septal, main (free wall), posterior and basal forces."""
    course = (
        (-0.0240, 0.0062, (-0.150, -0.035, -0.255), 0.40),
        (-0.0110, 0.0057, (0.230, 0.105, -0.440), 0.30),
        (0.0000, 0.0095, (1.040, 0.670, 0.120), 0.14),
        (0.0155, 0.0072, (0.470, 0.270, 0.790), 0.22),
        (0.0300, 0.0076, (-0.110, -0.070, 0.160), 0.45),
    )
    waves = []
    for centre_s, sd_s, vector, cv in course:
        turned = rotate(_vary(rng, vector, cv) * voltage, frontal_deg, horizontal_deg)
        jitter_s = 0.0 if centre_s == 0 else rng.normal(0, 0.0015)
        sd_s *= width * np.exp(rng.normal(0, 0.08))
        waves.append(Wave("QRS", centre_s * width + jitter_s, sd_s, sd_s, turned))
    return waves


FINE_WAVES, FINE_SD_S, FINE_MV = 6, 0.0018, 0.068
"""Number, median width and typical size of the smallest waves of QRS (content above 60 Hz)."""
NOTCHES, NOTCH_SD_S, NOTCH_MV = 2, 0.0055, np.array([0.165, 0.100, 0.075])
"""The same for its notches, by axis: two waves of opposite sign (content at 25 to 40 Hz)."""
NOTCH_GAP_S = 0.014


def _fine_structure(rng: np.random.Generator, voltage: float, width: float) -> list[Wave]:
    """Draw small, quick waves in random directions, as ventricular conduction is uneven."""
    waves = []
    for vector_mv in FINE_MV * voltage * rng.normal(0, 1, (FINE_WAVES, 3)):
        sd_s = FINE_SD_S * math.exp(rng.normal(0, 0.3))
        waves.append(Wave("QRS", rng.normal(0.003, 0.014) * width, sd_s, sd_s, vector_mv))
    for vector_mv in voltage * rng.normal(0, NOTCH_MV, (NOTCHES, 3)):
        centre_s = rng.normal(0.003, 0.012) * width
        for side in (-1, 1):
            at_s = centre_s + side * NOTCH_GAP_S / 2
            waves.append(Wave("QRS", at_s, NOTCH_SD_S, NOTCH_SD_S, side * vector_mv))
    return waves


def _t(
    rng: np.random.Generator, frontal_deg: float, horizontal_deg: float, voltage: float
) -> list[Wave]:
    """Draw a T that rises slowly and falls fast, along QRS but more to the front; ST near zero."""
    size = np.exp(rng.normal(0.05, 0.30)) * (0.55 + 0.45 * voltage)
    vector = rotate(_vary(rng, (0.25, 0.17, -0.20), 0.16), 0.45 * frontal_deg, 0.5 * horizontal_deg)
    centre_s, left_s = rng.normal(0.285, 0.012), rng.normal(0.052, 0.006)
    right_s = left_s * rng.uniform(0.55, 0.85)
    st = _vary(rng, (0.02, 0.012, -0.035), 0.6) + rng.normal(0, 0.012, 3)
    return [
        Wave("T", centre_s, max(left_s, 0.035), max(right_s, 0.025), vector * size),
        Wave("T", 0.155, 0.085, 0.085, st, flat=True),
    ]


def _p(rng: np.random.Generator) -> list[Wave]:
    """Draw the right atrium (forwards), then the left atrium (leftwards and back)."""
    size = np.exp(rng.normal(-0.18, 0.42)) * (0.35 if rng.random() < 0.12 else 1.0)
    half_s = rng.uniform(0.017, 0.023)
    right = _vary(rng, (0.028, 0.070, -0.032), 0.22) * size
    left = _vary(rng, (0.055, 0.062, 0.036), 0.22) * size
    gap_s = rng.uniform(0.028, 0.045)
    return [
        Wave("P", 0.040, half_s * 0.9, half_s, right),
        Wave("P", 0.040 + gap_s, half_s, half_s, left),
    ]

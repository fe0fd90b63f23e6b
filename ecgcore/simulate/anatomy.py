"""The healthy heart of one patient: body, electrodes, and the waves of a normal beat.

Normal values: QRS 74-114 ms in men, PR 120-200 ms, frontal axis -30 to +90 degrees (AHA/ACCF/HRS
recommendations 2009, Surawicz et al., Circulation 119:e235). P wave in Frank leads: x 0.04-0.09,
y 0.05-0.125, z +-0.02-0.05 mV, about 120 ms (Bachi et al., IEEE TBME 2023). The course of the
QRS vector (septal rightwards and forwards, then left and down, then back) follows the normal
vectorcardiogram (Draper et al., Circulation 30, 1964). The benign variants (low P, early
repolarisation, rsr', persistent juvenile T, low voltage) are there so that no pathology can be
told by one amplitude alone.
"""

from dataclasses import dataclass

import numpy as np

from ecgcore.simulate.dipole import DOWER, FloatArray, Wave, rotate


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
    """One patient's normal beat and how the leads see it.

    ``p``, ``qrs`` and ``t`` are waves of the dipole; ``lead_matrix`` has shape (8, 3).
    ``qrs_onset_s`` lies before the R peak, so it is positive; ``st_s`` is the middle of ST.
    """

    lead_matrix: FloatArray
    p: list[Wave]
    qrs: list[Wave]
    t: list[Wave]
    pr_s: float
    qrs_onset_s: float
    qtc_factor: float
    variants: tuple[str, ...]


def draw_patient(rng: np.random.Generator, patient_id: int, mean_age_years: float) -> Patient:
    """Age, sex and size; PTB-XL has a median age of 62 and 52 % men (Wagner et al. 2020)."""
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
    t = _t(rng, frontal_deg, horizontal_deg, voltage)
    if rng.random() < (0.22 if patient.is_male and age < 45 else 0.06):
        t.append(_early_repolarisation(rng))
        variants.append("early repolarisation")
    if rng.random() < 0.05:
        qrs.append(_incomplete_r_prime(rng, width))
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


def _lead_matrix(rng: np.random.Generator) -> FloatArray:
    """Dower's matrix for this thorax: gains differ by lead, chest electrodes sit a bit off."""
    matrix = DOWER.copy()
    shift = np.clip(rng.normal(0, 0.18, 6), -0.4, 0.4)
    chest = DOWER[2:]
    neighbour = np.where(shift[:, None] > 0, np.roll(chest, -1, axis=0), np.roll(chest, 1, axis=0))
    neighbour[0 if shift[0] <= 0 else 5] = chest[0 if shift[0] <= 0 else 5]
    matrix[2:] = chest + np.abs(shift)[:, None] * (neighbour - chest)
    matrix[2:] *= np.exp(rng.normal(-0.05, 0.13, (6, 1)))
    matrix[:2] *= np.exp(rng.normal(0, 0.05, (2, 1)))
    return matrix + rng.normal(0, 0.05, (8, 3))


def _vary(rng: np.random.Generator, vector: tuple[float, float, float], cv: float) -> FloatArray:
    base = np.array(vector)
    varied: FloatArray = base * np.exp(rng.normal(0, cv)) + rng.normal(
        0, cv / 3, 3
    ) * np.linalg.norm(base)
    return varied


def _qrs(
    rng: np.random.Generator,
    voltage: float,
    width: float,
    frontal_deg: float,
    horizontal_deg: float,
) -> list[Wave]:
    """Septal, main (free wall), posterior and basal forces."""
    course = (
        (-0.026, 0.0070, (-0.13, -0.03, -0.22), 0.40),
        (-0.012, 0.0075, (0.22, 0.10, -0.42), 0.30),
        (0.000, 0.0100, (1.02, 0.66, 0.12), 0.14),
        (0.017, 0.0095, (0.42, 0.24, 0.72), 0.22),
        (0.033, 0.0080, (-0.16, -0.10, 0.24), 0.45),
    )
    waves = []
    for centre_s, sd_s, vector, cv in course:
        turned = rotate(_vary(rng, vector, cv) * voltage, frontal_deg, horizontal_deg)
        jitter_s = 0.0 if centre_s == 0 else rng.normal(0, 0.0015)
        sd_s *= width * np.exp(rng.normal(0, 0.08))
        waves.append(Wave("QRS", centre_s * width + jitter_s, sd_s, sd_s, turned))
    return waves


def _t(
    rng: np.random.Generator, frontal_deg: float, horizontal_deg: float, voltage: float
) -> list[Wave]:
    """T, slow up and quick down, roughly along QRS but more to the front; ST near zero."""
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
    """Right atrium (forwards), then left atrium (leftwards and back)."""
    size = np.exp(rng.normal(-0.18, 0.42)) * (0.35 if rng.random() < 0.12 else 1.0)
    half_s = rng.uniform(0.017, 0.023)
    right = _vary(rng, (0.028, 0.070, -0.032), 0.22) * size
    left = _vary(rng, (0.055, 0.062, 0.036), 0.22) * size
    gap_s = rng.uniform(0.028, 0.045)
    return [
        Wave("P", 0.040, half_s * 0.9, half_s, right),
        Wave("P", 0.040 + gap_s, half_s, half_s, left),
    ]


def _early_repolarisation(rng: np.random.Generator) -> Wave:
    """ST elevation of 0.05 to 0.2 mV in V2-V5, as in healthy young men (4th universal definition
    allows 0.25 mV there in men under 40)."""
    vector = rng.uniform(0.04, 0.14) * np.array([0.55, 0.25, -0.80])
    return Wave("T", 0.150, 0.090, 0.090, vector, flat=True)


def _incomplete_r_prime(rng: np.random.Generator, width: float) -> Wave:
    vector = rng.uniform(0.10, 0.22) * np.array([-0.6, 0.05, -0.8])
    return Wave("QRS", 0.043 * width, 0.009, 0.009, vector)

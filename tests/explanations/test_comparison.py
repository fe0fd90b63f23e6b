"""A method counts only if it beats the strongest control, on enough records and seeds."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

from ecgcore import explanations, models
from ecgcore.explanations import compare_with_controls

RERUN = "lerf_minus_morf_bridge"


def table(values: dict[str, np.ndarray], n_seeds: int = 3) -> pd.DataFrame:
    """Return a table of the scores ``(record,)`` by method, with a small spread over seeds."""
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame({"method": name, "record": np.arange(len(v)), "seed": seed}).assign(
            **{RERUN: v + rng.normal(0, 0.01)}
        )
        for name, v in values.items()
        for seed in range(n_seeds)
    ]
    return pd.concat(parts, ignore_index=True)


def verdicts(values: dict[str, np.ndarray], controls: list[str]) -> pd.DataFrame:
    duels = compare_with_controls(table(values), controls, metrics=[RERUN]).duels
    return duels.set_index("method")


def noise(mean: float, n: int = 40, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.5, n)


def test_being_above_a_random_map_is_not_enough():
    values = {"imn": noise(1.0), "random": noise(0, seed=2), "other_record": noise(1.5, seed=3)}
    row = verdicts(values, ["random", "other_record"]).loc["imn"]
    assert row["strongest_control"] == "other_record"
    assert row["verdict"] == "worse"
    row = verdicts(values, ["random"]).loc["imn"]
    assert row["verdict"] == "better"
    assert row["low"] < row["difference"] < row["high"]


@pytest.mark.parametrize(("n_records", "n_seeds"), [(29, 3), (60, 1), (60, 2)])
def test_small_samples_have_values_without_intervals_or_verdicts(n_records, n_seeds):
    values = {"imn": noise(2, n_records), "random": noise(0, n_records, seed=2)}
    result = compare_with_controls(table(values, n_seeds=n_seeds), ["random"], metrics=[RERUN])
    assert result.scores["value"].notna().all()
    assert result.scores[["low", "high"]].isna().all(axis=None)
    row = result.duels.iloc[0]
    assert row["verdict"] == "undecided"
    assert "at least" in row["reason"]


def test_duels_are_corrected_by_holm():
    zero, values = {"random": np.zeros(60)}, noise(0, 60)
    values *= 1 / values.std(ddof=1)
    values += stats.norm.isf(0.01) / np.sqrt(60) - values.mean()  # p of 0.02 over records
    alone = verdicts({"imn": values, **zero}, ["random"])
    assert alone["verdict"].tolist() == ["better"]
    many = verdicts({**{f"method {k}": values for k in range(12)}, **zero}, ["random"])
    assert set(many["verdict"]) == {"undecided"}
    assert many["reason"].str.contains("several tests").all()


def test_seeds_and_patients_are_both_random():
    """95 % intervals cover a mean over 3 seeds and 40 patients with two records each."""
    rng, covered, n = np.random.default_rng(3), 0, 120
    index = pd.MultiIndex.from_product([range(80), range(3)], names=["record", "seed"])
    for _ in range(n):
        patient, seed = rng.normal(0, 0.5, 40), rng.normal(0, 0.2, 3)
        value = patient[index.get_level_values(0) // 2] + seed[index.get_level_values(1)]
        frame = index.to_frame(index=False).assign(method="imn", **{RERUN: value})
        frame[RERUN] += rng.normal(0, 0.3, len(frame))
        frame["group"] = frame["record"] // 2
        row = compare_with_controls(frame, ["none"], metrics=[RERUN]).scores.iloc[0]
        covered += row["low"] <= 0 <= row["high"]
    assert covered / n >= 0.93


def planted_sign(
    n_records: int, *, n_samples: int, seed: int, n_leads: int = 12
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return records whose class is one local sign: an explanation must find this sign.

    Every lead has a large slow wave without meaning; records of class 1 also have smaller rapid
    waves of 16 samples, in a lead and at a time drawn for each record.  A network that separates
    the classes must read the rapid waves, while the squared signal points at the slow ones, and
    another record's W at another place.  Returns x ``(record, lead, sample)``, y ``(record,)`` and
    the mask of the sign.
    """
    rng = np.random.default_rng(seed)
    shape = n_records, n_leads, n_samples
    period, phase = rng.uniform(40, 80, shape[:2]), rng.uniform(0, 1, shape[:2])
    turns = np.arange(n_samples) / period[..., None] + phase[..., None]
    x = (3 * np.sin(2 * np.pi * turns) + rng.normal(0, 0.1, shape)).astype(np.float32)
    mask = np.zeros(shape, bool)
    y = np.arange(n_records) % 2
    for record in np.flatnonzero(y):
        lead, start = rng.integers(n_leads), rng.integers(n_samples - 15)
        x[record, lead, start : start + 16] += 2 * np.sin(np.arange(16) * np.pi / 2)
        mask[record, lead, start : start + 16] = True
    return x, y, mask


def trained_on_a_sign(seed: int) -> models.EcgModel:
    """Return a small IMN trained until it separates the classes of ``planted_sign``."""
    x, y, _ = planted_sign(200, n_samples=48, n_leads=4, seed=1)
    model = models.build(
        "imn", rate_hz=50, n_samples=48, n_leads=4, seed=seed, bias="none", logit_scale="sqrt",
        lead_mixing="none", zero_head=True,
    )  # fmt: skip
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    while len(losses) < 300 and not np.mean([1.0, *losses][-10:]) < 0.05:
        rows = torch.randint(0, len(x), (16,), generator=generator).numpy()
        logits = model(torch.from_numpy(x[rows])).logits[:, 0]
        target = torch.from_numpy(y[rows]).float()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return model.eval()


def test_the_positive_control_wins_in_localisation_and_deletion():
    """W * x of a network that learnt a local sign beats every control on three seeds."""
    x, y, mask = planted_sign(64, n_samples=48, n_leads=4, seed=9)
    effort = explanations.Effort(n_rerun=32, n_attainable=8, window_s=0.16)
    parts = []
    for seed in (1, 2, 3):
        model = trained_on_a_sign(seed)
        logits = explanations.positive_logits(model, x)
        assert roc_auc_score(y, logits) > 0.9
        evidence, donor = mask[y == 1], x[y == 0]
        masks = {"evidence": evidence, "evidence_st": evidence, "shortcut": ~evidence}
        result = explanations.examine(
            model, x[y == 1], ["imn"], seed=0, effort=effort, masks=masks, donor=donor,
            logit_sd=float(logits.std()),
        )  # fmt: skip
        assert set(result.curves["fill"]) == {"bridge", "donor"}
        parts.append(result.records.assign(seed=seed))
    records = pd.concat(parts, ignore_index=True)
    placed = records[records.method != "bias_only"]  # without a bias its map is empty
    np.testing.assert_allclose(placed.mass_accuracy + placed.shortcut_mass_accuracy, 1)
    assert records.evidence_st_mass_accuracy.equals(records.mass_accuracy)
    assert (records.bias_share.dropna() == 0).all()
    controls = records.loc[records["control"], "method"].unique().tolist()
    expected = {"random", "abs_signal", "squared_signal", "other_record", "bias_only", "untrained"}
    assert set(controls) == expected
    asked = ["mass_accuracy", RERUN]
    duels = compare_with_controls(records, controls, metrics=asked).duels.set_index("metric")
    assert duels["verdict"].to_dict() == dict.fromkeys(asked, "better"), duels.T
    shares = records.groupby("method")["deletion_share_bridge"].mean()
    assert 0.5 < shares["imn"] == shares.max()

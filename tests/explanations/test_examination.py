"""Examination of whole networks, controls, and properties of maps."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from ecgcore import explanations, models
from ecgcore.explanations import Effort, control_maps, examine
from ecgcore.explanations.examination import gini, gradient_agreement

RATE_HZ = 25


def signals(n: int = 4, n_samples: int = 75, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 12, n_samples)).astype(np.float32)


class Planted(models.EcgModel):
    """An IMN whose W is known: it marks one stretch of one lead, wherever the largest sample is."""

    widest_units, receptive_field_samples, writes_weights = 12, 1, True

    def __init__(self, level: float = 2.0, **size):
        super().__init__(n_outputs=1, **size)
        self.level = torch.nn.Parameter(torch.tensor(level))

    def compute(self, x):
        weights = torch.sigmoid(8 * (x - self.level))[:, None]
        bias = torch.zeros(len(x), 1)
        return models.IMNOutput((weights * x[:, None]).sum((2, 3)) + bias, weights, bias)


def test_an_imn_with_known_weights(monkeypatch):
    monkeypatch.setitem(models.REGISTRY, "planted", (Planted, {}))
    model = models.build("planted", rate_hz=50, n_samples=100)
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.3, size=(30, 12, 100)).astype(np.float32)
    mask = np.zeros(x.shape, bool)
    for record in range(30):
        start = rng.integers(0, 90)
        mask[record, record % 12, start : start + 10] = True
    x[mask] += 4.0
    result = examine(
        model, x, ["imn", "input_x_gradient", "occlusion"], seed=0,
        masks={"evidence": mask, "evidence_st": mask, "shortcut": ~mask},
        donor=np.roll(x, 1, axis=0) * ~mask,
    )  # fmt: skip
    mean = result.records.groupby("method").mean(numeric_only=True)
    assert mean.loc["imn", "mass_accuracy"] > 0.99
    assert mean.loc["imn", "evidence_st_mass_accuracy"] == mean.loc["imn", "mass_accuracy"]
    assert mean.loc["imn", "shortcut_mass_accuracy"] < 0.01
    assert mean.loc["imn", "bias_share"] == 0
    assert mean.loc["imn", "gini"] > 0.9
    share = mean["deletion_share_bridge"]
    assert share["occlusion"] == pytest.approx(1)  # it is the best single-unit order
    assert share["imn"] > 0.95 > 0.5 > abs(share["random"])
    assert (result.records.groupby("method")["deletion_share_bridge"].count() == 8).all()
    assert {"bridge", "donor"} == set(result.curves["fill"])


def test_without_a_mask_nothing_is_said_about_place():
    model = models.build("cnn1d", rate_hz=RATE_HZ, n_samples=100, seed=1)
    x = signals(n_samples=100)
    effort = Effort(n_rerun=2, n_attainable=1, n_steps=2, n_runs=30, shap_window_s=2.0)
    methods = ["imn", "grad_cam", "integrated_gradients", "kernel_shap"]
    result = examine(model, x, methods, seed=0, effort=effort, logit_sd=2.0)
    assert "imn" not in set(result.records["method"])
    assert not {"mass_accuracy", "cosine"} & set(result.records)
    n_of = result.records.query("not control").groupby("method").size().to_dict()
    assert n_of == {"grad_cam": 4, "integrated_gradients": 2, "kernel_shap": 2}


def test_control_maps_are_what_they_say():
    x, weights = signals(), signals(seed=1)
    maps = control_maps(x, seed=0, weights=weights, bias=np.arange(4.0))
    names = {"random", "abs_signal", "squared_signal", "other_record", "bias_only"}
    assert set(maps) == names
    is_lent = (maps["other_record"][:, None] == weights * x[:, None]).all(axis=(2, 3))
    assert (is_lent.sum(axis=0) == 1).all()
    assert not is_lent.diagonal().any()
    np.testing.assert_array_equal(maps["squared_signal"], x**2)
    np.testing.assert_allclose(maps["bias_only"].sum((1, 2)), np.arange(4), rtol=1e-5)
    np.testing.assert_array_equal(maps["random"], control_maps(x, seed=0)["random"])


def test_rank_agreement_is_spearmans():
    one, other = np.random.default_rng(0).normal(size=(2, 4, 12, 30))
    expected = [spearmanr(a.ravel(), b.ravel())[0] for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(explanations.rank_agreement(one, other), expected)
    assert np.isnan(explanations.rank_agreement(one, np.zeros_like(one))).all()
    shifted = np.roll(one, 1, axis=-1)
    pooled = explanations.rank_agreement(one, shifted, pool_samples=10)
    assert (pooled > explanations.rank_agreement(one, shifted)).all()


def test_gini_and_gradient_agreement_by_hand():
    values = np.array([[1.0, 1, 1, 1], [0, 0, 0, -5]])
    np.testing.assert_allclose(gini(values), [0, 0.75])
    assert np.isnan(gini(np.zeros((1, 4)))).all()
    w = signals(3)
    np.testing.assert_allclose(gradient_agreement(2 * w, -w), [[-1, 2]] * 3, rtol=1e-6)

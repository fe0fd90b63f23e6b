"""Attributions against closed forms, axioms and captum."""

import numpy as np
import pytest
import torch
from captum import attr
from torch import nn

from ecgcore import explanations, models
from ecgcore.explanations.attribute import PositiveLogit

RATE_HZ, N_LEADS, N_SAMPLES = 50, 12, 100
NAMES = ("cnn1d", "cnn_lstm", "imn", "imn_categorical", "imn_direct", "blackbox_cnn2d")


class Linear(models.EcgModel):
    """A linear model with known W: logit = sum(W * x) + b."""

    def __init__(self, *, n_outputs: int = 1, seed: int = 0) -> None:
        size = {"n_leads": N_LEADS, "n_samples": N_SAMPLES, "rate_hz": RATE_HZ}
        super().__init__(n_outputs=n_outputs, **size)
        self.spec = models.ModelSpec("linear", RATE_HZ, N_SAMPLES)
        generator = torch.Generator().manual_seed(seed)
        self.w = nn.Parameter(
            torch.randn(n_outputs, N_LEADS, N_SAMPLES, generator=generator), requires_grad=False
        )
        self.b = nn.Parameter(torch.arange(n_outputs) + 0.5, requires_grad=False)

    widest_units = 512

    def compute(self, x):
        return torch.einsum("rls,kls->rk", x, self.w) + self.b

    @property
    def positive(self):
        """The weights of the positive logit."""
        return (self.w[-1] - (self.w[0] if len(self.w) == 2 else 0)).numpy()


def signals(n: int = 3, seed: int = 0) -> np.ndarray:
    shape = (n, N_LEADS, N_SAMPLES)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def network(name: str) -> nn.Module:
    """Return a network with weights and batch-norm statistics unlike the initial ones."""
    model = models.build(name, rate_hz=RATE_HZ, n_samples=N_SAMPLES, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if key.endswith("running_mean"):
                value += 0.1 * torch.randn(value.shape, generator=generator)
            elif key.endswith("running_var"):
                value *= 0.5 + torch.rand(value.shape, generator=generator)
    return model.eval()


@pytest.fixture
def in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute two records at a time, so that results are joined from several batches."""
    monkeypatch.setitem(explanations.attribute.__globals__, "rows_at_once", lambda *_: 2)


@pytest.mark.usefixtures("in_batches")
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize(
    "method", ["input_x_gradient", "integrated_gradients", "gradient_shap", "occlusion"]
)
def test_a_linear_model_is_explained_by_w_times_x(method, n_outputs):
    model, x = Linear(n_outputs=n_outputs), signals()
    values = explanations.attribute(model, x, method, window_s=1 / RATE_HZ, fill="zero")
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, model.positive * x, rtol=1e-3, atol=2e-4)


def test_kernel_shap_and_lime_find_a_linear_model():
    model, x = Linear(), signals(1)
    sums = (model.positive * x)[0].reshape(N_LEADS, 2, -1).sum(-1)
    shap = explanations.attribute(model, x, "kernel_shap", window_s=1.0, n_steps=400)[0]
    np.testing.assert_allclose(shap[:, ::50], sums, atol=0.05 * np.abs(sums).max())
    lime = explanations.attribute(model, x, "lime", window_s=1.0, n_steps=400)[0]
    assert np.corrcoef(lime[:, ::50].ravel(), sums.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("name", ["imn", "imn_categorical", "imn_direct"])
def test_imn_parts_add_up_to_the_positive_logit(name):
    model, x = network(name), signals()
    parts = explanations.decompose(model, x)
    np.testing.assert_allclose(parts.explained + parts.bias, parts.logit, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(parts.logit, explanations.positive_logits(model, x), rtol=1e-5)
    np.testing.assert_array_equal(explanations.attribute(model, x, "imn"), parts.weights * x)


@pytest.mark.usefixtures("in_batches")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["integrated_gradients", "grad_cam", "occlusion"])
def test_equal_to_captum(name, method):
    model, x = network(name), signals(3)
    forward, batch = PositiveLogit(model), torch.from_numpy(x)
    if method == "occlusion":
        expected = attr.Occlusion(forward).attribute(
            batch, (1, 25), strides=(1, 25), perturbations_per_eval=8
        )
        options = {"window_s": 0.5, "fill": "zero"}
    elif method == "integrated_gradients":
        expected = attr.IntegratedGradients(forward).attribute(batch, n_steps=8)
        options = {"n_steps": 8}
    else:
        coarse = attr.LayerGradCam(forward, model.last_conv).attribute(batch.requires_grad_())
        expected = attr.LayerAttribution.interpolate(
            coarse, (N_LEADS, N_SAMPLES), interpolate_mode="bilinear"
        )[:, 0]
        options = {}
    values = explanations.attribute(model, x, method, **options)
    reference = expected.detach().numpy()
    assert np.abs(reference).max() > 0
    atol = 1e-3 * np.abs(reference).max() + 1e-7  # the resolution of a float32 logit
    np.testing.assert_allclose(values, reference, rtol=1e-3, atol=atol)


@pytest.mark.parametrize("method", ["gradient_shap", "kernel_shap"])
def test_results_depend_on_the_seed_alone_and_change_no_state(method):
    model, x = network("imn").train(), signals(2)
    model.encoder.eval()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    options = {"n_steps": 6, "window_s": 1.0}
    one = explanations.attribute(model, x, method, seed=1, **options)
    np.testing.assert_array_equal(before[0], np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(before[1], torch.get_rng_state())
    torch.rand(5)
    np.testing.assert_array_equal(one, explanations.attribute(model, x, method, seed=1, **options))
    assert (one != explanations.attribute(model, x, method, seed=2, **options)).any()
    explanations.attribute(model, x, "grad_cam")
    assert (model.training, model.encoder.training) == (True, False)
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())

"""Attributions against closed forms, axioms and captum."""

import numpy as np
import pytest
import torch
from captum import attr
from torch import nn

from ecgcore import explain, models
from ecgcore.errors import EcgcoreError

RATE_HZ, N_LEADS, N_SAMPLES = 50, 12, 100
NAMES = ("cnn1d", "cnn_lstm", "imn", "imn_categorical", "imn_direct", "blackbox_cnn2d")


class Linear(nn.Module):
    """logit = sum(W * x) + b, with known W."""

    def __init__(self, *, n_outputs: int = 1, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.w = nn.Parameter(
            torch.randn(n_outputs, N_LEADS, N_SAMPLES, generator=generator), requires_grad=False
        )
        self.b = nn.Parameter(torch.arange(n_outputs) + 0.5, requires_grad=False)

    def forward(self, x):
        return torch.einsum("rls,kls->rk", x, self.w) + self.b

    @property
    def positive(self):
        """The weights of the positive logit."""
        return (self.w[-1] - (self.w[0] if len(self.w) == 2 else 0)).numpy()


def signals(n: int = 3, seed: int = 0) -> np.ndarray:
    shape = (n, N_LEADS, N_SAMPLES)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def trained(name: str) -> nn.Module:
    """A network with weights and batch-norm statistics unlike the initial ones."""
    model = models.build(name, rate_hz=RATE_HZ, n_samples=N_SAMPLES, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if key.endswith("running_mean"):
                value += 0.1 * torch.randn(value.shape, generator=generator)
            elif key.endswith("running_var"):
                value *= 0.5 + torch.rand(value.shape, generator=generator)
    return model.eval()


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize(
    "method", ["input_x_gradient", "integrated_gradients", "gradient_shap", "occlusion"]
)
def test_a_linear_model_is_explained_by_w_times_x(method, n_outputs):
    model, x = Linear(n_outputs=n_outputs), signals()
    found = explain.attribute(model, x, method, rate_hz=RATE_HZ, window_s=1 / RATE_HZ, fill="zero")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, model.positive * x, rtol=1e-3, atol=2e-4)


def test_saliency_of_a_linear_model_is_its_signed_weights():
    model = Linear()
    found = explain.attribute(model, signals(), "saliency")
    np.testing.assert_allclose(found, np.broadcast_to(model.positive, found.shape), rtol=1e-6)


def test_kernel_shap_and_lime_find_a_linear_model():
    model, x = Linear(), signals(1)
    sums = (model.positive * x)[0].reshape(N_LEADS, 2, -1).sum(-1)
    shap = explain.attribute(model, x, "kernel_shap", rate_hz=RATE_HZ, window_s=1.0, n_steps=400)[0]
    np.testing.assert_allclose(shap[:, ::50], sums, atol=0.05 * np.abs(sums).max())
    lime = explain.attribute(model, x, "lime", rate_hz=RATE_HZ, window_s=1.0, n_steps=400)[0]
    assert np.corrcoef(lime[:, ::50].ravel(), sums.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("name", ["imn", "imn_categorical", "imn_direct"])
def test_imn_parts_add_up_to_the_positive_logit(name):
    model, x = trained(name), signals()
    parts = explain.decompose(model, x)
    np.testing.assert_allclose(parts.explained + parts.bias, parts.logit, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(parts.logit, explain.positive_logits(model, x), rtol=1e-5)
    np.testing.assert_array_equal(explain.attribute(model, x, "imn"), parts.weights * x)


def test_models_without_weights_have_no_intrinsic_explanation():
    with pytest.raises(EcgcoreError, match="IMN family"):
        explain.attribute(trained("cnn1d"), signals(1), "imn")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "method", ["saliency", "input_x_gradient", "integrated_gradients", "grad_cam", "occlusion"]
)
def test_equal_to_captum(name, method):
    model, x = trained(name), signals(2)
    forward, batch = explain.PositiveLogit(model), torch.from_numpy(x)
    if method == "occlusion":
        expected = attr.Occlusion(forward).attribute(
            batch, (1, 25), strides=(1, 25), perturbations_per_eval=8
        )
        options = {"window_s": 0.5, "fill": "zero"}
    elif method == "integrated_gradients":
        expected = attr.IntegratedGradients(forward).attribute(batch, n_steps=8)
        options = {"n_steps": 8}
    elif method == "grad_cam":
        coarse = attr.LayerGradCam(forward, model.last_conv).attribute(batch.requires_grad_())
        expected = attr.LayerAttribution.interpolate(
            coarse, (N_LEADS, N_SAMPLES), interpolate_mode="bilinear"
        )[:, 0]
        options = {}
    else:
        one = attr.Saliency(forward) if method == "saliency" else attr.InputXGradient(forward)
        extra = {"abs": False} if method == "saliency" else {}
        expected = one.attribute(batch.requires_grad_(), **extra)
        options = {}
    found = explain.attribute(model, x, method, **options)
    wanted = expected.detach().numpy()
    assert np.abs(wanted).max() > 0
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())


def test_overlapping_windows_are_averaged_as_in_captum():
    x = signals(1)
    expected = attr.Occlusion(explain.PositiveLogit(Linear())).attribute(
        torch.from_numpy(x), (1, 50), strides=(1, 25)
    )
    found = explain.attribute(
        Linear(), x, "occlusion", rate_hz=RATE_HZ, window_s=1.0, stride_s=0.5, fill="zero"
    )
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-3)


def test_integrated_gradients_is_complete():
    model, x = trained("blackbox_cnn2d"), signals(2)
    baseline = signals(1, seed=9)[0]
    found = explain.attribute(model, x, "integrated_gradients", n_steps=200, baseline=baseline).sum(
        (1, 2)
    )
    fall = explain.positive_logits(model, x) - explain.positive_logits(model, baseline[None])
    np.testing.assert_allclose(found, fall, rtol=0.02, atol=1e-3)


@pytest.mark.parametrize("name", ["cnn1d", "imn"])
@pytest.mark.parametrize(
    "method", ["saliency", "integrated_gradients", "gradient_shap", "grad_cam", "occlusion"]
)
def test_batches_do_not_show(name, method):
    model, x = trained(name), signals(3)
    options = {"n_steps": 4, "window_s": 1.0}
    whole = explain.attribute(model, x, method, batch_size=64, **options)
    parts = explain.attribute(model, x, method, batch_size=2, **options)
    assert whole.shape == x.shape
    np.testing.assert_allclose(whole, parts, rtol=1e-3, atol=1e-4 * np.abs(whole).max())


@pytest.mark.parametrize("method", ["gradient_shap", "kernel_shap"])
def test_the_seed_alone_decides_and_global_generators_are_left_alone(method):
    model, x = trained("cnn1d"), signals(2)
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    options = {"n_steps": 6, "window_s": 1.0}
    one = explain.attribute(model, x, method, seed=1, **options)
    np.testing.assert_array_equal(before[0], np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(before[1], torch.get_rng_state())
    torch.rand(5)
    np.testing.assert_array_equal(one, explain.attribute(model, x, method, seed=1, **options))
    assert (one != explain.attribute(model, x, method, seed=2, **options)).any()


def test_the_model_is_left_as_it_was():
    model, x = trained("imn").train(), signals(2)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    model.encoder.eval()
    for method in ("imn", "integrated_gradients", "grad_cam", "occlusion"):
        explain.attribute(model, x, method, n_steps=2, window_s=1.0)
    assert model.training
    assert not model.encoder.training
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_grad_cam_of_a_1d_network_is_one_map_for_all_leads():
    found = explain.attribute(trained("cnn1d"), signals(1), "grad_cam")
    np.testing.assert_allclose(found, np.broadcast_to(found[:, :1], found.shape), rtol=1e-4)


def test_a_planted_event_is_found():
    """A model that looks at one stretch of one lead only: every method points there."""

    class Planted(nn.Module):
        def forward(self, x):
            return torch.tanh(x[:, 4, 40:50].mean(1, keepdim=True))

    x = np.abs(signals(2)) + 0.1
    for method in ("saliency", "integrated_gradients", "gradient_shap", "occlusion"):
        found = explain.attribute(
            Planted(), x, method, rate_hz=RATE_HZ, window_s=0.2, n_steps=10, fill="zero"
        )
        inside = np.zeros(x.shape, bool)
        inside[:, 4, 40:50] = True
        assert (found[inside] > 0).all(), method
        np.testing.assert_allclose(found[~inside], 0, atol=1e-6, err_msg=method)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "ig"}, "integrated_gradients"),
        ({"method": "occlusion"}, "rate_hz"),
        ({"method": "grad_cam"}, "last_conv"),
        ({"method": "integrated_gradients", "baseline": np.zeros((3, 4))}, "baseline"),
        ({"method": "saliency", "x": np.zeros((12, 100))}, "record, lead, sample"),
    ],
)
def test_wrong_requests_are_named(options, words):
    with pytest.raises(EcgcoreError, match=words):
        explain.attribute(**{"model": Linear(), "x": signals(1), **options})


def test_no_records_give_no_attribution():
    assert explain.attribute(Linear(), signals(0), "saliency").shape == (0, N_LEADS, N_SAMPLES)

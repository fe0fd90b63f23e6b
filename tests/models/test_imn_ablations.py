"""The IMN's ablations do what they say, and nothing else."""

import pytest
import torch

from ecgcore.models import build, count_parameters

N_SAMPLES = 200


def imn(n_samples: int = N_SAMPLES, **options):
    return build("imn", rate_hz=100, n_samples=n_samples, **options).eval()


def signals(n_records: int = 2) -> torch.Tensor:
    return torch.randn(n_records, 12, N_SAMPLES, generator=torch.Generator().manual_seed(1))


def test_where_the_bias_comes_from():
    x = signals(3)
    generated, constant, none = (imn(bias=bias)(x) for bias in ("generated", "constant", "none"))
    assert generated.bias.unique().numel() == 3
    assert constant.bias.unique().numel() == 1
    assert (none.bias == 0).all()
    torch.testing.assert_close(none.logits[:, 0], (none.weights[:, 0] * x).sum((1, 2)))
    assert count_parameters(imn(bias="none")) == 139_490 - 65
    assert count_parameters(imn(bias="constant")) == 139_490 - 64


@pytest.mark.parametrize(("scale", "factor"), [("sqrt", (12 * 200) ** 0.5), ("mean", 12 * 200)])
def test_logit_scale_divides_the_weights(scale, factor):
    x = signals()
    torch.testing.assert_close(imn(logit_scale=scale)(x).weights * factor, imn()(x).weights)


def test_a_zero_head_starts_without_an_opinion_and_can_learn():
    model = imn(zero_head=True, bias="none")
    assert (model(signals()).logits == 0).all()
    model.train()(signals()).logits.sum().backward()
    assert model.transition.layers[-1].weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("mixing", "expected"), [("image", range(12)), ("none", [4]), ("full", range(12))]
)
def test_which_leads_the_weights_of_a_lead_depend_on(mixing, expected):
    """Row 4 under 3-row kernels: three of the encoder's and three of the decoder's layers."""
    model = imn(lead_mixing=mixing, dropout=0.0).double()
    x = signals(1).double().requires_grad_()
    (gradient,) = torch.autograd.grad(model(x).weights[0, 0, 4, 100], x)
    leads = set(gradient[0].abs().sum(-1).nonzero().flatten().tolist())
    neighbours = set(range(1, 8)) if mixing == "image" else set(expected)
    assert neighbours <= leads <= set(expected)

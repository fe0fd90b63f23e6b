"""The IMN's ablations do what they say, and nothing else."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ecgcore.errors import EcgcoreError
from ecgcore.models import IMNOutput, build, count_parameters, receptive_field_samples
from ecgcore.models.encoder import kernel_for
from ecgcore.models.layers import arrange_weights
from ecgcore.models.wide import WideConv
from ecgcore.training import fidelity

N_SAMPLES = 200


def imn(n_samples: int = N_SAMPLES, name: str = "imn", rate_hz: float = 100, **options):
    return build(name, rate_hz=rate_hz, n_samples=n_samples, **options).eval()


def signals(n_records: int = 2, n_samples: int = N_SAMPLES, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_records, 12, n_samples, generator=generator)


def test_where_the_bias_comes_from():
    x = signals(3)
    generated, constant, none = (imn(bias=bias)(x) for bias in ("generated", "constant", "none"))
    assert generated.bias.unique().numel() == 3
    assert constant.bias.unique().numel() == 1
    assert (none.bias == 0).all()
    torch.testing.assert_close(none.logits[:, 0], (none.weights[:, 0] * x).sum((1, 2)))
    assert count_parameters(imn(bias="none")) == 139_490 - 65
    assert count_parameters(imn(bias="constant")) == 139_490 - 64
    model = imn(bias="constant")
    with torch.no_grad():
        model.constant.fill_(0.7)
    assert (model(x).bias == 0.7).all()


@pytest.mark.parametrize(("scale", "factor"), [("sqrt", (12 * 200) ** 0.5), ("mean", 12 * 200)])
def test_logit_scale_divides_the_weights(scale, factor):
    x = signals()
    torch.testing.assert_close(imn(logit_scale=scale)(x).weights * factor, imn()(x).weights)


def test_a_zero_head_starts_without_an_opinion_and_can_learn():
    output = imn(zero_head=True, bias="none")(signals())
    assert (output.logits == 0).all()
    model = imn(zero_head=True, bias="none").train()
    model(signals()).logits.sum().backward()
    assert model.transition.layers[-1].weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("mixing", "seen"), [("image", [1, 2, 3, 4, 5, 6, 7]), ("none", [4]), ("full", range(12))]
)
def test_which_leads_a_leads_weights_depend_on(mixing, seen):
    """Row 4 under 3-row kernels: three of the encoder's and three of the decoder's layers."""
    model = imn(lead_mixing=mixing, dropout=0.0).double()
    x = signals(1).double().requires_grad_()
    middle = model(x).weights[0, 0, 4, 100]
    (gradient,) = torch.autograd.grad(middle, x)
    depends = gradient[0].abs().sum(-1).nonzero().flatten().tolist()
    expected = range(12) if mixing == "image" else seen
    assert set(depends) <= set(expected)
    assert set(seen) <= set(depends)


def test_leads_read_alone_are_still_told_apart():
    """Same trace in two leads: the same weights until training gives each its own reading."""
    model, x = imn(lead_mixing="none"), signals(1)
    x[:, 7] = x[:, 2]
    weights = model(x).weights[0, 0]
    torch.testing.assert_close(weights[7], weights[2])
    with torch.no_grad():
        model.encoder.identity.scale[:, 7] += 0.5
    weights = model(x).weights[0, 0]
    assert (weights[7] - weights[2]).abs().max() > 0


@given(span_ms=st.floats(60, 4000), rate_hz=st.sampled_from([62, 100, 250, 500]))
def test_receptive_field_in_milliseconds(span_ms, rate_hz):
    if span_ms * rate_hz / 1000 < 20:
        with pytest.raises(EcgcoreError, match="receptive_field_ms"):
            kernel_for(span_ms, rate_hz)
        return
    kernel = kernel_for(span_ms, rate_hz)
    assert kernel.taps % 2 == 1
    assert 1 <= kernel.taps <= 15
    got_ms = (kernel.receptive_field + 16) * 1000 / rate_hz
    assert abs(got_ms - span_ms) <= 4000 * kernel.dilation / rate_hz + 1e-6


def test_the_published_kernel_is_the_default_at_every_rate():
    assert kernel_for(None, 500) == kernel_for(760, 100) == (15, 1)
    assert kernel_for(760, 500).dilation > 1


@pytest.mark.parametrize(("span_ms", "rate_hz"), [(300, 100), (760, 100), (1500, 100), (760, 250)])
def test_receptive_field_by_gradient(span_ms, rate_hz):
    model = imn(800, rate_hz=rate_hz, receptive_field_ms=span_ms, dropout=0.0).double()
    x = signals(1, 800).double().requires_grad_()
    unit = model(x).weights[0, 0, 6]
    spans = []
    for position in range(400, 404):
        (gradient,) = torch.autograd.grad(unit[position], x, retain_graph=True)
        seen = gradient[0].abs().sum(0).nonzero()
        spans.append(int(seen.max() - seen.min()) + 1)
    assert abs(max(spans) - receptive_field_samples(model)) <= 4
    assert abs(max(spans) * 1000 / rate_hz - span_ms) < 0.12 * span_ms


@pytest.mark.parametrize(
    "options",
    [
        {"bias": "learned"},
        {"logit_scale": "half"},
        {"lead_mixing": "some"},
        {"receptive_field_ms": 50.0},
    ],
)
def test_misuse_is_told_in_words(options):
    with pytest.raises(EcgcoreError, match=next(iter(options))):
        imn(**options)


@pytest.mark.parametrize("groups", [1, 3])
def test_gradients_in_halves_are_those_of_pytorch(groups):
    ours = WideConv(4 * groups, 6 * groups, (3, 15), padding=(1, 7), bias=False, groups=groups)
    theirs = nn.Conv2d(4 * groups, 6 * groups, (3, 15), padding=(1, 7), bias=False, groups=groups)
    ours, theirs = ours.double(), theirs.double()  # where only a wrong sum is far off
    theirs.load_state_dict(ours.state_dict())
    arrange_weights(ours)
    x = signals(5, 40)[:, : 4 * groups, None].expand(-1, -1, 12, -1).double()
    found = []
    for conv in (ours, theirs):
        batch = x.clone().contiguous(memory_format=torch.channels_last).requires_grad_()
        y = conv(batch)
        y.pow(3).sum().backward()
        found.append((y, conv.weight.grad, batch.grad))
    assert "_InHalves" in str(ours(batch).grad_fn)
    for got, expected in zip(*found, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


def test_gradients_in_halves_can_be_differentiated_again():
    conv = WideConv(2, 2, (1, 15), padding=(0, 7), bias=False).double()
    arrange_weights(conv)
    x = torch.randn(1, 2, 2, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    assert torch.autograd.gradcheck(conv, (x,))
    assert torch.autograd.gradgradcheck(conv, (x,))


def test_a_true_linear_model_pays_no_fidelity_penalty():
    generator = torch.Generator().manual_seed(0)
    w, x = (
        torch.randn(12, 100, generator=generator),
        torch.randn(3, 1, 12, 100, generator=generator),
    )
    keep = lambda shape, p, device: (torch.rand(shape, generator=generator) > p) / (1 - p)  # noqa: E731
    near = fidelity.neighbours(x, [keep], 100)
    ratio = near / x
    assert ratio.min() >= 0.5 - 1e-5
    assert ratio.max() <= 1 + 1e-5
    assert ratio.std() > 0.1
    bias = torch.full((3, 1, 1), 0.3)
    answers = (w * near).sum((2, 3)).unsqueeze(2) + bias
    weights = w.expand(3, 1, 1, 12, 100)
    output = IMNOutput((w * x).sum((2, 3)).unsqueeze(2) + bias, weights, bias)
    torch.testing.assert_close(fidelity.penalty(output, answers, near), torch.zeros(1))
    off = fidelity.penalty(output, answers + 2, near)
    torch.testing.assert_close(off, torch.full((1,), 4.0), rtol=1e-4, atol=1e-4)
    with pytest.raises(EcgcoreError, match="IMN"):
        fidelity.halves(torch.zeros(4, 2))

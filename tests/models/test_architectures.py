"""Architectures against the papers' sizes, and against networks written here in plain PyTorch."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_networks import plain_cnn1d
from refusal import refused
from torch import nn

from ecgcore import models
from ecgcore.models import REGISTRY, IMNOutput, build, count_parameters, logits_of
from ecgcore.models.base import WideConv

PUBLISHED = {
    "cnn1d": 154_146,
    "cnn_lstm": 1_503_642,
    "imn": 139_490,
    "imn_categorical": 139_700,
    "blackbox_cnn2d": 116_274,
    "xresnet1d101": 1_871_874,
}
IMN_FAMILY = {"imn", "imn_categorical", "imn_direct", "imn_plus"}


def small(name: str, n_samples: int = 200, **options):
    return build(name, rate_hz=100, n_samples=n_samples, **options)


def signals(n_records: int, n_samples: int, n_leads: int = 12, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_records, n_leads, n_samples, generator=generator)


@pytest.mark.parametrize(("name", "expected"), PUBLISHED.items())
def test_number_of_parameters_is_the_published_one(name, expected):
    assert count_parameters(small(name)) == expected


def test_imn_direct_grows_with_the_record_and_misuse_is_named():
    model = build("imn_direct", rate_hz=500, n_samples=5000)
    assert count_parameters(model) == 7_916_274
    refused(r"4996 samples.*built for 5000", model, signals(1, 4996))
    refused(r"\(2, 200, 12\).*12 leads", small("cnn1d"), torch.zeros(2, 200, 12))
    refused(r"drop_out.*dropout", small, "cnn1d", drop_out=0.1)
    refused(r"cnn2.*cnn1d", small, "cnn2")


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("n_samples", [160, 163])
def test_any_length_and_number_of_leads_and_a_batch_of_one(name, n_samples):
    n_leads = 12 if n_samples == 160 else 3
    model = small(name, n_samples, n_leads=n_leads).eval()
    output = model(signals(1, n_samples, n_leads))
    assert logits_of(output).shape == (1, model.n_outputs)
    assert model.writes_weights == isinstance(output, IMNOutput) == (name in IMN_FAMILY)
    if model.writes_weights:
        assert output.weights.shape == (1, model.n_outputs, n_leads, n_samples)
        assert output.bias.shape == (1, model.n_outputs)
    logits_of(output).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("name", sorted(IMN_FAMILY))
@settings(max_examples=8)
@given(n_samples=st.integers(64, 300), seed=st.integers(0, 99))
def test_imn_logit_is_the_linear_model_that_it_wrote(name, n_samples, seed):
    model = small(name, n_samples, seed=seed).eval()
    x = signals(2, n_samples, seed=seed)
    with torch.no_grad():
        output = model(x)
    products = output.weights.double() * x.double().unsqueeze(1)
    exact = products.sum((2, 3)) + output.bias.double()
    scale = products.abs().sum((2, 3)).max().item()
    torch.testing.assert_close(output.logits.double(), exact, rtol=0, atol=1e-6 * scale + 1e-7)


@pytest.mark.parametrize("name", ["imn", "imn_direct"])
def test_imn_identity_holds_under_bfloat16(name):
    model, x = small(name).eval(), signals(2, 200)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(x)
    assert {part.dtype for part in output} == {torch.float32}
    exact = (output.weights * x.unsqueeze(1)).sum((2, 3)) + output.bias
    torch.testing.assert_close(output.logits, exact, rtol=1e-5, atol=1e-5)


def test_the_bias_is_generated_constant_or_absent():
    x = signals(3, 200)
    generated, constant, none = (
        small("imn", bias=bias).eval()(x) for bias in ("generated", "constant", "none")
    )
    assert generated.bias.unique().numel() == 3
    assert constant.bias.unique().numel() == 1
    assert (none.bias == 0).all()
    torch.testing.assert_close(none.logits[:, 0], (none.weights[:, 0] * x).sum((1, 2)))
    assert count_parameters(small("imn", bias="none")) == 139_490 - 65
    assert count_parameters(small("imn", bias="constant")) == 139_490 - 64


@pytest.mark.parametrize(
    ("mixing", "expected"), [("image", range(12)), ("none", [4]), ("full", range(12))]
)
def test_which_leads_the_weights_of_a_lead_depend_on(mixing, expected):
    """Row 4 passes six layers with 3-row kernels, three each in encoder and decoder."""
    model = small("imn", lead_mixing=mixing, dropout=0.0).eval().double()
    x = signals(1, 200).double().requires_grad_()
    (gradient,) = torch.autograd.grad(model(x).weights[0, 0, 4, 100], x)
    leads = set(gradient[0].abs().sum(-1).nonzero().flatten().tolist())
    neighbours = set(range(1, 8)) if mixing == "image" else set(expected)
    assert neighbours <= leads <= set(expected)


def conv_norm(n_in, n_out, kernel, stride=1):
    return [nn.Conv1d(n_in, n_out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm1d(n_out)]


def plain_blackbox() -> nn.Sequential:
    layers: list[nn.Module] = [nn.Unflatten(1, (1, 12))]
    for n_in, n_out in ((1, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(n_in, n_out, (3, 15), padding=(1, 7), bias=False)]
        layers += [nn.BatchNorm2d(n_out), nn.GELU()]
        layers += [nn.MaxPool2d((1, 2))] if n_in > 1 else []
    pool = nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(*layers, pool, nn.Flatten(), nn.Linear(64, 2))


class PlainCNNLSTM(nn.Module):
    """Paper B's CNN-LSTM in PyTorch's layers."""

    def __init__(self):
        super().__init__()
        channels = (12, 32, 32, 64, 64, 128, 128, 256, 256)
        self.parts = nn.ModuleList()
        for n_in, n_out in itertools.pairwise(channels):
            self.parts.append(nn.BatchNorm1d(n_in))
            self.parts.append(nn.Conv1d(n_in, n_out, 10, padding=5, bias=False))
        self.lstm = nn.LSTM(256, 128, batch_first=True)
        self.linear = nn.Linear(128, 2)

    def forward(self, x):
        for norm, conv in zip(self.parts[::2], self.parts[1::2], strict=True):
            mean_half, max_half = conv(norm(x)).relu().chunk(2, 1)
            pools = (nn.functional.avg_pool1d(mean_half, 2), nn.functional.max_pool1d(max_half, 2))
            x = torch.cat(pools, 1)
        return self.linear(self.lstm(x.transpose(1, 2))[0].mean(1))


class PlainBottleneck(nn.Module):
    def __init__(self, n_in: int, stride: int):
        super().__init__()
        first, middle = conv_norm(n_in, 64, 1), conv_norm(64, 64, 5, stride)
        last = conv_norm(64, 256, 1)
        self.path = nn.Sequential(*first, nn.ReLU(), *middle, nn.ReLU(), *last)
        pool = [nn.AvgPool1d(2, ceil_mode=True)] if stride == 2 else []
        self.shortcut = nn.Sequential(*pool, *(conv_norm(64, 256, 1) if n_in == 64 else []))

    def forward(self, x):
        return (self.path(x) + self.shortcut(x)).relu()


class PlainXResNet(nn.Module):
    """The benchmark's xresnet1d101 in PyTorch's layers."""

    def __init__(self):
        super().__init__()
        stem: list[nn.Module] = []
        for n_in, n_out, stride in ((12, 32, 2), (32, 32, 1), (32, 64, 1)):
            stem += [*conv_norm(n_in, n_out, 5, stride), nn.ReLU()]
        self.stem = nn.Sequential(*stem, nn.MaxPool1d(3, 2, 1))
        strides = [2 if k in (3, 7, 30) else 1 for k in range(33)]  # 3, 4, 23 and 3 blocks
        self.blocks = nn.Sequential(
            *[PlainBottleneck(256 if k else 64, stride) for k, stride in enumerate(strides)]
        )
        hidden = [nn.BatchNorm1d(512), nn.Linear(512, 128), nn.ReLU()]
        self.head = nn.Sequential(*hidden, nn.BatchNorm1d(128), nn.Linear(128, 2))

    def forward(self, x):
        x = self.blocks(self.stem(x))
        return self.head(torch.cat([x.amax(2), x.mean(2)], 1))


def load_by_position(target: nn.Module, values: list[torch.Tensor]) -> None:
    state = target.state_dict()
    target.load_state_dict(dict(zip(state, values, strict=True)))


@pytest.mark.parametrize("arranged", [True, False])
@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("cnn1d", plain_cnn1d),
        ("cnn_lstm", PlainCNNLSTM),
        ("blackbox_cnn2d", plain_blackbox),
        ("xresnet1d101", PlainXResNet),
    ],
)
def test_same_function_as_plain_pytorch_after_loading_by_position(name, plain, arranged):
    torch.manual_seed(3)
    reference = plain().double()  # 101 layers would add up the rounding of float32
    x = signals(4, 301).double()
    reference.train()(x)  # moves the running statistics away from 0 and 1
    model = small(name, 301, dropout=0.0).double()
    load_by_position(model, list(reference.state_dict().values()))
    if arranged:
        models.base.arrange_weights(model)
    for mode in (False, True, False):  # the last one compares the running statistics of training
        expected, output = reference.train(mode)(x), model.train(mode)(x)
        torch.testing.assert_close(output, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", REGISTRY)
def test_untrained_control_predicts_at_random(name):
    """This includes networks whose training starts at W = 0: an empty map would always lose."""
    model, x = small(name, seed=1, dropout=0.1), signals(2, 200)
    models.build_from(model.spec).load_state_dict(model.state_dict())
    controls = [models.untrained(model, seed=seed) for seed in (1, 2)]
    outputs = [logits_of(control(x)) for control in controls]
    assert not torch.equal(*outputs)
    assert all(len(output.unique()) == output.numel() for output in outputs)
    assert controls[0].spec == model.spec
    assert not controls[0].training
    layers = [m for m in controls[0].modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear)]
    assert min(layer.weight.std().item() for layer in layers) > 0


@pytest.mark.parametrize("kernel", [(3, 15), (1, 27)])
def test_a_wide_convolution_has_the_gradients_of_pytorchs(kernel: tuple[int, int]) -> None:
    wide = WideConv(4, 6, kernel, padding="same", bias=False).double()
    plain = nn.Conv2d(4, 6, kernel, padding="same", bias=False).double()
    plain.load_state_dict(wide.state_dict())
    x = torch.randn(2, 4, 5, 40, dtype=torch.float64)
    inputs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
    outputs = [wide(inputs[0]), plain(inputs[1])]
    for y in outputs:
        (y**3).sum().backward()
    torch.testing.assert_close(outputs[0], outputs[1])
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    torch.testing.assert_close(wide.weight.grad, plain.weight.grad)
    with torch.autocast("cpu", torch.bfloat16):
        assert wide.float()(x.float()).dtype == torch.bfloat16

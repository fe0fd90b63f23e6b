"""Architectures against the papers' sizes, and against networks written here in plain PyTorch."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ecgcore.errors import EcgcoreError
from ecgcore.models import (
    REGISTRY,
    IMNOutput,
    build,
    build_from,
    count_parameters,
    logits_of,
    positive_logit,
    receptive_field_samples,
)

PUBLISHED = {
    "cnn1d": 154_146,
    "cnn_lstm": 1_503_642,
    "imn": 139_490,
    "imn_categorical": 139_700,
    "blackbox_cnn2d": 116_274,
    "xresnet1d101": 1_871_874,
}
IMN_FAMILY = ("imn", "imn_categorical", "imn_direct", "imn_plus")


def small(name: str, n_samples: int = 200, **options):
    return build(name, rate_hz=100, n_samples=n_samples, **options)


def signals(n_records: int, n_samples: int, n_leads: int = 12, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_records, n_leads, n_samples, generator=generator)


@pytest.mark.parametrize(("name", "expected"), PUBLISHED.items())
def test_size_is_the_published_one(name, expected):
    assert count_parameters(small(name)) == expected


def test_imn_direct_grows_with_the_record():
    assert count_parameters(build("imn_direct", rate_hz=500, n_samples=5000)) == 7_916_274


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("n_samples", [160, 161, 162, 163])
def test_any_length_and_a_batch_of_one(name, n_samples):
    model = small(name, n_samples).eval()
    x = signals(1, n_samples)
    output = model(x)
    assert logits_of(output).shape == (1, model.n_outputs)
    assert positive_logit(logits_of(output)).shape == (1,)
    if name in IMN_FAMILY:
        assert output.weights.shape == (1, model.n_outputs, 12, n_samples)
        assert output.bias.shape == (1, model.n_outputs)
    logits_of(output).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("n_leads", [1, 3])
def test_other_numbers_of_leads(name, n_leads):
    model = small(name, n_leads=n_leads).eval()
    assert logits_of(model(signals(2, 200, n_leads))).shape == (2, model.n_outputs)


@pytest.mark.parametrize("name", IMN_FAMILY)
@settings(deadline=None, max_examples=12)
@given(n_samples=st.integers(64, 300), seed=st.integers(0, 99))
def test_imn_logit_is_the_linear_model_it_wrote(name, n_samples, seed):
    model = small(name, n_samples, seed=seed).eval()
    x = signals(2, n_samples, seed=seed)
    with torch.no_grad():
        output = model(x)
    assert isinstance(output, IMNOutput)
    exact = (output.weights.double() * x.double().unsqueeze(1)).sum((2, 3)) + output.bias.double()
    scale = (output.weights * x.unsqueeze(1)).abs().sum((2, 3)).max().item()
    torch.testing.assert_close(output.logits.double(), exact, rtol=0, atol=1e-6 * scale + 1e-7)


def test_imn_identity_holds_under_bfloat16():
    model = small("imn").eval()
    x = signals(2, 200)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(x)
    exact = (output.weights * x.unsqueeze(1)).sum((2, 3)) + output.bias
    torch.testing.assert_close(output.logits, exact, rtol=1e-5, atol=1e-5)


def plain_cnn1d() -> nn.Sequential:
    """Paper B's CNN1D as a plain stack, in the order of its published weights."""
    layers: list[nn.Module] = []
    for n_in, n_out, kernel in ((12, 32, 7), (32, 64, 5), (64, 128, 5), (128, 256, 3)):
        layers += [nn.Conv1d(n_in, n_out, kernel, padding=kernel // 2), nn.BatchNorm1d(n_out)]
        layers += [nn.ReLU(), nn.MaxPool1d(2) if n_out < 256 else nn.AdaptiveAvgPool1d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.4), nn.Linear(256, 2))


def plain_blackbox() -> nn.Sequential:
    layers: list[nn.Module] = [nn.Unflatten(1, (1, 12))]
    for n_in, n_out in ((1, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(n_in, n_out, (3, 15), padding=(1, 7), bias=False)]
        layers += [nn.BatchNorm2d(n_out), nn.GELU()]
        layers += [nn.MaxPool2d((1, 2))] if n_in > 1 else []
    pool = nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(*layers, pool, nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 2))


class PlainXResNet(nn.Module):
    """The benchmark's xresnet1d101 in layers of PyTorch, in the order of our parameters."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            *self.conv(12, 32, 5, 2), nn.ReLU(), *self.conv(32, 32, 5), nn.ReLU(),
            *self.conv(32, 64, 5), nn.ReLU(), nn.MaxPool1d(3, 2, 1),
        )  # fmt: skip
        self.paths, self.past = nn.ModuleList(), nn.ModuleList()
        for stage, n_blocks in enumerate((3, 4, 23, 3)):
            for place in range(n_blocks):
                first = stage == place == 0
                stride = 2 if stage and not place else 1
                self.paths.append(
                    nn.Sequential(
                        *self.conv(64 if first else 256, 64, 1),
                        nn.ReLU(),
                        *self.conv(64, 64, 5, stride),
                        nn.ReLU(),
                        *self.conv(64, 256, 1),
                    )
                )
                way = [nn.AvgPool1d(2, ceil_mode=True)] if stride == 2 else []
                self.past.append(nn.Sequential(*way, *(self.conv(64, 256, 1) if first else [])))
        self.head = nn.Sequential(
            nn.BatchNorm1d(512), nn.Linear(512, 128), nn.ReLU(), nn.BatchNorm1d(128),
            nn.Linear(128, 2),
        )  # fmt: skip

    def conv(self, n_in, n_out, kernel, stride=1):
        conv = nn.Conv1d(n_in, n_out, kernel, stride, kernel // 2, bias=False)
        return [conv, nn.BatchNorm1d(n_out)]

    def state_dict(self, *args, **kwargs):
        """Each block's way past it after its path."""
        state = super().state_dict(*args, **kwargs)
        blocks = [n for n in state if n.startswith(("paths", "past"))]
        blocks.sort(key=lambda n: (int(n.split(".")[1]), n.startswith("past")))
        order = [n for n in state if n.startswith("stem")] + blocks
        order += [n for n in state if n.startswith("head")]
        return {name: state[name] for name in order}

    def forward(self, x):
        x = self.stem(x)
        for path, past in zip(self.paths, self.past, strict=True):
            x = (path(x) + past(x)).relu()
        return self.head(torch.cat([x.amax(2), x.mean(2)], 1))


class PlainCNNLSTM(nn.Module):
    """Paper B's CNN-LSTM in layers of PyTorch."""

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
            x = conv(norm(x)).relu()
            mean_half, max_half = x.chunk(2, 1)
            pools = (nn.functional.avg_pool1d(mean_half, 2), nn.functional.max_pool1d(max_half, 2))
            x = torch.cat(pools, 1)
        return self.linear(self.lstm(x.transpose(1, 2))[0].mean(1))


def load_by_position(target: nn.Module, source: nn.Module) -> None:
    names, values = list(target.state_dict()), list(source.state_dict().values())
    assert len(names) == len(values)
    target.load_state_dict(dict(zip(names, values, strict=True)))


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("cnn1d", plain_cnn1d),
        ("cnn_lstm", PlainCNNLSTM),
        ("blackbox_cnn2d", plain_blackbox),
        ("xresnet1d101", PlainXResNet),
    ],
)
@pytest.mark.parametrize("plain_operations", [True, False])
def test_same_function_as_plain_pytorch_after_loading_by_position(name, plain, plain_operations):
    torch.manual_seed(3)
    reference = plain().double()  # 101 layers would add up the rounding of float32
    x = signals(4, 301).double()
    reference.train()
    for module in reference.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    reference(x)  # moves the running statistics away from 0 and 1
    model = small(name, 301, dropout=0.0).double()
    model.plain = plain_operations
    load_by_position(model, reference)
    for mode in (False, True):
        expected, got = reference.train(mode)(x), model.train(mode)(x)
        torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "n_samples"), [("cnn1d", 400), ("imn", 400), ("blackbox_cnn2d", 400)]
)
def test_receptive_field_by_gradient(name, n_samples):
    """Perturb nothing: ask autograd which samples one unit of the last layer depends on."""
    model = small(name, n_samples, dropout=0.0).eval().double()
    x = signals(1, n_samples).double().requires_grad_()
    kept = {}
    if name == "imn":
        unit = model(x).weights[0, 0, 6]
    else:
        model.last_conv.register_forward_hook(lambda *a: kept.update(h=a[2]))
        model(x)
        unit = kept["h"][0, :, 0 if name == "cnn1d" else 6].sum(0)
    spans = []
    for position in range(len(unit) // 2, len(unit) // 2 + 4):
        (gradient,) = torch.autograd.grad(unit[position], x, retain_graph=True)
        seen = gradient[0].abs().sum(0).nonzero()
        spans.append(int(seen.max() - seen.min()) + 1)
    assert math.isclose(max(spans), receptive_field_samples(model), abs_tol=2), spans


def test_lstm_steps_and_receptive_field_of_the_published_cnn_lstm():
    model = small("cnn_lstm", 620)
    steps = {}
    for n_samples in (620, 1000, 2500, 5000):
        rows = model.as_rows(torch.zeros(1, 1, 12, n_samples))
        steps[n_samples] = model.blocks(rows).shape[-1]
    assert steps == {620: 3, 1000: 4, 2500: 10, 5000: 20}
    field, jump = 1, 1
    for _ in range(8):
        field, jump = field + 9 * jump + jump, jump * 2
    assert field == 2551 == receptive_field_samples(model)


def test_seed_draws_the_weights_and_nothing_else():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a, b, other = small("cnn1d", seed=1), small("cnn1d", seed=1), small("cnn1d", seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    same = [torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(next(a.parameters()), next(other.parameters()))


@pytest.mark.parametrize("name", REGISTRY)
def test_built_again_from_its_description(name):
    model = small(name, dropout=0.1)
    again = build_from(model.spec)
    assert again.spec == model.spec
    again.load_state_dict(model.state_dict())


@pytest.mark.parametrize("name", REGISTRY)
def test_folds_in_one_model_are_independent(name):
    models = [small(name, seed=seed) for seed in range(3)]
    stacked = build_from(models[0].spec, folds=3)
    states = [m.state_dict() for m in models]
    joined = {
        key: torch.cat([s[key] for s in states]) if value.dim() else value
        for key, value in states[0].items()
    }
    stacked.load_state_dict(joined)
    x = signals(6, 200).view(2, 3, 12, 200)
    for mode in (False, True):
        for model in (stacked, *models):
            model.train(mode)
            for module in model.modules():
                if hasattr(module, "p"):
                    module.p = 0.0
        got = logits_of(stacked(x))
        expected = torch.stack([logits_of(m(x[:, k])) for k, m in enumerate(models)], 1)
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: small("cnn2"), ["cnn2", "cnn1d"]),
        (lambda: small("cnn1d", drop_out=0.1), ["drop_out", "dropout"]),
        (lambda: build("cnn1d", rate_hz=0, n_samples=10), ["rate_hz", "positive"]),
        (lambda: small("cnn1d")(torch.zeros(2, 200, 12)), ["(2, 200, 12)", "12 leads"]),
        (lambda: positive_logit(torch.zeros(2, 5)), ["5 outputs"]),
    ],
)
def test_misuse_is_told_in_words(call, words):
    with pytest.raises(EcgcoreError) as caught:
        call()
    assert all(word in str(caught.value) for word in words)

"""Receptive fields: computed from the model, seen by an impulse, and set in milliseconds."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ecgcore import models
from ecgcore.errors import EcgcoreError
from ecgcore.models.sizes import Stage, receptive_field_of, stretched
from ecgcore.training.weights import load_model, save_weights

NATIVE_MS = 540  # of the CNN1D at 100 Hz
STAGES = {name: models.REGISTRY[name][0].stages for name in ("cnn1d", "cnn_lstm")}


def seen_by_impulse(network: models.EcgModel, n_samples: int) -> int:
    """Widest span of input samples on which one unit of the last convolution depends."""
    network = network.eval().double()
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 12, n_samples, generator=generator, dtype=torch.float64, requires_grad=True)
    kept = {}
    network.last_conv.register_forward_hook(lambda *a: kept.update(h=a[2]))
    network(x)
    unit = kept["h"][0, :, 0].sum(0)
    spans = []
    for position in range(len(unit) // 2, len(unit) // 2 + 6):
        (gradient,) = torch.autograd.grad(unit[position], x, retain_graph=True)
        seen = gradient[0].abs().sum(0).nonzero()
        spans.append(int(seen.max() - seen.min()) + 1)
    return max(spans)


@pytest.mark.parametrize("widen", ["dilation", "kernel"])
@pytest.mark.parametrize(("rate_hz", "ms"), [(100, 110), (100, 540), (100, 1500), (250, 540)])
def test_what_is_computed_is_what_an_impulse_sees(rate_hz: int, ms: float, widen: str) -> None:
    options = models.sizes_in_ms("cnn1d", rate_hz=rate_hz, receptive_field_ms=ms, widen=widen)
    n_samples = 6 * max(60, round(ms * rate_hz / 1000))
    network = models.build("cnn1d", rate_hz=rate_hz, n_samples=n_samples, dropout=0.0, **options)
    field = models.receptive_field_samples(network)
    # a max pooling passes on one of its two inputs, so an impulse may miss the field's last sample
    assert field - 2 <= seen_by_impulse(network, n_samples) <= field
    assert abs(1000 * field / rate_hz - ms) <= 3.5 * 1000 / rate_hz


def test_the_published_fields() -> None:
    assert receptive_field_of(STAGES["cnn1d"]) == 54
    assert receptive_field_of(STAGES["cnn_lstm"]) == 2551
    fields = {r: round(54_000 / r) for r in (62, 100, 250, 500)}
    assert fields == {62: 871, 100: 540, 250: 216, 500: 108}  # the paper's code, in ms


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(2, 12), st.integers(1, 3)), min_size=1, max_size=5),
    st.floats(1, 3000),
    st.sampled_from(["dilation", "kernel"]),
)
def test_a_stretched_field_is_as_near_as_it_can_be(sizes, wanted, widen) -> None:
    stages = [Stage(kernel, pool=pool) for kernel, pool in sizes]
    pooled = receptive_field_of([Stage(1, pool=pool) for _, pool in sizes])
    assume(wanted >= pooled)
    made = stretched(stages, wanted, widen=widen)
    assert [s.pool for s in made] == [s.pool for s in stages]
    native = receptive_field_of(stages)
    miss = abs(receptive_field_of(made) - wanted)
    if widen == "kernel" or wanted < native:
        assert miss <= 0.5 + 1e-6
        assert all(s.dilation == 1 for s in made)
    else:
        assert [s.kernel for s in made] == [s.kernel for s in stages]
        units = [r - receptive_field_of([Stage(1, pool=p) for _, p in sizes])
                 for i in range(len(stages))
                 for r in [receptive_field_of([s if i == j else Stage(1, pool=s.pool)
                                               for j, s in enumerate(stages)])]]  # fmt: skip
        assert miss <= max(units) / 2 + 1e-6


@pytest.mark.parametrize("name", STAGES)
def test_its_own_field_leaves_a_network_as_it_is(name: str) -> None:
    for rate_hz in (62, 100, 500):
        ms = 1000 * receptive_field_of(STAGES[name]) / rate_hz
        assert models.sizes_in_ms(name, rate_hz=rate_hz, receptive_field_ms=ms) == {}


@pytest.mark.parametrize(("ms", "rate_hz"), [(80, 100), (110, 100), (300, 100), (80, 500)])
def test_a_starved_network_has_as_many_parameters(ms: float, rate_hz: int) -> None:
    options = models.sizes_in_ms("cnn1d", rate_hz=rate_hz, receptive_field_ms=ms)
    network = models.build("cnn1d", rate_hz=rate_hz, n_samples=rate_hz, **options)
    assert models.count_parameters(network) == pytest.approx(154_146, rel=0.03)


def test_dilation_keeps_the_parameters_and_longer_kernels_do_not() -> None:
    counts = {}
    for widen in ("dilation", "kernel"):
        options = models.sizes_in_ms(
            "cnn1d", rate_hz=500, receptive_field_ms=NATIVE_MS, widen=widen
        )
        network = models.build("cnn1d", rate_hz=500, n_samples=1000, **options)
        counts[widen] = models.count_parameters(network)
        assert models.receptive_field_samples(network) == 270
    assert counts["dilation"] == 154_146 < counts["kernel"]


@pytest.mark.parametrize("name", STAGES)
def test_a_network_moves_to_another_rate_with_its_field_in_ms(name: str) -> None:
    slow = models.build(name, rate_hz=100, n_samples=1000, dropout=0.1)
    fast = models.at_rate(slow, 500)
    assert (fast.spec.rate_hz, fast.n_samples, fast.spec.options["dropout"]) == (500, 5000, 0.1)
    fields_ms = [1000 * models.receptive_field_samples(m) / m.spec.rate_hz for m in (slow, fast)]
    assert math.isclose(*fields_ms, rel_tol=0.005)
    fast.load_state_dict(slow.state_dict())  # equal shapes: the weights can go along
    back = models.at_rate(fast, 100)
    assert back.spec.options == slow.spec.options
    assert fast.eval()(torch.zeros(1, 12, 5000)).shape == (1, 2)


def test_sizes_survive_a_file(tmp_path) -> None:
    options = models.sizes_in_ms("cnn1d", rate_hz=500, receptive_field_ms=NATIVE_MS)
    network = models.build("cnn1d", rate_hz=500, n_samples=1000, **options)
    again = load_model(save_weights(network, tmp_path / "w.safetensors"))
    assert models.receptive_field_samples(again) == 270
    x = torch.ones(1, 12, 1000)
    torch.testing.assert_close(network.eval()(x), again.eval()(x))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: models.sizes_in_ms("imn", rate_hz=100, receptive_field_ms=500), ["imn", "cnn1d"]),
        (lambda: models.sizes_in_ms("cnn1d", rate_hz=62, receptive_field_ms=50), ["poolings", "8"]),
        (
            lambda: models.sizes_in_ms("cnn1d", rate_hz=62, receptive_field_ms=5, widen="x"),
            ["widen", "dilation or kernel"],
        ),
        (
            lambda: models.build("cnn1d", rate_hz=100, n_samples=99, kernels=[3, 3]),
            ["kernels", "4 whole numbers"],
        ),
        (
            lambda: models.build("cnn1d", rate_hz=100, n_samples=99, dilations=[0, 1, 1, 1]),
            ["dilations", "at least 1"],
        ),
        (lambda: models.build("cnn_lstm", rate_hz=100, n_samples=999, width=33), ["width", "even"]),
    ],
)
def test_misuse_is_told_in_words(call, words) -> None:
    with pytest.raises(EcgcoreError) as caught:
        call()
    assert all(word in str(caught.value) for word in words)


def test_the_table_of_the_advice_page(root: Path) -> None:
    lines = (root / "book" / "rates_advice.md").read_text(encoding="utf-8").splitlines()
    (top,) = [i for i, line in enumerate(lines) if line.startswith("| network")]
    head, rows = lines[top], []
    for line in lines[top + 2 : lines.index("", top)]:
        rows.append([cell.strip(" `") for cell in line.strip("|").split("|")])
    rates = [int(word.removesuffix(" Hz")) for word in head.strip("| ").split(" | ")[2:]]
    assert {row[0] for row in rows} == {"cnn1d", "cnn_lstm", "imn", "blackbox_cnn2d"}
    for name, samples, *fields_ms in rows:
        field = models.receptive_field_samples(models.build(name, rate_hz=100, n_samples=1000))
        assert int(samples) == field
        assert fields_ms == [f"{1000 * field / rate:.0f}" for rate in rates]

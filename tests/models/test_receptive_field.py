"""Receptive fields: computed from stages, observed in gradients, and set in milliseconds."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcore import models
from ecgcore.errors import EcgcoreError
from ecgcore.models.receptive_field import Stage, field_samples, stages_for


def observed_field(network: models.EcgModel, n_samples: int) -> int:
    """Return the widest span of samples that one unit, or one weight W of an IMN, depends on."""
    network = network.eval().double()
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 12, n_samples, generator=generator, dtype=torch.float64, requires_grad=True)
    seen = {}
    network.last_conv.register_forward_hook(lambda *args: seen.update(h=args[2]))
    output = network(x)
    unit = output.weights[0, 0, 6] if network.writes_weights else seen["h"][0].sum((0, 1))
    spans = []
    for position in range(len(unit) // 2, len(unit) // 2 + 4):
        (gradient,) = torch.autograd.grad(unit[position], x, retain_graph=True)
        touched = gradient[0].abs().sum(0).nonzero()
        spans.append(int(touched.max() - touched.min()) + 1)
    return max(spans)


def test_published_fields() -> None:
    fields = {name: models.build(name, rate_hz=100, n_samples=1000) for name in models.REGISTRY}
    samples = {name: network.receptive_field_samples for name, network in fields.items()}
    assert samples == {
        "cnn1d": 54, "cnn_lstm": 2551, "imn": 76, "imn_categorical": 76, "imn_plus": 76,
        "imn_direct": 60, "blackbox_cnn2d": 60, "xresnet1d101": 1945,
    }  # fmt: skip
    of_rates = {
        rate: models.build("cnn1d", rate_hz=rate, n_samples=10 * rate).receptive_field_ms
        for rate in (62, 100, 250, 500)
    }
    rounded = {rate: round(field_ms) for rate, field_ms in of_rates.items()}
    assert rounded == {62: 871, 100: 540, 250: 216, 500: 108}  # the paper's code, in ms


@pytest.mark.parametrize("widen", ["dilation", "kernel"])
@pytest.mark.parametrize(
    ("name", "rate_hz", "field_ms"),
    [
        ("cnn1d", 100, None),
        ("cnn1d", 250, 540),
        ("imn", 100, None),
        ("imn", 250, 500),
        ("imn_plus", 100, 900),
        ("blackbox_cnn2d", 100, 800),
    ],
)
def test_field_is_the_requested_one_and_that_of_gradients(name, rate_hz, field_ms, widen) -> None:
    own = {"zero_head": False} if name == "imn_plus" else {}
    network = models.build(
        name, rate_hz=rate_hz, n_samples=400, dropout=0.0, seed=2,
        receptive_field_ms=field_ms, widen=widen, **own,
    )  # fmt: skip
    field = network.receptive_field_samples
    # max pooling passes on one of its two inputs, so gradients may miss some of the outermost
    # samples; a weight W sees 72 to 76 samples, according to its place among the poolings
    assert field - 4 <= observed_field(network, 400) <= field
    if field_ms is not None:
        coarsest = 14 if name != "cnn1d" else 7  # half of the smallest sum of stages
        assert abs(field - field_ms * rate_hz / 1000) <= coarsest / 2 + 0.5


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(2, 12), st.integers(1, 3)), min_size=1, max_size=5),
    st.just(1.0) | st.floats(1, 40),
    st.sampled_from(["dilation", "kernel"]),
)
def test_widened_stages_are_as_close_as_they_can_be(sizes, factor, widen) -> None:
    stages = [Stage(kernel, pool=pool) for kernel, pool in sizes]
    native = field_samples(stages)
    requested = factor * native
    made = stages_for(stages, requested, 1000, widen)
    assert factor > 1 or list(made) == stages  # a network's own field leaves it unchanged
    error = abs(field_samples(made) - requested)
    assert [s.pool for s in made] == [s.pool for s in stages]
    if widen == "kernel":
        assert all(s.dilation == 1 for s in made)
        odd = [a for a, b in zip(made, stages, strict=True) if b.kernel % 2]
        assert all(stage.kernel % 2 for stage in odd)
        assert error <= 1.5 + 1e-6
    else:
        assert [s.kernel for s in made] == [s.kernel for s in stages]
        last_step = math.prod(s.pool for s in stages[:-1])
        widest = max(s.kernel - 1 for s in stages) * last_step
        assert error <= widest / 2 + 1e-6


@pytest.mark.parametrize(("rate_hz", "field_ms"), [(100, 108), (100, 216), (62, 540), (100, 530)])
def test_a_field_narrower_than_the_span_of_the_taps_is_refused(rate_hz, field_ms) -> None:
    """Fewer taps would confound the field with the size of the kernels."""
    with pytest.raises(EcgcoreError) as caught:
        models.build("cnn1d", rate_hz=rate_hz, n_samples=1000, receptive_field_ms=field_ms)
    words = (f"{field_ms} ms", "54 samples", f"{rate_hz} Hz", "keep the taps", "upsampled_from_hz")
    assert all(word in str(caught.value) for word in words)
    enough_hz = int(str(caught.value).split(" Hz or more")[0].split()[-1])
    models.build("cnn1d", rate_hz=enough_hz, n_samples=1000, receptive_field_ms=field_ms)

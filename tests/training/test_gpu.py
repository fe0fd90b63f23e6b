"""Tests that need a CUDA device: recorded steps, the same bytes twice, error messages."""

import dataclasses

import numpy as np
import pytest
import torch

from ecgcore.models import build, logits_of
from ecgcore.training import TrainConfig, fit, loop, predict_logits
from ecgcore.training.checkpoint import save_checkpoint
from ecgcore.training.device import numerics

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

CONFIG = TrainConfig(epochs=2, batch_size=8, device="cuda", clip_norm=1.0, learning_rate=1e-4)
RNG = np.random.default_rng(0)
Y = np.arange(90) % 2
X = RNG.standard_normal((90, 12, 301)).astype(np.float32)
X[Y == 1, :, 100:120] += 0.7
PARTS = (X[:44], Y[:44], X[44:], Y[44:])
NAMES = ("cnn1d", "cnn_lstm", "imn_categorical")


def network(name, **options):
    return build(name, rate_hz=100, n_samples=301, seed=1, **options)


def trained(name, options=(), **change):
    model = network(name, **dict(options))
    result = fit(model, *PARTS, dataclasses.replace(CONFIG, **change))
    return model.cpu().state_dict(), result.history


@pytest.mark.parametrize("name", NAMES)
def test_same_logits_as_on_the_cpu(name):
    model = network(name).eval()
    with numerics(tf32=False), torch.no_grad():
        here = logits_of(model(torch.from_numpy(X)))
        there = torch.from_numpy(predict_logits(model, X, device="cuda"))
    torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_recorded_steps_learn_as_eager_ones(name):
    """Dropout draws from the same generator; only its position in the stream may differ."""
    recorded, eager = trained(name)[1], trained(name, cuda_graph=False)[1]
    np.testing.assert_allclose(recorded["train_loss"], eager["train_loss"], rtol=0.1)


def test_recorded_steps_without_dropout_are_the_eager_ones():
    losses = [
        trained("cnn1d", {"dropout": 0.0}, cuda_graph=recorded)[1]["train_loss"]
        for recorded in (True, False)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_same_bytes_twice(name):
    first, second = trained(name)[0], trained(name)[0]
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_resumed_run_ends_with_the_same_bytes(tmp_path, monkeypatch):
    whole, again = network("cnn_lstm"), network("cnn_lstm")
    config = dataclasses.replace(CONFIG, epochs=3)

    def save_and_stop(directory, state, identity):
        save_checkpoint(directory, state, identity)
        if state["epoch"] == 2:
            raise KeyboardInterrupt

    fit(whole, *PARTS, config)
    monkeypatch.setattr(loop, "save_checkpoint", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        fit(network("cnn_lstm"), *PARTS, config, checkpoint_dir=tmp_path)
    monkeypatch.undo()
    fit(again, *PARTS, config, checkpoint_dir=tmp_path)
    for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)

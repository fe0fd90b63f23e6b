"""What only a CUDA device can show: recorded steps, several folds, the same bytes twice."""

import dataclasses

import numpy as np
import pytest
import torch

from ecgcore.models import build, logits_of
from ecgcore.train import TrainConfig, fit, fit_folds
from ecgcore.training.device import numerics

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

CONFIG = TrainConfig(epochs=2, batch_size=8, device="cuda", clip_norm=1.0, learning_rate=1e-4)
RNG = np.random.default_rng(0)
Y = np.arange(90) % 2
X = RNG.standard_normal((90, 12, 301)).astype(np.float32)
X[Y == 1, :, 100:120] += 0.7
SPLITS = [(np.arange(0, 44 + k), np.arange(50, 90)) for k in range(3)]
NAMES = ("cnn1d", "cnn_lstm", "imn_categorical")


def networks(name):
    return [build(name, rate_hz=100, n_samples=301, seed=k) for k in range(3)]


def trained(name, **change):
    model = networks(name)[0]
    history = fit(model, X[:44], Y[:44], X[44:], Y[44:], dataclasses.replace(CONFIG, **change))
    return model.cpu().state_dict(), history.history


@pytest.mark.parametrize("name", NAMES)
def test_same_logits_as_on_the_cpu(name):
    model = networks(name)[0].eval()
    with numerics(deterministic=True, tf32=False), torch.no_grad():
        here = logits_of(model(torch.from_numpy(X)))
        there = logits_of(model.cuda()(torch.from_numpy(X).cuda())).cpu()
    torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_recorded_steps_learn_as_eager_ones(name):
    """Dropout draws from the same generator; only its position in the stream may differ."""
    recorded = trained(name)[1]
    eager = trained(name, cuda_graph=False)[1]
    np.testing.assert_allclose(recorded["train_loss"], eager["train_loss"], rtol=0.1)


def test_recorded_steps_without_dropout_are_the_eager_ones():
    histories = []
    for cuda_graph in (True, False):
        model = build("cnn1d", rate_hz=100, n_samples=301, dropout=0.0)
        config = dataclasses.replace(CONFIG, cuda_graph=cuda_graph)
        histories.append(fit(model, X[:44], Y[:44], X[44:], Y[44:], config).history)
    np.testing.assert_allclose(
        histories[0]["train_loss"], histories[1]["train_loss"], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", NAMES)
def test_same_bytes_twice(name):
    first, second = trained(name)[0], trained(name)[0]
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_folds_together_as_in_turn(name):
    config = dataclasses.replace(CONFIG, tf32=False)
    together = fit_folds(networks(name), X, Y, SPLITS, config)
    for result, model, split in zip(together, networks(name), SPLITS, strict=True):
        (alone,) = fit_folds([model], X, Y, [split], config)
        np.testing.assert_allclose(
            result.history["train_loss"], alone.history["train_loss"], rtol=5e-3, atol=1e-3
        )


def test_resumed_run_ends_with_the_same_bytes(tmp_path):
    model, again = networks("cnn_lstm")[:2]
    config = dataclasses.replace(CONFIG, epochs=3)
    parts = (X[:44], Y[:44], X[44:], Y[44:])

    def stop(fold, row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    fit(model, *parts, config)
    with pytest.raises(KeyboardInterrupt):
        fit(networks("cnn_lstm")[0], *parts, config, checkpoint_dir=tmp_path, progress=stop)
    fit(again, *parts, config, checkpoint_dir=tmp_path)
    for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)

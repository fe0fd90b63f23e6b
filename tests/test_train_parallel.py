"""Two processes that share every batch do what one process does."""

import dataclasses

import numpy as np
import pytest
import torch
from fault_kit import CHILDREN
from test_train import SHORT, X, Y, fitted

from ecgcore.errors import EcgcoreError
from ecgcore.models import build, logits_of
from ecgcore.train import PAPER_A, TrainConfig, fit_folds
from ecgcore.training import parallel

TWO = {"processes": 2, "batch_size": 8, "epochs": 2}


@pytest.fixture(autouse=True)
def quick_start(monkeypatch):
    """Forked from a server that has imported PyTorch; the usual start takes seconds."""
    assert CHILDREN.get_start_method() == "forkserver"
    monkeypatch.setattr(parallel, "START_METHOD", "forkserver")


@pytest.mark.parametrize(
    ("name", "config", "n_train"),
    [
        # dropout, LSTM, batch norm; five batches of 8, and one of 3, which cannot be shared
        ("cnn_lstm", dataclasses.replace(SHORT, clip_norm=1.0), 43),
        # weights of classes, a penalty on weights; five batches of 8, and one of 2
        ("imn", dataclasses.replace(PAPER_A, device="cpu", weight_l1=1e-2), 42),
    ],
)
def test_one_training_by_two_processes_is_that_by_one(name, config, n_train, tmp_path):
    shared = dataclasses.replace(config, **TWO)
    one, expected = fitted(name, dataclasses.replace(shared, processes=1), n_train=n_train)
    two, result = fitted(name, shared, n_train=n_train, checkpoint_dir=tmp_path)
    columns = ["train_loss", "valid_loss", "learning_rate"]
    np.testing.assert_allclose(
        result.history[columns], expected.history[columns], rtol=2e-3, atol=1e-4
    )
    x = torch.from_numpy(X[n_train:])
    with torch.no_grad():
        a, b = (logits_of(model.eval()(x)) for model in (one, two))
    np.testing.assert_allclose(a, b, rtol=1e-2, atol=2e-3)
    again, finished = fitted(name, shared, n_train=n_train, checkpoint_dir=tmp_path)
    assert len(finished.history) == 2
    assert all(torch.equal(p, q) for p, q in zip(two.parameters(), again.parameters(), strict=True))


def test_folds_can_be_shared_too():
    def trained(processes):
        models = [build("cnn1d", rate_hz=100, n_samples=X.shape[-1], seed=k) for k in range(2)]
        splits = [(np.arange(40), np.arange(40, 60)), (np.arange(20, 60), np.arange(20))]
        config = TrainConfig(epochs=2, device="cpu", processes=processes)
        return [result.history["valid_loss"] for result in fit_folds(models, X, Y, splits, config)]

    np.testing.assert_allclose(trained(2), trained(1), rtol=2e-3)


def test_what_a_process_says_is_told():
    with pytest.raises(EcgcoreError, match="the training loss became nan"):
        fitted("cnn1d", dataclasses.replace(SHORT, **TWO, learning_rate=1e30))
    with pytest.raises(EcgcoreError, match="3 cannot share batches of 8 records"):
        dataclasses.replace(SHORT, processes=3)

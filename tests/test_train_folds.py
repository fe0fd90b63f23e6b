"""Folds trained together against the same folds one after another, loss by loss."""

import dataclasses

import numpy as np
import pytest
import torch

from ecgcore.errors import EcgcoreError
from ecgcore.models import build, logits_of
from ecgcore.train import TrainConfig, fit, fit_folds, predict_logits
from ecgcore.training.device import numerics
from ecgcore.training.fold import Data, make_fold
from ecgcore.training.folds import stack
from ecgcore.training.steps import Group, plan_epoch

CONFIG = TrainConfig(epochs=3, batch_size=8, device="cpu", clip_norm=1.0, scheduler="plateau")
CPU = torch.device("cpu")
LEARNED = ["train_loss", "valid_loss"]


def records(n: int, n_samples: int = 161):
    rng = np.random.default_rng(5)
    y = rng.permutation(np.arange(n) % 2)
    x = rng.standard_normal((n, 12, n_samples)).astype(np.float32)
    x[y == 1, :, 60:75] += 0.7
    return x, y


X, Y = records(84)
SPLITS = [
    (np.arange(0, 40), np.arange(40, 70)),  # five batches of 8
    (np.arange(10, 55), np.arange(55, 84)),  # five and one of 5
    (np.arange(20, 79), np.arange(0, 20)),  # seven and one of 3
]


def networks(name: str):
    return [build(name, rate_hz=100, n_samples=X.shape[-1], seed=k) for k in range(3)]


def groups(name: str, config: TrainConfig, *, together: bool) -> list[Group]:
    y = torch.from_numpy(Y)
    data = Data(torch.from_numpy(X), y, torch.from_numpy(X), y)
    folds = [
        make_fold(k, model, config, config.seed, (Y, Y), split, CPU)
        for k, (model, split) in enumerate(zip(networks(name), SPLITS, strict=True))
    ]
    return [Group(folds, data, CPU)] if together else [Group([f], data, CPU) for f in folds]


def trace(group: Group, epochs: int) -> list[list[float]]:
    """Losses of every step, fold by fold."""
    data = group.data
    alone = {fold.number: Group([fold], data, CPU) for fold in group.folds}
    losses: list[list[float]] = [[] for _ in group.folds]
    for epoch in range(1, epochs + 1):
        blocks = plan_epoch(group, alone, epoch)
        for fold in group.folds:
            fold.model.train()
            fold.masks.start(fold.seed, epoch)
        group.model.train()
        for member, order in blocks:
            for step in member.run(order):
                for fold, loss in zip(member.folds, step, strict=True):
                    losses[group.folds.index(fold)].append(loss.item())
    return losses


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("cnn1d", {}),
        ("cnn1d", {"loss": "weighted_cross_entropy", "balance": "downsample"}),
        ("cnn_lstm", {}),
        ("imn", {"loss": "bce_pos_weight", "weight_l1": 1e-3, "optimiser": "adamw"}),
        ("imn_direct", {"weight_l1": 1e-3}),
        ("blackbox_cnn2d", {"arithmetic": "plain"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_every_loss_as_in_turn(name, change):
    config = dataclasses.replace(CONFIG, learning_rate=1e-4, **change)
    (together,) = groups(name, config, together=True)
    epochs = 1 if "imn" in name or name == "blackbox_cnn2d" else 2
    in_turn = [trace(group, epochs)[0] for group in groups(name, config, together=False)]
    for got, expected in zip(trace(together, epochs), in_turn, strict=True):
        assert len(got) == len(expected)
        np.testing.assert_allclose(got, expected, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("name", ["cnn1d", "cnn_lstm"])
def test_histories_and_predictions_as_in_turn(name):
    config = dataclasses.replace(CONFIG, learning_rate=1e-4)
    models = networks(name)
    results = fit_folds(models, X, Y, SPLITS, config)
    for model, result, single, (tr, va) in zip(
        models, results, networks(name), SPLITS, strict=True
    ):
        expected = fit(single, X[tr], Y[tr], X[va], Y[va], config)
        np.testing.assert_allclose(
            result.history[LEARNED], expected.history[LEARNED], rtol=2e-3, atol=2e-4
        )
        assert result.best_epoch == expected.best_epoch
        np.testing.assert_allclose(
            predict_logits(model, X), predict_logits(single, X), rtol=5e-3, atol=2e-3
        )


def test_a_finished_fold_is_taken_out_and_the_others_go_on():
    config = dataclasses.replace(CONFIG, epochs=9, patience=1, learning_rate=3e-4, monitor="loss")
    results = fit_folds(networks("cnn1d"), X, Y, SPLITS, config)
    lengths = [len(result.history) for result in results]
    assert len(set(lengths)) > 1, lengths
    for k, (tr, va) in enumerate(SPLITS):
        expected = fit(networks("cnn1d")[k], X[tr], Y[tr], X[va], Y[va], config)
        assert len(expected.history) == lengths[k]
        np.testing.assert_allclose(
            results[k].history["train_loss"], expected.history["train_loss"], rtol=1e-2, atol=1e-3
        )


def test_each_fold_has_its_own_learning_rate_and_clipping():
    (group,) = groups("cnn1d", dataclasses.replace(CONFIG, clip_norm=0.1), together=True)
    before = [p.detach().clone() for p in group.folds[1].model.parameters()]
    group.folds[1].optimiser.param_groups[0]["lr"] = 0.0
    group.model.train()
    group.step(torch.tensor(np.stack([tr[:8] for tr, _ in SPLITS], 1)))
    for old, new in zip(before, group.folds[1].model.parameters(), strict=True):
        assert torch.equal(old, new)
    for fold in group.folds:
        squares = [p.grad.square().sum() for p in fold.model.parameters() if p.grad is not None]
        assert torch.stack(squares).sum().sqrt() <= 0.1 + 1e-6
    assert not torch.equal(
        group.folds[0].model.classifier.weight, networks("cnn1d")[0].classifier.weight
    )


def test_same_bytes_twice_and_own_memory_afterwards():
    runs = []
    for _ in range(2):
        models = networks("cnn_lstm")
        fit_folds(models, X, Y, SPLITS, dataclasses.replace(CONFIG, epochs=1))
        runs.append(models)
    for a, b in zip(*runs, strict=True):
        for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
            assert torch.equal(p, q)
    first = next(runs[0][0].parameters())
    assert first.untyped_storage().nbytes() == first.numel() * 4
    with torch.no_grad():
        first.zero_()
    assert next(runs[0][1].parameters()).abs().sum() > 0


def test_folds_resume_as_if_never_stopped(tmp_path):
    config = dataclasses.replace(CONFIG, epochs=3, patience=1, monitor="loss")

    def stop(fold, row):
        if row["epoch"] == 2 and fold == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_folds(networks("cnn1d"), X, Y, SPLITS, config, checkpoint_dir=tmp_path, progress=stop)
    whole, again = networks("cnn1d"), networks("cnn1d")
    fit_folds(whole, X, Y, SPLITS, config)
    fit_folds(again, X, Y, SPLITS, config, checkpoint_dir=tmp_path)
    for a, b in zip(whole, again, strict=True):
        for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
            assert torch.equal(p, q)


def test_stack_shares_memory():
    models = networks("cnn1d")
    x = torch.from_numpy(X[:4])
    stacked = stack(models).eval()
    with torch.no_grad():
        models[2].classifier.bias.fill_(7.0)
        logits = logits_of(stacked(torch.stack([x] * 3, 1)))
        expected = models[2].eval()(x)
    torch.testing.assert_close(logits[:, 2], expected, rtol=1e-4, atol=1e-4)
    assert expected.mean() > 5


def test_folds_of_different_models_are_refused():
    models = [*networks("cnn1d")[:2], build("cnn_lstm", rate_hz=100, n_samples=X.shape[-1])]
    with pytest.raises(EcgcoreError, match="all of one architecture"):
        fit_folds(models, X, Y, SPLITS, CONFIG)
    with pytest.raises(EcgcoreError, match="2 models for 3 splits"):
        fit_folds(models[:2], X, Y, SPLITS, CONFIG)


def test_deterministic_switches_hold_inside():
    with numerics(deterministic=True, tf32=False):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.benchmark

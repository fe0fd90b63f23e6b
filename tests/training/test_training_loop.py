"""The loop against a ten-line loop in plain PyTorch; its seeds, resuming and errors."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from plain_networks import plain_cnn1d
from refusal import refused
from safetensors.torch import load_file, save_file
from torch import nn

from ecgcore import training
from ecgcore.errors import EcgcoreError
from ecgcore.models import REGISTRY, build, logits_of
from ecgcore.training import TrainConfig, fit, loop
from ecgcore.training.checkpoint import CHECKPOINT, save_checkpoint
from ecgcore.training.randomness import Masks

N_SAMPLES = 160
SHORT = TrainConfig(epochs=3, batch_size=8, device="cpu")
TIMES = ["seconds", "records_per_s"]


def records(n: int, n_samples: int = N_SAMPLES, seed: int = 0):
    """Return noise with a bump in the positive half: learnable, not trivial."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = rng.standard_normal((n, 12, n_samples)).astype(np.float32)
    x[y == 1, :, 60:70] += 0.8
    return x, y


X, Y = records(60)


def fitted(name="cnn1d", config=SHORT, x=X, y=Y, n_train=44, **how):
    model = build(name, rate_hz=100, n_samples=x.shape[-1], seed=how.pop("weights", 1))
    result = fit(model, x[:n_train], y[:n_train], x[n_train:], y[n_train:], config, **how)
    return model, result


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(p, q) for p, q in pairs)


def assert_same_history(a, b):
    first, second = (result.history.drop(columns=TIMES) for result in (a, b))
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def plain_loop(model: nn.Module, config: TrainConfig, n_train: int) -> list[float]:
    """Return the losses of the papers' loop with our order of records and without dropout."""
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    trace = []
    for epoch in range(1, config.epochs + 1):
        order = training.epoch_order(config.seed, epoch, n_train)
        for start in range(0, n_train, config.batch_size):
            rows = order[start : start + config.batch_size]
            loss = nn.functional.cross_entropy(model(torch.tensor(X[rows])), torch.tensor(Y[rows]))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            trace.append(loss.item() * len(rows))
    return trace


def test_losses_equal_those_of_a_ten_line_loop():
    n_train = 44  # five batches of 8 and one of 4
    config = dataclasses.replace(SHORT, epochs=2, clip_norm=1.0)
    model = build("cnn1d", rate_hz=100, n_samples=N_SAMPLES, dropout=0.0, seed=4)
    reference = plain_cnn1d()
    state = zip(reference.state_dict(), model.state_dict().values(), strict=True)
    reference.load_state_dict(dict(state))
    expected = np.reshape(plain_loop(reference, config, n_train), (2, 6)).sum(1) / n_train
    history = fit(model, X[:n_train], Y[:n_train], X[44:], Y[44:], config).history
    difference = np.abs(history["train_loss"].to_numpy() - expected).max()
    assert difference <= 5e-4, difference


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cnn1d", {"balance": "downsample", "scheduler": "step", "scheduler_every": 1}),
        ("cnn_lstm", {"clip_norm": 0.5, "monitor": "auroc"}),
        ("imn", {"precision": "bf16", "weight_l1": 1e-3}),
        ("imn_categorical", {"batch_size": 1, "optimiser": "adamw", "weight_decay": 1e-2}),
        ("imn_direct", {"loss": "weighted_cross_entropy"}),
        ("imn_plus", {"local_fidelity": 1.0, "scheduler": "plateau"}),
        ("blackbox_cnn2d", {"precision": "bf16"}),
        ("xresnet1d101", {"monitor": "loss"}),
    ],
)
def test_every_model_and_every_option(name, options):
    x, y = records(9, 301)  # an odd length, a last batch of one
    y[-1] = 1 - y[-2]
    single = build(name, rate_hz=100, n_samples=301).n_outputs == 1
    loss = "bce_pos_weight" if single else "cross_entropy"
    config = dataclasses.replace(SHORT, epochs=1, batch_size=3, loss=loss)
    config = dataclasses.replace(config, **options)
    model, result = fitted(name, config, x, y, n_train=7)
    assert np.isfinite(result.history["train_loss"]).all()
    assert np.isfinite(training.predict_logits(model, x)).all()


@pytest.mark.parametrize("name", ["cnn_lstm", "imn_categorical"])
def test_only_the_same_seed_gives_the_same_bytes(name, tmp_path):
    """Training also leaves the state of the process unchanged."""

    def state():
        numpy_state = np.random.get_state()[1].tobytes()  # noqa: NPY002
        torch_state = torch.get_rng_state().numpy().tobytes()
        fills = torch.utils.deterministic.fill_uninitialized_memory
        return numpy_state, torch_state, torch.are_deterministic_algorithms_enabled(), fills

    config, before = dataclasses.replace(SHORT, epochs=2), state()
    part = {"x": X[:30], "y": Y[:30], "n_train": 20}
    runs = [fitted(name, config, **part), fitted(name, config, **part)]
    paths = [training.save_weights(runs[i][0], tmp_path / f"{i}.safetensors") for i in (0, 1)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert_same_history(*(run[1] for run in runs))
    other, _ = fitted(name, dataclasses.replace(config, seed=43), **part)
    assert not same_weights(runs[0][0], other)
    assert state() == before


def test_it_learns_and_keeps_the_best_epoch():
    x, y = records(120)
    config = dataclasses.replace(SHORT, epochs=4, monitor="loss", patience=None)
    model, result = fitted("cnn1d", config, x, y, n_train=90)
    history = result.history
    assert result.best_epoch == history["valid_loss"].idxmin() + 1
    assert history["valid_auroc"].max() > 0.9
    logits = torch.from_numpy(training.predict_logits(model, x[90:]))
    loss = nn.functional.cross_entropy(logits, torch.from_numpy(y[90:])).item()
    assert loss == pytest.approx(history["valid_loss"].min(), rel=1e-4)


def test_epoch_choice_sees_logits_whose_probabilities_are_all_one(monkeypatch):
    """Logits beyond 37 have probabilities of exactly 1, but their order still counts."""
    margin = torch.from_numpy(60.0 + 10 * Y[44:] + np.linspace(0, 1, 16)).float()
    perfect = torch.stack([torch.zeros(16), margin], dim=1)
    monkeypatch.setattr(loop, "predict_logits", lambda *args, **how: perfect.numpy())
    config = dataclasses.replace(SHORT, epochs=1, monitor="auroc")
    assert fitted(config=config)[1].history["valid_auroc"].iloc[0] == 1


def test_stops_after_patience():
    config = dataclasses.replace(SHORT, epochs=30, patience=2, learning_rate=1e-9)
    _, result = fitted(config=config)
    assert len(result.history) == result.best_epoch + 2 < 30


# Resuming


def test_continues_to_the_same_bytes_and_history(tmp_path, monkeypatch):
    config = dataclasses.replace(SHORT, epochs=4, scheduler="plateau", scheduler_patience=0)
    whole, expected = fitted("cnn_lstm", config)

    def save_and_stop(directory, state, identity):
        save_checkpoint(directory, state, identity)
        if state["epoch"] == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_checkpoint", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        fitted("cnn_lstm", config, checkpoint_dir=tmp_path)
    monkeypatch.undo()
    again, result = fitted("cnn_lstm", config, checkpoint_dir=tmp_path, weights=9)
    assert same_weights(whole, again)
    assert_same_history(result, expected)
    finished, _ = fitted("cnn_lstm", config, checkpoint_dir=tmp_path, weights=9)
    assert same_weights(whole, finished)


def test_checkpoint_of_another_training_is_refused(tmp_path):
    fitted(config=dataclasses.replace(SHORT, epochs=1), checkpoint_dir=tmp_path)
    other = dataclasses.replace(SHORT, epochs=1, learning_rate=1e-2)
    with pytest.raises(EcgcoreError, match=r"learning_rate was 0\.001, now it is 0\.01"):
        fitted(config=other, checkpoint_dir=tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(b"{")
    with pytest.raises(EcgcoreError, match="is damaged"):
        fitted(config=dataclasses.replace(SHORT, epochs=1), checkpoint_dir=tmp_path)


# Error messages


def test_unknown_settings_and_devices_are_refused():
    for change, words in (
        ({"loss": "cros_entropy"}, "cros_entropy.*cross_entropy"),
        ({"epochs": 0}, "epochs.*above 0"),
    ):
        refused(words, dataclasses.replace, SHORT, **change)
    refused("there is no 'gpu'", training.resolve_device, "gpu")
    absent = "cuda:99" if torch.cuda.is_available() else "cuda"
    with pytest.raises(EcgcoreError, match=r"sees no CUDA device|there is no 'cuda:99'"):
        fitted(config=dataclasses.replace(SHORT, device=absent))


def test_inputs_unfit_for_training_are_refused():
    for part, rows in (("train", slice(0, 40)), ("valid", slice(40, 60))):
        y = Y.copy()
        y[rows] = 0
        refused(f"the {part} part has no positive record", fitted, y=y, n_train=40)
    refused("use loss 'bce_pos_weight'", fitted, "imn")
    x = X.copy()
    x[3, 2, 5] = np.nan
    refused(r"1 of \d+ records hold NaN or infinity.*position 3", fitted, x=x)
    with pytest.raises(EcgcoreError, match="one label per record"):
        fit(build("cnn1d", rate_hz=100, n_samples=N_SAMPLES), X, Y[:-1], X, Y, SHORT)


def test_diverging_loss_names_epoch_step_and_rate():
    config = dataclasses.replace(SHORT, learning_rate=1e30)
    refused(r"in epoch 1, step [23] of 6, at learning rate 1e\+30", fitted, config=config)


def test_insufficient_memory_is_named_before_training_starts(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2**20))
    monkeypatch.setattr(loop, "_step", None)
    refused(r"batches of 8 records need 0\.0 GiB on cpu.*0\.0 GiB", fitted)


@pytest.mark.parametrize("name", REGISTRY)
def test_the_memory_of_a_step_is_never_overestimated(name):
    """Compared with the tensors that PyTorch actually stores."""
    model = build(name, rate_hz=100, n_samples=200).train()
    weights = {p.untyped_storage().data_ptr() for p in (*model.parameters(), *model.buffers())}
    stored = {}

    def store(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            stored[storage.data_ptr()] = storage.nbytes(), tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(store, lambda tensor: tensor):
        logits_of(model(torch.zeros(8, 12, 200)))
    really = sum(n_bytes for n_bytes, _ in stored.values())
    counted = 4 * training.device._STORED_LAYERS * model.widest_units * 200 * 8
    assert 0.25 * really < counted <= 1.0 * really


def test_out_of_memory_names_a_smaller_batch(monkeypatch):
    model = build("cnn1d", rate_hz=100, n_samples=N_SAMPLES)
    forward = model.forward

    def small_card(x):
        if len(x) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(x)

    monkeypatch.setattr(model, "forward", small_card)
    refused(r"batches of 8 records.*batch_size=4", fit, model, X, Y, X, Y, SHORT)


# Parts


def test_fast_masks_are_bernoulli():
    """Mean, scale, independence within memory and between epochs; bounds are five sigma."""
    masks, n, p = Masks(torch.device("cpu")), 400_000, 0.3

    def kept(epoch):
        masks.start_epoch(3, epoch)
        mask = masks(torch.Size([n]), p, torch.device("cpu"))
        assert mask.max().item() == pytest.approx(1 / (1 - p), rel=1e-4)
        assert mask.unique().numel() == 2
        return (mask > 0).double()

    first, second = kept(1), kept(2)
    assert torch.equal(first, kept(1))
    assert abs(first.mean().item() - (1 - p)) < 5 * np.sqrt(p * (1 - p) / n) + 1e-5
    centred = first - first.mean()
    pairs = [(centred[lag:], centred[:-lag]) for lag in (1, 2, 3, 4, 32, 256)]
    for a, b in [*pairs, (centred, second - second.mean())]:
        assert abs((a * b).mean().item() / (p * (1 - p))) < 5 / np.sqrt(n)


@pytest.mark.parametrize("rate_hz", [62, 500])
def test_published_weights_of_paper_b_give_the_logits_of_plain_pytorch(shared, rate_hz):
    folder = shared / "published-weights"
    path = folder / f"sampling-matters-cnn1d-{rate_hz}hz-fold1.safetensors"
    model, plain = training.load_published_cnn1d(path, rate_hz), plain_cnn1d().eval()
    theirs = load_file(path).items()
    plain.load_state_dict(
        {k.removeprefix("features.").replace("classifier.2", "17"): v for k, v in theirs}
    )
    x = torch.from_numpy(records(2, 10 * rate_hz)[0])
    torch.testing.assert_close(model(x), plain(x), rtol=0, atol=2e-5)


def test_weights_of_something_else_are_refused(tmp_path):
    model = build("imn", rate_hz=100, n_samples=101)
    for change, words in (
        ({"options": {"n_outputs": 2}}, "size mismatch"),
        ({"options": {"depth": 2}}, "cannot be built .*depth"),
        ({"name": "cnn1d"}, "does not fit cnn1d .*Missing key"),
    ):
        model.spec = dataclasses.replace(build("imn", rate_hz=100, n_samples=101).spec, **change)
        path = training.save_weights(model, tmp_path / "w")
        refused(words, training.load_model, path)
    save_file({"a": torch.zeros(1)}, path)
    refused("does not say which model", training.load_model, path)
    refused(r"Missing key", training.load_published_cnn1d, path, 100)
    (tmp_path / "w").write_bytes(b"nothing")
    refused("not a complete safetensors file", training.load_model, tmp_path / "w")


@pytest.mark.parametrize("name", REGISTRY)
def test_prediction_is_the_models_own_and_its_weights_load_again(name, tmp_path, monkeypatch):
    """Batch norm is folded; full and small batches are compared with the trained model."""
    model = build(name, rate_hz=250, n_samples=101, seed=7)
    x, _ = records(5, 101)
    model.train()
    for _ in range(5):  # statistics away from 0 and 1
        model(torch.from_numpy(x) * 2 + 1)
    with torch.no_grad():
        expected = logits_of(model.eval()(torch.from_numpy(x))).numpy()
    depth = 10 if name == "xresnet1d101" else 1  # rounding through a hundred layers
    scale = depth * max(np.abs(expected).max(), 1)
    for n_bytes in (2**23, 1):
        monkeypatch.setitem(training.prediction._LAYER_BYTES, "cpu", n_bytes)
        logits = training.predict_logits(model, x, device="cpu")
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5 * scale)
    rough = training.predict_logits(model, x, device="cpu", precision="bf16")
    np.testing.assert_allclose(rough, expected, rtol=0.1, atol=0.05 * scale)
    assert training.predict_logits(model, x[:0], device="cpu").shape == (0, model.n_outputs)
    path = training.save_weights(model, tmp_path / "run" / "weights.safetensors")
    again = training.load_model(path)
    assert again.spec == model.spec
    assert same_weights(model, again)
    assert [p.name for p in path.parent.iterdir()] == ["weights.safetensors"]


def test_automatic_precision_is_bf16_only_where_shown_and_where_the_cpu_computes_it(monkeypatch):
    config = dataclasses.replace(SHORT, epochs=1, device="cpu")
    part = {"x": X[:12], "y": Y[:12], "n_train": 8}
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    plain, result = fitted("cnn1d", dataclasses.replace(config, precision="auto"), **part)
    assert result.precision == "fp32"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    rounded, result = fitted("cnn1d", dataclasses.replace(config, precision="auto"), **part)
    assert result.precision == "bf16"
    assert not same_weights(plain, rounded)
    resolve = training.config.resolve_precision
    assert resolve("bf16", "cpu", "imn") == resolve("auto", "cpu", "cnn_lstm") == "bf16"
    assert resolve("auto", "cpu", "imn") == resolve("auto", "cuda", "cnn1d") == "fp32"
    assert resolve("fp32", "cpu", "cnn1d") == "fp32"

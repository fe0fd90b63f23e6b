"""The loop against a ten-line loop in plain PyTorch, and its promises: seeds, resuming, words."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ecgcore import train
from ecgcore.errors import EcgcoreError
from ecgcore.models import REGISTRY, build, logits_of
from ecgcore.train import PAPER_A, PAPER_A_CATEGORICAL, PAPER_B, TrainConfig, fit
from ecgcore.training import checkpoint
from ecgcore.training.schedule import EarlyStopping, Schedule
from ecgcore.training.streams import FastMasks

N_SAMPLES = 160
SHORT = TrainConfig(epochs=3, batch_size=8, device="cpu")
TIMES = ["seconds", "records_per_s"]


def records(n: int, n_samples: int = N_SAMPLES, seed: int = 0):
    """Noise with a bump in the positive half: learnable, not trivial."""
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


def plain_loop(model: nn.Module, config: TrainConfig, n_train: int) -> list[float]:
    """What the papers' code does, with our order of records; the model has no dropout."""
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    trace = []
    for epoch in range(1, config.epochs + 1):
        order = train.epoch_order(config.seed, epoch, n_train)
        for start in range(0, n_train, config.batch_size):
            rows = order[start : start + config.batch_size]
            loss = nn.functional.cross_entropy(model(torch.tensor(X[rows])), torch.tensor(Y[rows]))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            trace.append(loss.item() * len(rows))
    return trace


def plain_cnn1d() -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out, kernel in ((12, 32, 7), (32, 64, 5), (64, 128, 5), (128, 256, 3)):
        layers += [nn.Conv1d(n_in, n_out, kernel, padding=kernel // 2), nn.BatchNorm1d(n_out)]
        layers += [nn.ReLU()] + ([nn.MaxPool1d(2)] if n_out < 256 else [])
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(256, 2))


@pytest.mark.parametrize(("arithmetic", "tolerance"), [("plain", 0.0), ("fast", 5e-4)])
def test_losses_of_a_ten_line_loop(arithmetic, tolerance):
    n_train = 44  # five batches of 8 and one of 4
    config = dataclasses.replace(SHORT, epochs=2, clip_norm=1.0, arithmetic=arithmetic)
    model = build("cnn1d", rate_hz=100, n_samples=N_SAMPLES, dropout=0.0, seed=4)
    reference = plain_cnn1d()
    state = zip(reference.state_dict(), model.state_dict().values(), strict=True)
    reference.load_state_dict(dict(state))
    expected = np.reshape(plain_loop(reference, config, n_train), (2, 6)).sum(1) / n_train
    history = fit(model, X[:n_train], Y[:n_train], X[44:], Y[44:], config).history
    difference = np.abs(history["train_loss"].to_numpy() - expected).max()
    assert difference <= max(tolerance, 1e-15), difference  # the mean is taken in float64


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"arithmetic": "plain"},
        {"precision": "bf16"},
        {"optimiser": "adamw", "weight_decay": 1e-2, "scheduler": "cosine"},
        {"balance": "downsample", "scheduler": "step", "scheduler_every": 1, "monitor": "loss"},
        {"balance": "weights", "clip_norm": 0.5, "monitor": "auroc", "batch_size": 1},
    ],
    ids=lambda options: "-".join(options) or "default",
)
def test_every_model_under_every_option(name, options):
    x, y = records(9, 301)  # an odd length, a last batch of one
    y[-1] = 1 - y[-2]
    single = build(name, rate_hz=100, n_samples=301).n_outputs == 1
    loss = "bce_pos_weight" if single else "cross_entropy"
    config = dataclasses.replace(SHORT, epochs=1, batch_size=3, loss=loss, weight_l1=1e-3)
    config = dataclasses.replace(config, **options)
    try:
        model, result = fitted(name, config, x, y, n_train=7)
    except EcgcoreError as error:  # some CPUs have no dilated convolutions in bf16
        assert config.precision == "bf16"
        assert "in bf16; use fp32" in str(error)  # noqa: PT017
        return
    assert np.isfinite(result.history["train_loss"]).all()
    assert np.isfinite(train.predict_logits(model, x)).all()


@pytest.mark.filterwarnings("ignore")  # PyTorch's own, as it compiles
def test_compiled_training_is_the_eager_one():
    eager, _ = fitted(config=dataclasses.replace(SHORT, epochs=2))
    config = dataclasses.replace(SHORT, epochs=2, compile=True)
    if shutil.which("g++") is None:
        with pytest.raises(EcgcoreError, match=r"g\+\+"):
            fitted(config=config)
        return
    compiled, _ = fitted(config=config)
    expected = train.predict_logits(eager, X)
    assert np.abs(train.predict_logits(compiled, X) - expected).max() < 1e-3
    quick = train.predict_logits(eager, X, compiled=True)
    assert np.abs(quick - expected).max() < 1e-5


@pytest.mark.parametrize("name", ["cnn1d", "cnn_lstm", "imn_categorical"])
def test_same_seed_same_bytes_and_other_seed_others(name, tmp_path):
    config = dataclasses.replace(SHORT, epochs=2)
    part = {"x": X[:30], "y": Y[:30], "n_train": 20}
    runs = [fitted(name, config, **part), fitted(name, config, **part)]
    paths = [train.save_weights(runs[i][0], tmp_path / f"{i}.safetensors") for i in (0, 1)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    first, second = (run[1].history.drop(columns=TIMES) for run in runs)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    other, _ = fitted(name, dataclasses.replace(config, seed=43), **part)
    assert not same_weights(runs[0][0], other)


def test_training_touches_no_global_randomness():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    fitted("cnn_lstm", dataclasses.replace(SHORT, epochs=1))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002


def test_settings_of_pytorch_are_put_back():
    before = torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    fitted(config=dataclasses.replace(SHORT, epochs=1))
    assert torch.are_deterministic_algorithms_enabled() is before
    assert torch.utils.deterministic.fill_uninitialized_memory is fill


def test_it_learns_and_keeps_the_best_epoch():
    x, y = records(120)
    config = dataclasses.replace(SHORT, epochs=6, monitor="loss", patience=None)
    model, result = fitted("cnn1d", config, x, y, n_train=90)
    history = result.history
    assert result.best_epoch == history["valid_loss"].idxmin() + 1
    assert history["valid_auroc"].max() > 0.9
    logits = torch.from_numpy(train.predict_logits(model, x[90:]))
    loss = nn.functional.cross_entropy(logits, torch.from_numpy(y[90:])).item()
    assert loss == pytest.approx(history["valid_loss"].min(), rel=1e-4)


def test_stops_after_patience():
    config = dataclasses.replace(SHORT, epochs=30, patience=2, learning_rate=1e-9)
    _, result = fitted(config=config)
    assert len(result.history) == result.best_epoch + 2 < 30


def test_progress_is_told_each_epoch_and_is_silent_without_a_terminal(capsys):
    rows = []
    fitted(progress=lambda fold, row: rows.append((fold, row["epoch"])))
    fitted()
    assert rows == [(0, 1), (0, 2), (0, 3)]
    assert capsys.readouterr() == ("", "")


def test_int16_signals_train_as_their_millivolts():
    adu = np.round(X * 1000).astype(np.int16)
    mv = adu.astype(np.float32) / 1000
    config = dataclasses.replace(SHORT, epochs=2)
    a, b = fitted(config=config, x=adu)[0], fitted(config=config, x=mv)[0]
    assert same_weights(a, b)
    np.testing.assert_array_equal(train.predict_logits(a, adu), train.predict_logits(b, mv))


# Resuming


def test_continues_to_the_same_bytes_and_history(tmp_path):
    config = dataclasses.replace(SHORT, epochs=4, scheduler="plateau", scheduler_patience=0)
    whole, expected = fitted("cnn_lstm", config)

    class StopAsked(Exception):
        pass

    def stop_after_two(fold, row):
        if row["epoch"] == 3:
            raise StopAsked

    with pytest.raises(StopAsked):
        fitted("cnn_lstm", config, checkpoint_dir=tmp_path, progress=stop_after_two)
    again, result = fitted("cnn_lstm", config, checkpoint_dir=tmp_path, weights=9)
    assert same_weights(whole, again)
    pd.testing.assert_frame_equal(
        result.history.drop(columns=TIMES), expected.history.drop(columns=TIMES), check_exact=True
    )
    finished, once_more = fitted("cnn_lstm", config, checkpoint_dir=tmp_path, weights=9)
    assert same_weights(whole, finished)
    assert len(once_more.history) == 4


CHILD = """
import sys
sys.path.insert(0, sys.argv[2])
import dataclasses, test_train as t
config = dataclasses.replace(t.SHORT, epochs=20, patience=None)
t.fitted("cnn1d", config, checkpoint_dir=sys.argv[1])
"""


def test_killed_anywhere_it_ends_the_same(tmp_path):
    config = dataclasses.replace(SHORT, epochs=20, patience=None)
    rng = np.random.default_rng(time.time_ns())
    command = [sys.executable, "-c", CHILD, str(tmp_path), str(Path(__file__).parent)]
    kills = 0
    for _ in range(2):
        child = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
        before = sorted(tmp_path.iterdir())
        for _ in range(600):  # until it writes, then at a random moment
            if child.poll() is not None or sorted(tmp_path.iterdir()) != before:
                break
            time.sleep(0.05)
        time.sleep(float(rng.uniform(0, 0.3)))
        kills += child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert kills
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        whole, expected = fitted("cnn1d", config)
        again, result = fitted("cnn1d", config, checkpoint_dir=tmp_path)
    finally:
        torch.set_num_threads(threads)
    assert same_weights(whole, again)
    pd.testing.assert_frame_equal(
        result.history.drop(columns=TIMES), expected.history.drop(columns=TIMES), check_exact=True
    )


def test_checkpoint_of_another_training_is_refused(tmp_path):
    fitted(config=dataclasses.replace(SHORT, epochs=1), checkpoint_dir=tmp_path)
    other = dataclasses.replace(SHORT, epochs=1, learning_rate=1e-2)
    with pytest.raises(EcgcoreError, match=r"learning_rate was 0\.001, now it is 0\.01"):
        fitted(config=other, checkpoint_dir=tmp_path)
    (tmp_path / checkpoint.NAME).write_text("{", encoding="utf-8")
    with pytest.raises(EcgcoreError, match="is damaged"):
        fitted(config=dataclasses.replace(SHORT, epochs=1), checkpoint_dir=tmp_path)


# Words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"loss": "cros_entropy"}, ["cros_entropy", "cross_entropy"]),
        ({"monitor": "accuracy"}, ["monitor", "auroc"]),
        ({"epochs": 0}, ["epochs", "> 0"]),
        ({"weight_decay": -1.0}, ["weight_decay", "0 or more"]),
        ({"scheduler_factor": 2.0}, ["scheduler_factor"]),
    ],
)
def test_impossible_settings(change, words):
    with pytest.raises(EcgcoreError) as caught:
        dataclasses.replace(SHORT, **change)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_cuda_asked_for_and_absent():
    with pytest.raises(EcgcoreError, match="sees no CUDA device"):
        fitted(config=dataclasses.replace(SHORT, device="cuda"))


def test_unknown_device():
    with pytest.raises(EcgcoreError, match="'gpu' is unknown"):
        train.resolve_device("gpu")


@pytest.mark.parametrize(("part", "rows"), [("train", slice(0, 40)), ("valid", slice(40, 60))])
def test_a_class_missing(part, rows):
    y = Y.copy()
    y[rows] = 0
    with pytest.raises(EcgcoreError, match=f"the {part} part has no positive record"):
        fitted(y=y, n_train=40)


def test_loss_that_fits_no_such_model():
    with pytest.raises(EcgcoreError, match="use loss 'bce_pos_weight'"):
        fitted("imn")


def test_signals_with_nan_and_labels_of_another_length():
    x = X.copy()
    x[3, 2, 5] = np.nan
    with pytest.raises(EcgcoreError, match=r"1 record\(s\) hold NaN or infinity.*position 3"):
        fitted(x=x)
    with pytest.raises(EcgcoreError, match="one label a record"):
        fit(build("cnn1d", rate_hz=100, n_samples=N_SAMPLES), X, Y[:-1], X, Y, SHORT)


def test_diverging_loss_names_epoch_step_and_rate():
    config = dataclasses.replace(SHORT, learning_rate=1e30)
    with pytest.raises(EcgcoreError, match=r"in epoch 1, step [23] of 6, at learning rate 1e\+30"):
        fitted(config=config)


def test_out_of_memory_names_the_batch_that_fits(monkeypatch):
    model = build("cnn1d", rate_hz=100, n_samples=N_SAMPLES)
    forward = model.forward

    def small_card(x):
        if len(x) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(x)

    monkeypatch.setattr(model, "forward", small_card)
    with pytest.raises(EcgcoreError, match="batches of 8 records; batch_size=2 fits"):
        fit(model, X, Y, X, Y, SHORT)


def test_one_number_to_normalise():
    with pytest.raises(EcgcoreError, match="cnn_lstm: with records of 30 samples a batch of one"):
        fitted("cnn_lstm", dataclasses.replace(SHORT, batch_size=1), *records(9, 30), n_train=7)


# Parts


@pytest.mark.parametrize("kind", ["plateau", "step", "cosine"])
def test_learning_rates_are_those_of_pytorch(kind):
    config = dataclasses.replace(
        SHORT, epochs=40, scheduler=kind, scheduler_patience=2, scheduler_every=7
    )
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=config.learning_rate)
    schedulers = {
        "plateau": lambda: torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, "min", 0.5, 2),
        "step": lambda: torch.optim.lr_scheduler.StepLR(optimiser, 7, 0.5),
        "cosine": lambda: torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 40),
    }
    theirs, ours = schedulers[kind](), Schedule(config.learning_rate)
    losses = np.random.default_rng(1).uniform(0.5, 1, 40)
    for epoch in range(1, 41):
        optimiser.step()
        theirs.step(*([losses[epoch - 1]] if kind == "plateau" else []))
        rate = ours.after(epoch, losses[epoch - 1], config)
        assert rate == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9, abs=1e-15)


def test_an_undefined_metric_is_never_better():
    stopping = EarlyStopping()
    better = [stopping.better(i + 1, v) for i, v in enumerate([np.nan, np.nan, 0.2, np.nan, 0.2])]
    assert better == [True, False, True, False, False]
    assert (stopping.best_epoch, stopping.waited) == (3, 2)


@pytest.mark.parametrize("p", [0.2, 0.3, 0.4])
def test_fast_masks_are_bernoulli(p):
    """Mean, scale, independence along memory and between epochs; bounds are five sigma."""
    masks, n = FastMasks(), 400_000
    masks.start(seed=3, epoch=1)
    mask = masks(torch.Size([n]), p, torch.device("cpu"))
    kept = (mask > 0).double()
    sigma = np.sqrt(p * (1 - p) / n)
    assert abs(kept.mean().item() - (1 - p)) < 5 * sigma + 1e-5
    assert mask.unique().numel() == 2
    assert mask.max().item() == pytest.approx(1 / (1 - p), rel=1e-4)
    centred = kept - kept.mean()
    for lag in (1, 2, 3, 4, 32, 256):
        correlation = (centred[lag:] * centred[:-lag]).mean() / (p * (1 - p))
        assert abs(correlation.item()) < 5 / np.sqrt(n), lag
    masks.start(seed=3, epoch=2)
    other = masks(torch.Size([n]), p, torch.device("cpu"))
    joint = ((mask > 0) & (other > 0)).double().mean().item()
    assert abs(joint - (1 - p) ** 2) < 5 / np.sqrt(n)
    masks.start(seed=3, epoch=1)
    assert torch.equal(masks(torch.Size([n]), p, torch.device("cpu")), mask)


@pytest.mark.parametrize("name", REGISTRY)
def test_weights_come_back(name, tmp_path):
    x, _ = records(2, 101)
    model = build(name, rate_hz=250, n_samples=101, seed=7).eval()
    model(torch.from_numpy(x))
    path = train.save_weights(model, tmp_path / "run" / "weights.safetensors")
    for again in (train.load_model(path), train.load_weights(build_like(model), path)):
        assert again.spec.rate_hz in (250, 100)
        assert same_weights(model, again)
    assert [p.name for p in path.parent.iterdir()] == ["weights.safetensors"]


def build_like(model):
    return build(model.spec.name, rate_hz=100, n_samples=101, seed=8)


def test_weights_of_something_else_are_refused(tmp_path):
    path = train.save_weights(build_like(build("imn", rate_hz=1, n_samples=101)), tmp_path / "w")
    with pytest.raises(EcgcoreError, match="holds weights of imn, not of cnn1d"):
        train.load_weights(build("cnn1d", rate_hz=100, n_samples=101), path)
    with pytest.raises(EcgcoreError, match="has shape"):
        train.load_weights(build("imn", rate_hz=100, n_samples=101, n_outputs=2), path)
    with pytest.raises(EcgcoreError, match="no such file"):
        train.load_model(tmp_path / "none")
    (tmp_path / "w").write_bytes(b"nothing")
    with pytest.raises(EcgcoreError, match="no whole safetensors file"):
        train.load_model(tmp_path / "w")


@pytest.mark.parametrize("name", REGISTRY)
def test_prediction_is_the_models_own(name):
    """Batch norm folded, in small batches, against the model as trained."""
    model = build(name, rate_hz=100, n_samples=101)
    x, _ = records(11, 101)
    model.train()
    for _ in range(20):  # statistics away from 0 and 1
        model(torch.from_numpy(x) * 2 + 1)
    model.eval()
    with torch.no_grad():
        expected = logits_of(model(torch.from_numpy(x))).numpy()
    spread = np.abs(expected).max()
    depth = 10 if name == "xresnet1d101" else 1  # rounding through a hundred layers
    for size in (None, 4):
        got = train.predict_logits(model, x, device="cpu", batch_size=size)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * depth * max(spread, 1))
    rough = train.predict_logits(model, x, device="cpu", precision="bf16")
    np.testing.assert_allclose(rough, expected, rtol=0.1, atol=0.05 * depth * max(spread, 1))
    assert train.predict_logits(model, x[:0], device="cpu").shape == (0, model.n_outputs)


def test_presets_are_the_papers():
    """Paper A's run scripts (arXiv 2602.09566) and paper B's table (arXiv 2604.16437)."""
    assert (PAPER_B.epochs, PAPER_B.batch_size, PAPER_B.learning_rate) == (50, 8, 1e-3)
    assert (PAPER_B.patience, PAPER_B.clip_norm, PAPER_B.scheduler) == (10, 1.0, "plateau")
    assert (PAPER_B.scheduler_factor, PAPER_B.scheduler_patience) == (0.5, 3)
    for preset in (PAPER_A, PAPER_A_CATEGORICAL):
        assert (preset.epochs, preset.batch_size, preset.weight_decay) == (100, 64, 1e-4)
        assert (preset.scheduler, preset.scheduler_every, preset.scheduler_factor) == (
            "step",
            10,
            0.1,
        )
        assert (preset.weight_l1, preset.monitor, preset.optimiser) == (1e-4, "auroc", "adamw")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_kept_heap_is_reused():
    code = (
        "import torch, resource\n"
        "from ecgcore.train import keep_heap\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "assert keep_heap()\n"
        "for _ in range(6): before = faults(); torch.ones(8_000_000); new = faults() - before\n"
        "assert new < 500, new"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

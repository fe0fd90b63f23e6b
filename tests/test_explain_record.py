"""One's own ECG through a trained run: any WFDB record in, probability, reasons and picture out."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import wfdb
from PIL import Image

from ecgcore import cli, explain_record, models, own, signals, train
from ecgcore.errors import EcgcoreError
from ecgcore.leads import LEADS

RATE_HZ = 250
SHUFFLED = [7, 0, 11, 3, 5, 1, 9, 2, 10, 4, 8, 6]


def write_run(folder: Path, *, name: str, files: tuple[str, ...], task: str) -> Path:
    """What a training notebook leaves, less what nobody reads here."""
    folder.mkdir()
    for seed, file in enumerate(files):
        network = models.build(name, rate_hz=100, n_samples=1000, seed=seed)
        train.save_weights(network, folder / file)
    (folder / "params.json").write_text(
        json.dumps({"notebook": "any_train", "model": name, "task": task, "rate_hz": 100})
    )
    facts = {"archive": {"name": "toy", "is_simulated": True}, "git_commit": "a" * 40}
    (folder / "provenance.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture(scope="module")
def imn_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "imn"
    return write_run(folder, name="imn", files=("weights.safetensors",), task="norm_vs_mi")


@pytest.fixture(scope="module")
def folds_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "cnn1d"
    files = ("weights_fold1.safetensors", "weights_fold2.safetensors")
    return write_run(folder, name="cnn1d", files=files, task="af_vs_norm")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s at 250 Hz in microvolts, leads in another order: written by the wfdb package."""
    folder = tmp_path_factory.mktemp("own")
    t = np.arange(12 * RATE_HZ) / RATE_HZ
    rng = np.random.default_rng(4)
    mv = np.stack([np.sin(2 * np.pi * (1 + i / 9) * t) for i in range(12)])
    mv = (mv + rng.normal(0, 0.02, mv.shape))[SHUFFLED]
    wfdb.wrsamp(
        "mine", fs=RATE_HZ, units=["uV"] * 12, sig_name=[LEADS[i] for i in SHUFFLED],
        p_signal=1000 * mv.T, fmt=["16"] * 12, write_dir=str(folder),
    )  # fmt: skip
    return folder / "mine"


def test_the_answer_is_the_networks_own(imn_run: Path, record: Path) -> None:
    read, run = own.load_record(record), explain_record.open_run(imn_run)
    done = explain_record.explain_record(read, run, start_s=1.5)
    first = int(1.5 * RATE_HZ)
    x = signals.preprocess(read.signals_mv[None, :, first : first + 2500], RATE_HZ, 100)
    network = train.load_model(imn_run / "weights.safetensors").eval()
    with torch.inference_mode():
        output = network(torch.from_numpy(x))
    assert done.logit == pytest.approx(output.logits.item(), abs=1e-4)
    assert done.probability == pytest.approx(torch.sigmoid(output.logits).item(), abs=1e-6)
    np.testing.assert_allclose(done.attribution, output.weights[0, 0].numpy() * x[0], atol=1e-6)
    total = float(done.attribution.sum(dtype=np.float64)) + output.bias.item()
    assert done.logit == pytest.approx(total, abs=1e-4)


def test_folds_answer_together(folds_run: Path, record: Path) -> None:
    read, run = own.load_record(record), explain_record.open_run(folds_run)
    done = explain_record.explain_record(read, run, method="input_x_gradient")
    x = torch.from_numpy(run.preprocess(read.signals_mv[None, :, :2500], RATE_HZ))
    x.requires_grad_()
    networks = [train.load_model(file).eval() for file in sorted(folds_run.glob("weights*"))]
    logits = torch.stack([network(x) for network in networks]).mean(0)
    logit = logits[0, 1] - logits[0, 0]
    (gradient,) = torch.autograd.grad(logit, x)
    assert done.logit == pytest.approx(logit.item(), abs=1e-5)
    np.testing.assert_allclose(done.attribution, (gradient * x).detach().numpy()[0], atol=1e-6)


def test_command_line_writes_picture_and_numbers(
    imn_run: Path, record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    status = cli.main(
        ["explain", f"{record}.hea", "--model", str(imn_run), "--window", "0.2", "--top", "3",
         "--out", str(out)]
    )  # fmt: skip
    told = capsys.readouterr().out
    assert status == 0
    numbers = json.loads((out / "explained.json").read_text())
    assert f"mine: probability {numbers['probability']:.3f} (norm_vs_mi)" in told
    assert "Not a medical device" in told
    assert numbers["run"]["trained_on_simulated"] is True
    assert numbers["method"] == "imn"
    assert np.array(numbers["attribution"]).shape == (12, 1000)
    assert sum(numbers["lead_shares"].values()) == pytest.approx(1, abs=1e-4)
    strongest = numbers["top_segments"][0]
    row = np.array(numbers["attribution"])[LEADS.index(strongest["lead"])]
    first = round(strongest["start_s"] * 100)
    assert row[first : first + 20].sum() == pytest.approx(strongest["value"], abs=1e-4)
    with Image.open(out / "explained.png") as picture:
        assert picture.width > 800
        assert len(picture.convert("RGB").getcolors(maxcolors=2**24) or []) > 50


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "3"], "is 12 s long; from 3 s on, the networks of"),
        (["--method", "imm"], "method: unknown 'imm'"),
    ],
)
def test_what_cannot_be_done_is_said(
    imn_run: Path, record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    options: list[str], words: str,
) -> None:  # fmt: skip
    arguments = ["explain", str(record), "--model", str(imn_run), "--out", str(tmp_path / "out")]
    assert cli.main([*arguments, *options]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_black_box_writes_no_weights(folds_run: Path, record: Path) -> None:
    run = explain_record.open_run(folds_run)
    assert run.intrinsic_method == "grad_cam"
    with pytest.raises(EcgcoreError, match="writes no weights"):
        explain_record.explain_record(own.load_record(record), run, method="imn")


def test_a_folder_without_a_trained_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EcgcoreError, match="is not a finished run; make one"):
        explain_record.open_run(tmp_path)
    for name in ("params.json", "provenance.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(EcgcoreError, match="holds no weights"):
        explain_record.open_run(tmp_path)

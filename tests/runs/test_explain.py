"""A user's ECG in a trained run: the run's own prediction and how far to trust it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import wfdb
from PIL import Image
from refusal import refused
from run_kit import folds_run, imn_run, noise_record

from ecgcore import cli, explanations, preprocessing, training
from ecgcore.data import Record, load_record
from ecgcore.leads import LEADS, twelve_from_eight
from ecgcore.runs.trained import explain_record, load_trained_run

RATE_HZ = 250


@pytest.fixture(scope="module")
def imn(tmp_path_factory: pytest.TempPathFactory, small_store: str) -> Path:
    return imn_run(tmp_path_factory.mktemp("runs") / "imn", small_store)


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory, small_store: str) -> Path:
    return folds_run(tmp_path_factory.mktemp("runs") / "folds", small_store, 20.0)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 12 s at 250 Hz in microvolts, leads in reverse order, written by the wfdb package."""
    folder = tmp_path_factory.mktemp("own")
    eight = np.random.default_rng(4).normal(0, 0.3, (8, 12 * RATE_HZ))
    wfdb.wrsamp(
        "mine", fs=RATE_HZ, units=["uV"] * 12, sig_name=list(LEADS[::-1]), fmt=["16"] * 12,
        p_signal=1000 * twelve_from_eight(eight)[::-1].T, write_dir=str(folder),
    )  # fmt: skip
    return folder / "mine"


def test_trained_networks_are_loaded_in_one_place(root: Path) -> None:
    folders = ("runs", "explanations", "plots", "statistics")
    paths = [path for name in folders for path in (root / "ecgcore" / name).glob("*.py")]
    paths += [root / "ecgcore" / "cli.py", *root.glob("book/tools/*.py")]
    for call, home in (("load_model", "trained.py"), ("preprocess", "pipeline.py")):
        pattern = re.compile(rf"(?<!def ){call}\(")
        callers = [path.name for path in paths if pattern.search(path.read_text("utf-8"))]
        assert callers == [home], f"{call} is called in {callers}"


def test_the_weights_of_an_imn_are_its_explanation(imn: Path, record: Path) -> None:
    explanation = explain_record(load_record(record, start_s=1.5), load_trained_run(imn))
    x = load_record(record).signals_mv[None, :, 375 : 375 + 2500]
    x = preprocessing.preprocess(x, RATE_HZ, 100)
    network = training.load_model(imn / "weights.safetensors").eval()
    with torch.inference_mode():
        output = network(torch.from_numpy(x))
    assert explanation.logit == pytest.approx(output.logits.item(), abs=1e-4)
    expected = output.weights[0, 0].numpy() * x[0]
    np.testing.assert_allclose(explanation.attribution, expected, atol=1e-6)
    total = float(explanation.attribution.sum(dtype=np.float64)) + output.bias.item()
    assert explanation.logit == pytest.approx(total, abs=1e-4)


def test_the_picture_shows_all_that_was_explained(imn: Path, record: Path) -> None:
    """The signals begin at ``--start``, which is not skipped a second time."""
    widest = []
    for start_s in (0.0, 1.5):
        cut, run = load_record(record, start_s=start_s, duration_s=10), load_trained_run(imn)
        lines = explain_record(cut, run, start_s=start_s).figure().axes[0].lines
        widest.append(max(np.ptp(line.get_xdata()) for line in lines))
    assert widest[0] == widest[1]


def test_folds_predict_together(folds: Path) -> None:
    run = load_trained_run(folds)
    assert run.native_method == "grad_cam"
    explanation = explain_record(noise_record(), run, method="saliency")
    x = run.pipeline.record_inputs(noise_record())
    maps = [explanations.attribute(network, x, "saliency")[0] for network in run.networks]
    np.testing.assert_allclose(explanation.attribution, np.mean(maps, axis=0), rtol=1e-5)
    refused("writes no weights", explain_record, noise_record(), run, method="imn")


def test_probabilities_are_calibrated_on_validation_records(folds: Path) -> None:
    explanation = explain_record(noise_record(), load_trained_run(folds))
    assert explanation.logit == pytest.approx(20, abs=0.01)
    assert explanation.probability == pytest.approx(0.75, abs=0.03)
    assert "calibrated on validation records" in explanation.in_words()[0]


def test_a_rate_below_that_of_the_network_is_remarked_on(imn: Path) -> None:
    run = load_trained_run(imn)
    slow = explain_record(noise_record(rate_hz=50), run)
    assert slow.remarks == ("sampled at 50 Hz, below the 100 Hz of the network",)
    at_500_hz = preprocessing.resample(noise_record().signals_mv[None], 100, 500)[0]
    assert not explain_record(Record("mine", at_500_hz, 500), run).remarks


def explain(*arguments: object) -> int:
    return cli.main(["explain", *map(str, arguments)])


def test_command_line_writes_picture_and_numbers(
    imn: Path, record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    assert explain(f"{record}.hea", "--model", imn, "--start", "1", "--out", out) == 0
    printed = capsys.readouterr().out
    for words in ("173 simulated records", "AUROC 0.91 [0.85, 0.95]", "not calibrated"):
        assert words in printed
    numbers = json.loads((out / "explained.json").read_text())
    assert f"mine: probability {numbers['probability']:.3f} (norm_vs_mi" in printed
    assert "Not a medical device" in printed
    assert numbers["run"]["archive"]["is_simulated"] is True
    assert numbers["method"] == "imn"
    assert np.array(numbers["attribution"]).shape == (12, 1000)
    assert sum(numbers["lead_shares"].values()) == pytest.approx(1, abs=1e-4)
    assert len(numbers["top_segments"]) == 10  # five for the class, five against it
    strongest = numbers["top_segments"][0]  # its times are those of the user's record
    row = np.array(numbers["attribution"])[LEADS.index(strongest["lead"])]
    first = round((strongest["start_s"] - 1) * 100)
    assert row[first : first + 50].sum() == pytest.approx(strongest["value"], abs=1e-4)
    with Image.open(out / "explained.png") as picture:
        assert 800 < picture.width < 4000
    assert explain(record, "--model", imn, "--out", tmp_path / "none", "--start", "3") == 2
    refused = capsys.readouterr()
    assert "holds 9 s from 3 s on; the networks of" in refused.err
    assert (refused.err.count("\n"), refused.out) == (1, "")
    assert not (tmp_path / "none").exists()


def test_a_folder_without_a_trained_run_is_refused(tmp_path: Path) -> None:
    refused("is not a finished run; make one", load_trained_run, tmp_path)
    for name, text in (("params.json", "{}"), ("provenance.json", '{"archive": {}}')):
        (tmp_path / name).write_text(text)
    refused("holds no weights", load_trained_run, tmp_path)

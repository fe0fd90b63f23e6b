"""Answers to users: right as the run was made, refused in one sentence, or marked as doubtful."""

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import archives
import nbformat
import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.text import Text
from traitlets.config import Config

from ecgcore import claimed, cli, explorer, inputs, metrics, models, recorded, signals, study, train
from ecgcore.explain_record import explain_record, open_run
from ecgcore.launch import export
from ecgcore.own import Record
from ecgcore.parameters import check, of_notebook
from ecgcore.ptbxl import Archive
from ecgcore.wfdb16 import open_store, prepare

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def fails_today(reason: str) -> Any:
    """An expected failure that must come from a wrong value, never from a missing name."""
    return pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason)


def refusal(action: Callable[[], Any]) -> str:
    """What was raised, as a person reads it; empty where nothing was."""
    try:
        action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 records of noise, 30 each of NORM, IMI, NDT and AFIB, prepared."""
    root = tmp_path_factory.mktemp("noise")
    prepare(Archive(archives.write_archive(root / "archive", 120)), root / "store")
    return root / "store"


def noise(amplitude: float = 1.0, rate_hz: int = 500) -> Record:
    """A 10 s record drawn as those of the archive are."""
    adu = archives.some_adu(1, 10 * rate_hz, seed=9)[0]
    return Record("mine", (amplitude * adu / 1000).astype(np.float32), rate_hz)


def begin_run(notebook: str, folder: Path, archive: Path, **given: Any) -> study.Run:
    """A run of a notebook as ``study.begin`` makes it, without executing the notebook."""
    folder.mkdir(parents=True)
    declared = of_notebook(NOTEBOOKS / f"{notebook}.ipynb")
    run = study.Run(notebook, check(declared, {"archive": str(archive), **given}), folder)
    run.open_data()
    return run


def build_network(name: str) -> models.EcgModel:
    return models.build(name, rate_hz=100, n_samples=1000, seed=3).eval()


def imn_run(folder: Path, archive: Path, **given: Any) -> Path:
    """A finished ``imn_train`` run with random weights, said to come from simulated records."""
    run = begin_run("imn_train", folder, archive, **given)
    train.save_weights(build_network("imn"), folder / "weights.safetensors")
    reads = inputs.inputs_of(run.params).fitted(open_store(archive), range(1, 41), [0] * 40)
    run.note(is_simulated=True)
    results = {"auroc": 0.912, "n_train": 173, "n_test": 60}
    run.finish(tables={"lead_statistics": reads.table()}, results=results)
    return folder


def folds_run(folder: Path, archive: Path, logit: float, **given: Any) -> Path:
    """A finished ``frequency_train`` run whose plain answer to :func:`noise` is this logit.

    Of validation records with such a logit three quarters are classified correctly.
    """
    run = begin_run("frequency_train", folder, archive, folds=2, **given)
    network = build_network("cnn1d")
    now = train.predict_logits(network, signals.preprocess(noise().signals_mv[None], 500, 100))
    for last in list(network.parameters())[-2:]:
        last.data *= logit / float(metrics.positive_logit(now)[0])
    valid = pd.DataFrame({"ecg_id": range(80), "y_true": np.tile([0, 1], 40), "part": "valid"})
    sign = np.where(valid.ecg_id < 20, -1, 1) * (2 * valid.y_true - 1)
    valid = valid.assign(patient_id=valid.ecg_id, logit=sign * logit, fold=1)
    train.save_weights(network, folder / "weights_fold1.safetensors")
    train.save_weights(network, folder / "weights_fold2.safetensors")
    run.finish(predictions=pd.concat([valid, valid.assign(fold=2)]), results={})
    return folder


def logit_of(run: Path, x: Any) -> float:
    """Mean logit of the networks of a run for one input ``(1, lead, sample)``."""
    networks = [train.load_model(file).eval() for file in run.glob("weights*")]
    logits = [metrics.positive_logit(train.predict_logits(network, x))[0] for network in networks]
    return float(np.mean(logits))


@fails_today("explain and the explorer always z-score each lead, whatever the run did.")
@pytest.mark.parametrize("normalisation", ["none", "train_lead"])
def test_answers_use_the_normalisation_of_the_run(
    tmp_path: Path, archive: Path, normalisation: str
) -> None:
    folder, store = (
        imn_run(tmp_path / "run", archive, normalisation=normalisation),
        open_store(archive),
    )
    run, options = open_run(folder), explorer.Options(methods=("saliency",))
    page = explorer.describe_record(store, 1, [run], options)["answers"]["imn"]["logit"]
    record = Record("first", store.signals(100, [1])[0], 100)
    logits = [explain_record(record, run).logit, page]
    expected = logit_of(folder, inputs.inputs_of_run(folder).of(store, [1], [0]))
    words = f"logits (explain, explorer) {np.round(logits, 3)}, run {expected:.3f}"
    assert logits == pytest.approx([expected] * 2, abs=1e-3), words


@fails_today("explain ignores content_hz and upsampled_from_hz of the run.")
@pytest.mark.parametrize(("name", "hz"), [("content_hz", 10), ("upsampled_from_hz", 50)])
def test_explain_keeps_the_band_of_the_run(
    tmp_path: Path, archive: Path, name: str, hz: int
) -> None:
    folder, raw = folds_run(tmp_path / "run", archive, 7.5, **{name: hz}), noise().signals_mv[None]
    x, rate_hz = (signals.band_limit(raw, 500, hz), 500)
    if name == "upsampled_from_hz":
        x, rate_hz = signals.resample(raw, 500, hz), hz
    logit = explain_record(noise(), open_run(folder)).logit
    expected = logit_of(folder, signals.preprocess(x, rate_hz, 100))
    assert logit == pytest.approx(expected, abs=1e-3), f"logit {logit:.3f}, run {expected:.3f}"


@fails_today("Several modules bring back a trained network or build its input, each its own way.")
@pytest.mark.parametrize("call", ["load_model", "preprocess"])
def test_one_place_brings_a_trained_network_back(root: Path, call: str) -> None:
    homes = {"train.py", "training", "signals.py", "preprocessing.py"}
    files = [*root.glob("ecgcore/**/*.py"), *root.glob("notebooks/frequency_robustness.ipynb")]
    others = [file for file in files if not homes & set(file.parts)]
    called = re.compile(rf"(?<!def ){call}\(")
    callers = sorted(file.name for file in others if called.search(file.read_text("utf-8")))
    assert len(callers) == 1, f"{call} is called in {', '.join(callers)}"


@fails_today("explain does not say what the network was trained on.")
def test_explain_says_what_trained_the_network(tmp_path: Path, archive: Path) -> None:
    done = explain_record(noise(), open_run(imn_run(tmp_path / "run", archive)))
    console = "\n".join(done.in_words())
    picture = "\n".join(text.get_text() for text in done.figure().findobj(Text))
    wanted = ("simulated", "173", "norm_vs_mi", "AUROC", "0.91")
    missing = [[word for word in wanted if word not in text] for text in (console, picture)]
    assert missing == [[], []], f"missing (console, picture): {missing}"


@fails_today("explain prints the sigmoid of the logit, without a temperature from validation.")
def test_explain_is_as_sure_as_validation_allows(tmp_path: Path, archive: Path) -> None:
    done = explain_record(noise(), open_run(folds_run(tmp_path / "run", archive, 20.0)))
    assert done.probability == pytest.approx(0.75, abs=0.03), f"probability {done.probability:.6f}"


@fails_today("explain answers for a record unlike the training records without a word on it.")
@pytest.mark.parametrize("kind", ["amplitude", "rate", "quality"])
def test_explain_marks_unusual_records(tmp_path: Path, archive: Path, kind: str) -> None:
    odd = noise(20.0 if kind == "amplitude" else 1.0, 50 if kind == "rate" else 500)
    if kind == "quality":
        odd.signals_mv[6:9] = 0.0
    run = open_run(imn_run(tmp_path / "run", archive))
    told = ["\n".join(explain_record(record, run).in_words()).lower() for record in (noise(), odd)]
    marked = ["unlike" in text for text in told]
    assert marked == [False, True], f"marked (usual record, other {kind}): {marked}"


def start(folder: Path, notebook: Path, *before: str) -> str:
    """Run cells in this process up to ``study.begin``; what is wrong then, or nothing."""
    InteractiveShell.clear_instance()
    session = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    cells = nbformat.read(notebook, as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    with contextlib.chdir(folder):
        for source in (*before, *sources):
            done = session.run_cell(source, store_history=True)
            if done.error_in_exec or "study.begin" in source:
                break
    InteractiveShell.clear_instance()
    names = list(session.user_ns["run"].params) if "run" in session.user_ns else []
    as_declared = names == [p.name for p in of_notebook(notebook)]
    return "" if as_declared else f"parameters {names}, error {done.error_in_exec}"


@fails_today("study.begin reads the first cell of the session as the parameters cell.")
def test_every_exported_notebook_starts(tmp_path: Path) -> None:
    exported = export(NOTEBOOKS, tmp_path / "exported", repository="a/b", ref="c0ffee")
    errors = [start(tmp_path, path) for path in exported]
    assert not any(errors), f"{sum(map(bool, errors))} of {len(errors)} stop: {errors[0]}"


@fails_today("study.begin reads the first cell of the session as the parameters cell.")
@pytest.mark.parametrize("before", ["1 + 1", "import numpy as np", "%pwd", "n: int = 3  # my own"])
def test_a_notebook_starts_after_another_cell(tmp_path: Path, before: str) -> None:
    error = start(tmp_path, NOTEBOOKS / "imn_train.ipynb", before)
    assert error == "", error


def commit(folder: Path) -> str:
    """Commit all files of a folder, in a repository that is made if need be."""
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init"], ["add", "--all"], ["commit", "--no-gpg-sign", "-m", "a"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    return subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()


@pytest.fixture
def checkout(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The library and the notebooks in a repository of their own, with nothing committed."""
    for name in ("ecgcore", "notebooks"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(recorded, "ROOT", tmp_path)
    return tmp_path


def result(made_by: str, **facts: Any) -> recorded.Recorded:
    facts = {"command": "make x", "git_commit": made_by, "runs_commit": [made_by], **facts}
    return recorded.Recorded(pd.DataFrame(), {"depends_on": ["notebooks/imn_train.ipynb"], **facts})


@fails_today("A list kept by hand leaves out modules that the computing ones import.")
def test_a_change_in_any_imported_module_makes_a_result_stale(checkout: Path) -> None:
    package, needed = checkout / "ecgcore", {"leads.py", "new.py", "ptbxl.py", "runs.py"}
    (package / "new.py").touch()
    with (package / "signals.py").open("a") as file:
        file.write("import ecgcore.new\n")
    made_by = commit(checkout)
    for name in needed:
        (package / name).write_text("# changed\n")
    seen = {Path(name).name for name in result(made_by).changed_since(checkout) or ()}
    assert needed <= seen, f"changed and not noticed: {sorted(needed - seen)}"


@fails_today("A run that was repeated with the same bytes sets staleness back for all others.")
def test_a_repeated_run_does_not_reset_staleness(checkout: Path) -> None:
    made_by = commit(checkout)
    (checkout / "ecgcore" / "train.py").write_text("# changed\n")
    again = {"commit": commit(checkout), "n_runs": 1, "n_same": 1}
    changed = result(made_by, repeated=again).changed_since(checkout)
    assert changed == {"ecgcore/train.py"}, f"changed since: {changed}"


@fails_today("The label hides runs made by code with uncommitted changes, and unknown commits.")
@pytest.mark.parametrize("kind", ["uncommitted changes", "not in this repository"])
def test_the_label_shows_code_that_cannot_be_had_again(checkout: Path, kind: str) -> None:
    made_by = commit(checkout) if kind[0] == "u" else "c0ffee" * 6 + "c0ff"
    label = result(made_by, runs_dirty=kind[0] == "u").label
    assert kind in label, f"the label is: {label}"


def write_answers(run: study.Run, positive: int) -> None:
    """Finish a run with predictions and tables for summaries; all runs give the same answers."""
    rows = pd.DataFrame({"ecg_id": [i for i in range(1, 121) if i % 4 in (0, positive)]})
    rows["y_true"] = (rows.ecg_id % 4 == positive).astype(int)
    rows["logit"] = 2 * rows.y_true - 1 + np.random.default_rng(0).normal(0, 1, len(rows))
    rows["score"] = 1 / (1 + np.exp(-rows.logit))
    rows = rows.assign(ranking=rows.score, patient_id=rows.ecg_id, part="test", fold=0)
    values = metrics.evaluate(rows.y_true, rows.score)
    table = pd.DataFrame({"metric": values.keys(), "value": values.values(), "part": "test"})
    table = table.assign(low=table.value - 0.02, high=table.value + 0.02)
    table.loc[len(table)] = {"metric": "train_seconds", "value": 1.0, "part": "run"}
    tables = {"history": pd.DataFrame({"epoch": [1], "train_loss": [0.7]})}
    if run.params["model"] == "imn":
        scores = {"mass_accuracy": 0.3, "lerf_minus_morf_bridge": 1.0, "gini": 0.5}
        explained = rows[["ecg_id", "patient_id"]].assign(method="imn", control=False, **scores)
        parts = pd.DataFrame({"term": ["b"], "value": [0.5]})
        tables |= {"explained": explained, "decomposition": parts}
    run.finish(metrics=table, predictions=rows, tables=tables)


def summary(notebook: str, folder: Path, archive: Path) -> Path:
    given = {"runs": str(folder / "runs"), "archive": str(archive), "n_resamples": 100}
    return study.run_notebook(NOTEBOOKS / f"{notebook}.ipynb", given, folder / notebook)


@fails_today("frequency_sweep stops where a network has only one rate.")
@pytest.mark.parametrize("two_rates", [True, False], ids=["other_has_two", "all_have_one"])
def test_a_network_with_one_rate_does_not_stop_the_sweep(
    tmp_path: Path, archive: Path, two_rates: bool
) -> None:
    for model, rate_hz in [("cnn1d", 100), ("cnn_lstm", 100), ("cnn1d", 62)][: 2 + two_rates]:
        out, given = tmp_path / "runs" / f"{model}{rate_hz}", {"model": model, "rate_hz": rate_hz}
        write_answers(begin_run("frequency_train", out, archive, **given), positive=3)
    error = refusal(lambda: summary("frequency_sweep", tmp_path, archive))
    assert error == "", error


def compare_networks(folder: Path, archive: Path, *networks: str) -> str:
    """What ``imn_better`` says, or its refusal; of ``imn_plus`` no explanation was scored."""
    for model in networks:
        for seed in (1, 2, 3):
            out, given = folder / "runs" / f"{model}{seed}", {"model": model, "seed": seed}
            write_answers(begin_run("imn_train", out, archive, **given), positive=1)
    if error := refusal(lambda: summary("imn_better", folder, archive)):
        return error
    verdicts = pd.read_csv(folder / "imn_better" / "claims.csv").verdict[:3].tolist()
    shown = json.loads((folder / "imn_better" / "results.json").read_text())
    return f"goal {shown['goal']} against {shown['reference']}: {', '.join(verdicts)}"


@fails_today("Without the reference, imn_better takes another network in its place.")
def test_a_missing_reference_network_is_not_replaced(tmp_path: Path, archive: Path) -> None:
    said = compare_networks(tmp_path, archive, "imn", "imn_plus")
    assert "blackbox_cnn2d" in said, said


@fails_today("imn_better counts 'not measured' as reached.")
def test_a_goal_that_was_not_measured_is_not_reached(tmp_path: Path, archive: Path) -> None:
    said = compare_networks(tmp_path, archive, "imn", "imn_plus", "blackbox_cnn2d")
    assert re.match("goal not .*not measured", said), said


@fails_today("An interval in the column '95 % interval' is lost on the landing page.")
def test_a_recorded_interval_is_shown_in_whichever_column_it_lies(tmp_path: Path) -> None:
    row = {"claim": "b is weak", "measured": "AUROC", "value": 0.552, "interval": None}
    row |= {"95 % interval": "0.495 to 0.617", "holds where": "at most 0.6", "page": "imn_belief"}
    table = pd.DataFrame([{**row, "verdict": "undecided"}])
    for name in claimed.IMN_STUDIES:
        recorded.save(name, table, {"command": "x", "seconds": 1, "size": {}}, tmp_path)
    table.to_csv(tmp_path / "claims.csv", index=False)
    shown = claimed.gather({"imn_belief": tmp_path}, tmp_path)[0]
    values = [shown[key] for key in ("value", "recorded value", "larger value")]
    assert values == ["0.552, 0.495 to 0.617"] * 3, f"shown: {values}"


@fails_today("An unknown resampler is accepted where no resampling is needed.")
def test_an_unknown_resampler_is_refused_at_every_rate() -> None:
    x = np.zeros((1, 12, 1000), np.float32)
    errors = [
        refusal(lambda hz=hz: signals.preprocess(x, 100, hz, method="sinc")) for hz in (50, 100)
    ]
    assert all("'sinc'" in error for error in errors), f"refused at 50 and 100 Hz: {errors}"


@fails_today("The option --page without '=' ends in a traceback.")
def test_a_page_without_a_run_is_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["book", "--runs", "r", "--page", "x", "--tier", "smoke", "--staging", "s"]
    error = refusal(lambda: cli.main([*words, "--html", str(tmp_path / "h" / "x")]))
    assert error == "", f"traceback of {error}"
    assert "--page x" in capsys.readouterr().err

"""The notebooks themselves, executed: by papermill, by our runner, from anywhere, twice."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

from ecgcore import datasets, ptbxl, study, wfdb16

SMALL = {"n_resamples": 100, "epochs": 1}

ROOT = Path(__file__).resolve().parents[1]


def papermill(cwd: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "papermill", *arguments],
        cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("rate", "125", ["'rate'", "'rate_hz'"]),
        ("rate_hz", "fast", ["'rate_hz'", "25 to 500"]),
        ("model", "cnn2", ["'model'", "cnn1d, cnn_lstm"]),
        ("folds", "1", ["'folds'", "2 to 10"]),
    ],
)
def test_plain_papermill_stops_before_computing(
    root: Path, tmp_path: Path, name: str, value: str, words: list[str]
) -> None:
    notebook = root / "notebooks" / "frequency_train.ipynb"
    done = papermill(tmp_path, str(notebook), "out.ipynb", "-p", name, value)
    assert done.returncode != 0
    told = [line for line in done.stderr.splitlines() if line.startswith("EcgcoreError: Parameter")]
    assert len(told) == 1
    for word in words:
        assert word in told[0]
    assert not (tmp_path / "runs").exists(), "something was computed or written"


def test_plain_papermill_from_anywhere_with_the_default_archive(root: Path, tmp_path: Path) -> None:
    notebook = root / "notebooks" / "frequency_train.ipynb"
    small = ["-p", "epochs", "1", "-p", "folds", "2", "-p", "n_resamples", "100"]
    done = papermill(
        tmp_path, str(notebook), "out.ipynb", "-p", "rate_hz", "125", "-p", "model", "cnn_lstm",
        *small, XDG_CACHE_HOME=str(tmp_path / "cache"), OMP_NUM_THREADS="1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    study.gate(tmp_path / "out.ipynb")
    (run,) = (tmp_path / "runs").iterdir()
    facts = json.loads((run / "provenance.json").read_text())
    assert facts["archive"]["is_simulated"]
    assert facts["archive"]["n_records"] == datasets.DEFAULT_ARCHIVE["n_records"]
    assert json.loads((run / "params.json").read_text())["rate_hz"] == 125


@pytest.mark.parametrize(
    ("notebook", "given"),
    [
        (
            "frequency_train",
            {"rate_hz": 62, "folds": 2, "receptive_field_ms": 1200, "content_hz": 20,
             "upsampled_from_hz": 50, "muscle_snr_db": 10, "split_seed": 1},
        ),
        ("imn_train", {"model": "imn", "max_train_records": 48, "explained_records": 4}),
    ],
)  # fmt: skip
def test_one_seed_one_result(
    root: Path, tmp_path: Path, small_store: str, notebook: str, given: dict[str, object]
) -> None:
    path = root / "notebooks" / f"{notebook}.ipynb"
    runs = [
        study.run_notebook(
            path, {**SMALL, **given, "archive": small_store, "seed": seed}, tmp_path / name
        )
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    ]
    one, same, other = (study.load_predictions(run) for run in runs)
    pd.testing.assert_frame_equal(one, same, check_exact=True)
    weights = [sorted(run.glob("weights*"))[0].read_bytes() for run in runs]
    assert weights[0] == weights[1] != weights[2]
    # the clock is not part of the result
    clock = "~metric.str.endswith('seconds') and ~metric.str.endswith('_per_s')"
    tables = [pd.read_csv(run / "metrics.csv").query(clock) for run in runs]
    pd.testing.assert_frame_equal(tables[0], tables[1], check_exact=True)
    assert not tables[0].equals(tables[2])
    assert len(one) != len(other) or not one.score.equals(other.score)
    if notebook == "frequency_train":
        check_validation_answers(one, other)


def check_validation_answers(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Other weights, the same patients; every record outside the test is validated once."""
    columns = ["part", "fold", "ecg_id"]
    assert one[columns].equals(other[columns])
    parts = dict(list(one.groupby("part")))
    valid, test = parts["valid"], parts["test"]
    assert valid.ecg_id.is_unique
    assert set(valid.fold) == {1, 2}
    assert not set(valid.patient_id) & set(test.patient_id)
    mean = parts["test_fold"].groupby("ecg_id")["logit"].mean()
    np.testing.assert_allclose(mean[test.ecg_id], test.logit, atol=1e-5)


def test_both_studies_on_real_records(root: Path, tmp_path: Path, ptbxl_500: Path) -> None:
    store, runs = tmp_path / "store", tmp_path / "runs"
    wfdb16.prepare(ptbxl.Archive(ptbxl_500), store)

    def run(notebook: str, name: str = "", **given: object) -> dict[str, Any]:
        path, out = root / "notebooks" / f"{notebook}.ipynb", runs / f"{notebook}{name}"
        study.run_notebook(path, {"archive": str(store), **given}, out)
        return json.loads((out / "results.json").read_text())

    for model in ("imn", "blackbox_cnn2d"):
        run("imn_train", model, **SMALL, model=model, rate_hz=62, max_train_records=24,
            explained_records=4, deletion_records=2)  # fmt: skip
    few = {"runs": str(runs), "n_resamples": 100}
    assert run("imn_evaluation", **few)["n_models"] == 2
    shown = run("imn_belief", **few, brought_back=2)
    assert shown["explanation_metric"] == "lerf minus morf bridge"
    assert shown["controls_met"] == 5
    assert run("imn_better", **few)["goal"] == "not asked in this build"
    assert run("imn_pictures", runs=str(runs), averaged_records=2)["lead_share"] > 1 / 12
    for rate_hz in (62, 100):
        few = run("frequency_train", str(rate_hz), **SMALL, rate_hz=rate_hz, folds=2)
        assert few["auroc_high"] - few["auroc_low"] > 0.1, "13 records with AF decide little"
    assert run("frequency_sweep", runs=str(runs), n_resamples=100)["n_comparisons"] == 1
    few = {"runs": str(runs), "n_resamples": 100}
    assert run("frequency_calibration", **few)["n_comparisons"] == 2 * 5
    shaken = run("frequency_robustness", **few, snr_db=[0], noise_rates_hz=[62], max_records=40)
    assert (shaken["n_transfers"], shaken["slow_hz"]) == (2, 62)
    cause = run("frequency_cause", runs=str(runs), slow_hz=62, fast_hz=100)
    assert (cause["explained_by"], cause["n_run"]) == ("undecided", 1), "one arm was run"
    assert run("data_tour")["n_af"] == 13


def test_a_broken_notebook_stops_the_book_and_leaves_the_old_page(
    root: Path, tmp_path: Path, small_store: str
) -> None:
    for name in ("workflow", "notebooks", "book", "ecgcore"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns("_build"))
    for name in ("_config.yml", "_toc.yml", "CHANGELOG.md"):
        shutil.copy(root / name, tmp_path / name)
    html = tmp_path / "_build" / "html"
    html.mkdir(parents=True)
    (html / "index.html").write_text("old page")
    shutil.copytree(small_store, tmp_path / "_build" / "data" / "tiny" / "store")
    (tmp_path / "_build" / "data" / "tiny" / "archive").mkdir()
    tier = tmp_path / "tiny.yaml"
    tier.write_text(
        "tier: tiny\nsimulate: {records: 240, seed: 7}\nruns: {}\n"
        "summaries: {data_tour: {}}\npages: {}\n"
    )
    tour = tmp_path / "notebooks" / "data_tour.ipynb"
    content = json.loads(tour.read_text())
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    code[3]["source"] = ["raise KeyError('lead V7')"]
    tour.write_text(json.dumps(content))
    archive = tmp_path / "_build" / "data" / "tiny" / "archive" / "ptbxl_database.csv"
    archive.touch()
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-s", "workflow/Snakefile", "--configfile", str(tier),
         "--cores", "1", "--nolock", "--rerun-triggers", "mtime", "--quiet", "progress", "rules",
         "--touch", "_build/data/tiny/store/store.json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-s", "workflow/Snakefile", "--configfile", str(tier),
         "--cores", "1", "--nolock", "--rerun-triggers", "mtime", "--quiet", "progress", "rules"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert "data_tour.ipynb" in told
    assert "KeyError: 'lead V7'" in told
    assert (html / "index.html").read_text() == "old page"


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_page_has_every_part_that_a_reader_expects(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert text.startswith("# ")
    parts = ["**You will learn**", "## How sure are we?", "## Take-aways", "{admonition} Exercise"]
    places = [text.find(part) for part in [*parts, "## Further reading"]]
    assert min(places) > 0, [*parts, "## Further reading"][places.index(-1)]
    assert places == sorted(places)
    takeaways = text[places[2] : places[3]].count("\n- ")
    assert 2 <= takeaways <= 5

"""The notebooks themselves, executed: by papermill, by our runner, on real records."""

import json
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

from ecgcore import runs
from ecgcore.data import Archive, prepare

ROOT = Path(__file__).resolve().parents[1]
SMALL = {"n_resamples": 100, "epochs": 1}
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_plain_papermill_stops_before_computing(root: Path, tmp_path: Path) -> None:
    notebook = root / "notebooks" / "frequency_train.ipynb"
    with pytest.raises(PapermillExecutionError, match=r"EcgcoreError: .*did you mean 'rate_hz'"):
        papermill.execute_notebook(
            notebook, tmp_path / "out.ipynb", {"rate": 125}, cwd=tmp_path, progress_bar=False
        )
    assert [path.name for path in tmp_path.iterdir()] == ["out.ipynb"], "something was computed"


@pytest.mark.parametrize(
    ("notebook", "given"),
    [
        (
            "frequency_train",
            {"rate_hz": 62, "folds": 2, "receptive_field_ms": 1200, "content_hz": 20,
             "upsampled_from_hz": 50, "muscle_snr_db": 10, "split_seed": 1},
        ),
        (
            "imn_train",
            {"model": "imn", "rate_hz": 62, "methods": ["imn"], "max_train_records": 24,
             "explained_records": 2, "deletion_records": 2},
        ),
    ],
    ids=["frequency", "imn"],
)  # fmt: skip
def test_one_seed_one_result(
    root: Path, tmp_path: Path, small_store: str, notebook: str, given: dict[str, object]
) -> None:
    def run(name: str, seed: int) -> tuple[pd.DataFrame, bytes]:
        options = {**SMALL, **given, "archive": small_store, "seed": seed}
        path = root / "notebooks" / f"{notebook}.ipynb"
        folder = runs.run_notebook(path, options, tmp_path / name)
        return runs.load_predictions(folder), min(folder.glob("weights*")).read_bytes()

    (one, weights), (same, same_weights) = run("a", 5), run("b", 5)
    pd.testing.assert_frame_equal(one, same, check_exact=True)
    assert weights == same_weights
    if notebook == "frequency_train":
        other, other_weights = run("c", 6)
        assert weights != other_weights
        assert not one.score.equals(other.score)
        assert one[["part", "fold", "ecg_id"]].equals(other[["part", "fold", "ecg_id"]])
        valid, test = one[one.part == "valid"], one[one.part == "test"]
        assert not set(valid.patient_id) & set(test.patient_id)
        mean = one[one.part == "test_fold"].groupby("ecg_id")["logit"].mean()
        np.testing.assert_allclose(mean[test.ecg_id], test.logit, atol=1e-5)


def test_an_outer_fold_tests_no_patient_seen_in_training(
    root: Path, tmp_path: Path, small_store: str
) -> None:
    given = {**SMALL, "archive": small_store, "rate_hz": 62, "folds": 2, "protocol": "outer_folds"}
    runs.run_notebook(root / "notebooks" / "frequency_train.ipynb", given, tmp_path / "run")
    answers = runs.load_predictions(tmp_path / "run")
    test = answers[answers.part == "test"]
    for fold, valid in answers[answers.part == "valid"].groupby("fold"):
        assert not set(valid.patient_id) & set(test[test.fold == fold].patient_id)
    assert test.ecg_id.is_unique
    assert len(test) == (answers.part == "test_fold").sum()


def test_both_studies_on_real_records(root: Path, tmp_path: Path, ptbxl_500: Path) -> None:
    """Three cases of AF in the test part and one seed per network support no verdict."""
    store, folder = tmp_path / "store", tmp_path / "runs"
    prepare(Archive(ptbxl_500), store)

    def run(notebook: str, name: str = "", **given: object) -> dict[str, Any]:
        path, out = root / "notebooks" / f"{notebook}.ipynb", folder / f"{notebook}{name}"
        runs.run_notebook(path, {"archive": str(store), **given}, out)
        return json.loads((out / "results.json").read_text())

    for model in ("imn", "blackbox_cnn2d"):
        run("imn_train", model, **SMALL, model=model, rate_hz=62, max_train_records=24,
            explained_records=4, deletion_records=2)  # fmt: skip
    evaluated = run("imn_evaluation", runs=str(folder), n_resamples=100)
    assert (evaluated["verdict"], evaluated["data"]) == ("undecided", "real")
    believed = run("imn_belief", runs=str(folder), n_reloaded=2)
    assert believed["place"] == "not known"
    assert (believed["supported"], believed["contradicted"]) == (0, 0)
    claims = pd.read_csv(folder / "imn_belief" / "claims.csv")
    assert not claims.claim.str.contains("localization").any(), "place was judged without a mask"
    assert run("imn_better", runs=str(folder))["goal"] == "not reached"
    for rate_hz in (62, 100):
        run("frequency_train", str(rate_hz), **SMALL, rate_hz=rate_hz, folds=2)
    swept = run("frequency_sweep", runs=str(folder), n_resamples=100)
    assert swept["claims_supported"] == swept["claims_contradicted"] == 0
    cause = run("frequency_cause", runs=str(folder), slow_hz=62, fast_hz=100)
    assert "do not decide" in cause["answer"]
    assert run("ecg_primer")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_has_every_part_that_a_reader_expects(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert text.startswith("# ")
    parts = ["**You will learn**", "```{exercise}", "```{solution}", "## Further reading"]
    places = [text.find(part) for part in parts]
    assert min(places) > 0, parts[places.index(-1)]
    assert places == sorted(places)
    assert "## Take-aways" in text or "{admonition} Verdict" in text

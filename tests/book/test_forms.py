"""The form that builds commands and the gallery of runs, as a reader uses them."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from book.tools.facts import describe_runs
from ecgcore.errors import EcgcoreError
from ecgcore.runs import parameters

pytestmark = pytest.mark.xdist_group("browser")

TEXTS = [
    "0", "1", "-1", "62", "100", "100.0", "100.5", "501", "24", "1e2", "1e-3", "1_000", "1__0",
    "_1", ".5", "5.", ".", "", " 5 ", "+5", "0x10", "inf", "-inf", "nan", "NaN", "fast", "cnn1d",
    "imn", "norm_vs_mi", "true", "True", "FALSE", "yes", "simulated", "held_out", "fft", "1,2",
    "[62, 100]", "['62','100']", "62;100", "00001", "1e400", "CNN1D",
]  # fmt: skip


@pytest.fixture(scope="module")
def form(html: Path, context: Any) -> Any:
    page = context.new_page()
    page.goto((html / "book" / "practice.html").as_uri())
    return page


def python_reads(declared: parameters.Parameter, text: str) -> Any:
    try:
        return ["value", declared.check(text)]
    except EcgcoreError:
        return ["refused"]


def test_the_form_refuses_what_the_check_refuses(root: Path, form: Any) -> None:
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    declared = {path.stem: parameters.of_notebook(path) for path in notebooks}
    listed = parameters.parse_cell("rates: list[int] = [62]  # rates [Hz]; allowed: 25..500")
    facts = {"name": "rates", "kind": "list[int]", "allowed": [], "limits": [25, 500]}
    found = form.evaluate(
        """([texts, listed]) => {
          const known = JSON.parse(document.getElementById("parameter-facts").textContent);
          const read = (p, text) => {
            try { return ["value", ecgcore.parameters.read(p, text)]; }
            catch { return ["refused"]; }
          };
          const all = { ...known, _listed: listed };
          return Object.fromEntries(Object.entries(all).map(([notebook, declared]) =>
            [notebook, declared.map((p) => texts.map((text) => read(p, text)))]));
        }""",
        [TEXTS, [{**facts, "expected": ""}]],
    )
    declared["_listed"] = listed
    assert set(found) == set(declared)
    refused = 0
    for notebook, of_notebook in declared.items():
        for p, there in zip(of_notebook, found[notebook], strict=True):
            here = [python_reads(p, text) for text in TEXTS]
            assert dict(zip(TEXTS, there, strict=True)) == dict(zip(TEXTS, here, strict=True)), p
            refused += sum(answer == ["refused"] for answer in here)
    assert refused > 500


def test_the_form_writes_command_and_yaml(root: Path, form: Any, tmp_path: Path) -> None:
    form.select_option("[name=notebook]", "frequency_train")
    form.select_option("[name=model]", "cnn_lstm")
    form.fill("[name=rate_hz]", "125")
    form.fill("[name=learning_rate]", "1e-3")
    form.fill("[name=archive]", "it's here")
    words = shlex.split(form.inner_text("[data-command]"))
    assert words[:5] == ["python", "-m", "ecgcore", "run", "notebooks/frequency_train.ipynb"]
    given = dict(w.split("=", 1) for w in words if "=" in w)
    assert given["model"] == "cnn_lstm"
    assert given["archive"] == "it's here"
    written = yaml.safe_load(form.inner_text("[data-yaml]"))
    declared = parameters.of_notebook(root / "notebooks" / "frequency_train.ipynb")
    values = parameters.check(declared, written)
    assert values["rate_hz"] == 125
    assert values["learning_rate"] == 0.001
    by_name = {p.name: p for p in declared}
    assert values == parameters.check(declared, {k: by_name[k].check(v) for k, v in given.items()})


def test_the_form_says_what_is_wrong(form: Any) -> None:
    form.select_option("[name=notebook]", "frequency_train")
    form.fill("[name=rate_hz]", "fast")
    told = form.inner_text("#parameter-rate_hz-wrong")
    assert told == "Parameter 'rate_hz': expected an integer from 25 to 500 [Hz], got 'fast'."
    assert form.get_attribute("[name=rate_hz]", "aria-invalid") == "true"
    assert form.inner_text("[data-command]") == ""
    form.click("[data-reset]")
    assert form.inner_text("#parameter-rate_hz-wrong") == ""
    assert "--out my_run" in form.inner_text("[data-command]")


@pytest.fixture(scope="module")
def gallery(html: Path, context: Any) -> Any:
    page = context.new_page()
    page.goto((html / "book" / "gallery.html").as_uri())
    return page


def rows(page: Any) -> list[str]:
    return page.eval_on_selector_all(
        "[data-gallery] table:first-of-type tbody tr[data-run]",
        "rows => rows.filter(r => !r.hidden).map(r => r.dataset.run)",
    )


def test_the_gallery_sorts_and_filters(html: Path, built_runs: Path, gallery: Any) -> None:
    runs = {run["name"]: run for run in describe_runs(built_runs, {}, "")}
    trained = [name for name, run in runs.items() if "auroc" in run["metrics"]]
    assert sorted(rows(gallery)) == sorted(trained)
    gallery.check("form [name=all]")
    assert sorted(rows(gallery)) == sorted(runs)
    for name in runs:
        assert (html / "runs" / f"{name}.html").exists()
    gallery.click("[data-column=AUROC] button")
    by_auroc = [name for name in rows(gallery) if name in trained]
    values = [runs[name]["metrics"]["auroc"][0] for name in by_auroc]
    assert values == sorted(values)
    gallery.click("[data-column=AUROC] button")
    assert gallery.get_attribute("[data-column=AUROC]", "aria-sort") == "descending"
    gallery.select_option("form [name=notebook]", "frequency_train")
    gallery.select_option("form [name=rate_hz]", "100")
    wanted = {
        name for name, run in runs.items()
        if run["notebook"] == "frequency_train" and run["params"]["rate_hz"] == "100"
    }  # fmt: skip
    assert set(rows(gallery)) == wanted
    assert gallery.inner_text("form output") == f"{len(wanted)} of {len(runs)} runs"


def test_two_runs_can_be_compared(built_runs: Path, gallery: Any) -> None:
    first, second = "frequency_train-cnn1d-62", "frequency_train-cnn1d-100"
    runs = {run["name"]: run for run in describe_runs(built_runs, {}, "")}
    gallery.select_option("[name=first]", first)
    gallery.select_option("[name=second]", second)
    table = gallery.eval_on_selector_all(
        "[data-difference] tbody tr",
        "rows => Object.fromEntries(rows.map(r => [r.cells[0].textContent,"
        " [...r.cells].slice(1).map(c => c.textContent)]))",
    )
    assert table["rate_hz"] == ["62", "100", ""]
    assert "model" not in table
    a, b = (runs[name]["metrics"]["auroc"][0] for name in (first, second))
    assert [float(v) for v in table["auroc"]] == pytest.approx([a, b, b - a], abs=1e-4)

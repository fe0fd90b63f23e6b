"""Notebooks conclude no more than their runs show: their cells on hand-made tables."""

import ast
import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

from ecgcore import models
from ecgcore.explanations import compare_with_controls
from ecgcore.runs import parameters
from ecgcore.statistics.verdicts import SeedDifference, Spread

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
MASS, DELETION = "mass_accuracy", "lerf_minus_morf_bridge"
REASONS = "Paper A: the contributions are the reasons"


def execute(notebook: str, *snippets: str, **given: Any) -> dict[str, Any]:
    """Execute a notebook's imports, then the code cells that contain one of the snippets."""
    path = NOTEBOOKS / f"{notebook}.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    space = {one.name: one.default for one in parameters.of_notebook(path)}
    for node in ast.parse("\n".join(sources)).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            exec(ast.unparse(node), space)
    space |= given
    for source in sources:
        if any(snippet in source for snippet in snippets):
            exec(source, space)
    return space


def networks(auroc: float, n: int, n_positive: int, n_seeds: int, first: int) -> dict[int, Any]:
    """Return binormal scores of networks on the same ``n`` records, by seed."""
    y, tables = (np.arange(n) < n_positive).astype(int), {}
    for seed in range(n_seeds):
        mean = np.sqrt(2) * stats.norm.ppf(auroc) * y
        logit = np.random.default_rng(first + seed).normal(mean)
        ids = {"ecg_id": np.arange(n), "patient_id": np.arange(n), "y_true": y}
        tables[seed] = pd.DataFrame({**ids, "score": expit(logit - 1), "ranking": logit})
    return tables


def sweep(rates: list[int], n: int, n_positive: int, n_seeds: int, *more: str) -> dict[str, Any]:
    """Execute cells of ``frequency_sweep``: cnn1d is worse at 500 Hz, cnn_lstm is not."""
    pairs = list(itertools.product(("cnn1d", "cnn_lstm"), rates))
    auroc = {pair: 0.6 if pair == ("cnn1d", 500) else 0.95 for pair in pairs}
    answers = {p: networks(auroc[p], n, n_positive, n_seeds, 9 * p[1]) for p in pairs}
    given: dict[str, Any] = {"answers": answers, "rates": rates, "within": None, "fast": rates[-1]}
    given["trained"] = pd.DataFrame(pairs, columns=["model", "rate_hz"])
    given["usual"] = min(rates, key=lambda rate: abs(rate - 100))
    return execute("frequency_sweep", "statistics.interaction(", "def claim(", *more, **given)


def test_claims_of_paper_b_are_tested_as_stated_there() -> None:
    space = sweep([62, 100, 250, 500], 300, 100, 3)
    verdicts = space["claims"].set_index("measured").verdict
    for metric in ("AUROC", "accuracy", "sensitivity"):
        assert verdicts[f"{metric}, cnn1d at 500 Hz minus cnn1d at 100 Hz"] == "supported"
    assert verdicts["AUROC, cnn_lstm at 500 Hz minus cnn_lstm at 250 Hz"] == "undecided"
    assert space["shown"]["verdict"] == "worse", "the interaction is a separate test"


def test_three_positives_and_one_seed_decide_nothing() -> None:
    space = sweep([62, 100, 500], 60, 3, 1, "comparisons = []")
    words = {*space["claims"].verdict, *space["differences"].verdict, space["shown"]["verdict"]}
    assert words == {"undecided"}


@pytest.mark.parametrize("rates", [[100], [62, 500]])
def test_a_network_with_few_rates_does_not_stop_the_sweep(rates: list[int]) -> None:
    assert len(sweep(rates, 60, 30, 1, "comparisons = []")["differences"]) == 6 * (len(rates) - 1)


def test_contrasts_of_the_cause_keep_the_taps() -> None:
    def taps(rate_hz: int, **change: Any) -> list[int]:
        how = {name: change[name] for name in ("receptive_field_ms", "widen") if name in change}
        stages = models.build("cnn1d", rate_hz=rate_hz, n_samples=10 * rate_hz, **how).stages
        return [stage.kernel for stage in stages]

    for one in execute("frequency_cause", "DESIGN = (", wide_ms=540.0, narrow_ms=108.0)["DESIGN"]:
        differ = taps(**one.changed) != taps(**one.reference)
        assert differ == ("longer kernels" in one.question), one.question


def difference(low: float, high: float) -> SeedDifference:
    middle, se = (low + high) / 2, (high - low) / 2 / 1.959964
    return SeedDifference("auroc", 0.9, 0.9, Spread(middle, se**2), 3, 300, 100)


DROP, FLAT, OPEN = difference(-0.05, -0.02), difference(-0.004, 0.004), difference(-0.05, 0.05)
FIELD = "receptive field"


@pytest.mark.parametrize(
    ("results", "verdicts", "expected"),
    [
        ((DROP, FLAT, DROP), ("as both predict", FIELD, FIELD), FIELD),
        ((DROP, DROP, FLAT), ("as both predict", "noise", "noise"), "noise"),
        ((DROP, OPEN, DROP), ("as both predict", "undecided", FIELD), FIELD),
        ((DROP, DROP, DROP), ("as both predict", "noise", FIELD), "neither alone"),
        ((FLAT, difference(0.02, 0.03), OPEN), ("as neither predicts",) * 2, "neither alone"),
        ((OPEN, OPEN, OPEN), ("undecided",) * 3, "undecided"),
        ((None, None, None), ("undecided",) * 3, "undecided"),
    ],
)
def test_the_cause_is_judged_by_its_rule(results: Any, verdicts: Any, expected: str) -> None:
    space = execute("frequency_cause", "def judge(", margin=0.01)
    words = (("worse", "worse"), ("equivalent", "worse"), ("worse", "equivalent"))
    arms = [SimpleNamespace(arm="", question="", if_field=f, if_noise=n) for f, n in words]
    judged = pd.DataFrame(map(space["judge"], arms, results))
    assert tuple(judged.verdict)[: len(verdicts)] == verdicts
    assert list(judged.decides) == [False, True, True]
    assert space["conclude"](judged)[0] == expected


def scores_of_maps(metrics: list[str], **methods: float) -> pd.DataFrame:
    """Return scores of 60 records and three seeds, as runs save them."""
    cells = itertools.product(methods, range(60), range(3))
    table = pd.DataFrame(cells, columns=["method", "ecg_id", "seed"])
    means = table.method.map(methods).to_numpy()[:, None]
    table[metrics] = np.random.default_rng(0).normal(means, 0.1, (len(table), len(metrics)))
    return table.assign(patient_id=table.ecg_id, control=False)


def belief(metrics: list[str], **methods: float) -> "pd.Series[str]":
    """Return the verdicts of ``imn_belief`` by claim; all methods but ``imn`` are controls."""
    records = scores_of_maps(metrics, **methods).rename(columns={"ecg_id": "record"})
    duels = compare_with_controls(records, list(methods)[1:], metrics=metrics).duels
    terms = pd.DataFrame({"model": "imn", "term": "auroc_bias", "value": [0.5] * 3})
    terms = terms.assign(low=0.45, high=0.55, run=["a", "b", "c"])
    claims = execute("imn_belief", "def duel(", of_model=duels, terms=terms)["claims"]
    return claims.set_index("claim").verdict


def test_localization_is_the_claim_of_paper_a_and_tested_by_pathology() -> None:
    metrics = [MASS, *(f"evidence_{wave}_{MASS}" for wave in ("st", "t", "q"))]
    verdicts = belief(metrics, imn=0.5, random=0.0)
    for words in (" of the evidence", " of ST elevation", " of T inversion", " of Q waves"):
        assert verdicts["Paper A: precise localization" + words] == "supported"


def test_reasons_must_beat_the_strongest_control_and_deletion_says_nothing_about_place() -> None:
    verdicts = belief([DELETION], imn=0.5, random=0.0, other=0.1)
    assert verdicts[REASONS] == "supported"
    assert not verdicts.index.str.contains("localization").any()
    assert belief([DELETION], imn=0.5, random=0.0, other=0.7)[REASONS] == "contradicted"


def better(*names: str, **methods: float) -> dict[str, Any]:
    """Return results of ``imn_better`` for equal networks; ``imn`` is the map of imn_plus."""
    usual = {"task": "norm_vs_mi", "variant": "as published", "shortcut": False, "rate_hz": 100}
    table, results = scores_of_maps(["deletion_share_bridge"], **methods).assign(**usual), {}
    table["model"] = np.where(table.method == "imn", "imn_plus", "imn")
    run = SimpleNamespace(finish=lambda **given: results.update(given["results"]))
    answers = lambda rows: networks(0.9, 3000, 1000, 3, len(rows.model.iloc[0]))  # noqa: E731
    tools = SimpleNamespace(networks=lambda *_: table, predictions_by_seed=answers)
    trained = pd.DataFrame({"model": names}).assign(protocol="held_out", **usual)
    shifts = pd.DataFrame({"variant": ["as published"], "n_seeds": 3, "verdict": ""})
    given = {"run": run, "run_tools": tools, "trained": trained, "shifts": shifts, "rate_hz": 100}
    cells = ("accuracy = pd.", "duels = pd.Data", "def shift_claim(", "run.finish(")
    execute("imn_better", *cells, store=SimpleNamespace(is_simulated=True), **given)
    return results


def test_a_goal_is_reached_only_where_all_of_it_was_measured() -> None:
    rivals = {"grad_cam": 0.0, "saliency": 0.1}
    every = better("imn", "imn_plus", "blackbox_cnn2d", imn=0.5, **rivals)
    assert (every["goal"], every["n_beaten"]) == ("reached", 2)
    without_map = better("imn", "imn_plus", "blackbox_cnn2d", **rivals)
    assert (without_map["goal"], without_map["n_rivals"]) == ("not reached", 0)
    alone = better("imn", "imn_plus", imn=0.5, **rivals)  # without the reference
    assert (alone["plus_verdict"], alone["goal"]) == (None, "not reached")

"""No verdict may be wider than its evidence; each test shows the value printed instead."""

import ast
import itertools
import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

from ecgcore import calibrate, calibrated, compare, contrasts, faithful, models, recorded, variants

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
UNDECIDED = {"undecided", "not measured", "not run"}
MASS, RERUN = "mass_accuracy", "lerf_minus_morf_bridge"


def wrong_today(reason: str) -> pytest.MarkDecorator:
    """Expect a failed assertion on a value; any other error fails the test."""
    return pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason)


def cells_of(notebook: str) -> list[str]:
    cells = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def execute(notebook: str, names: set[str], cell: str = "", **given: Any) -> dict[str, Any]:
    """Execute the statements of a notebook that define ``names``, then the cell with a text."""
    space = {"np": np, "pd": pd, "compare": compare, "contrasts": contrasts, "n_resamples": 200}
    space |= {"calibrate": calibrate, "variants": variants, "seed": 1, "MASS": MASS, **given}
    for statement in itertools.chain(*(ast.parse(text).body for text in cells_of(notebook))):
        targets = [statement, *getattr(statement, "targets", [])]
        targets += [part for one in targets for part in getattr(one, "elts", [])]
        if {getattr(one, "id", getattr(one, "name", "")) for one in targets} & names:
            exec(compile(ast.Module([statement], []), notebook, "exec"), space)
    for text in cells_of(notebook):
        if cell and cell in text:
            exec(text, space)
    return space


def predictions(auroc: float, n: int, n_positive: int, seed: Any) -> pd.DataFrame:
    """Binormal scores of one network on the same ``n`` records."""
    y = (np.arange(n) < n_positive).astype(int)
    logit = np.sqrt(2) * stats.norm.ppf(auroc) * y + np.random.default_rng(seed).normal(size=n)
    return of_records(y, expit(logit))


def of_records(y: Any, score: Any) -> pd.DataFrame:
    ids = {"ecg_id": np.arange(len(y)), "patient_id": np.arange(len(y)), "y_true": y}
    return pd.DataFrame({**ids, "score": score, "ranking": score})


def networks(auroc: float, n: int, n_positive: int, n_seeds: int, first: int = 0) -> dict[int, Any]:
    return {k: predictions(auroc, n, n_positive, first + k) for k in range(n_seeds)}


def verdict_of(function: str, n: int, n_positive: int, n_seeds: int) -> str:
    """What a comparison of a good and a poor network says."""
    good = networks(0.97, n, n_positive, n_seeds)
    poor = networks(0.4, n, n_positive, n_seeds, first=50)
    sets: dict[str, Any] = {"good": good, "poor": poor}
    if function == "over_seeds":
        sets = {name: list(one.values()) for name, one in sets.items()}
    if function == "against_reference":
        sets = {name: one[0] for name, one in sets.items()}
    table = getattr(compare, function)(sets, "good", margin=0.02, n_resamples=300, seed=1)
    return str(table.verdict.dropna().iloc[0])


def belief_claims(headline: str, **rivals: float) -> pd.DataFrame:
    """The claims of ``imn_belief`` from 60 records and three seeds in which W x scores 0.5."""
    cells = list(itertools.product(("imn", "blackbox_cnn2d"), range(60), range(3)))
    published = pd.DataFrame(cells, columns=["model", "ecg_id", "seed"])
    published["method"] = np.where(published.model == "imn", "imn", "grad_cam")
    published["pathology"] = np.where(published.ecg_id % 2, "ST elevation", "Q waves")
    published[headline] = np.random.default_rng(0).normal(0.5, 0.1, len(published))
    published = published.assign(task="norm_vs_mi", patient_id=published.ecg_id, cosine=0.5)
    rows = itertools.product({headline, RERUN}, {"imn": 0.5, **rivals}.items())
    scores = pd.DataFrame([{"metric": m, "method": name, "value": v} for m, (name, v) in rows])
    scores = scores.assign(task="norm_vs_mi", model="imn", control=scores.method != "imn", n=60)
    scores = scores.assign(low=scores.value - 0.05, high=scores.value + 0.05)
    lost = scores[scores.control].rename(columns={"method": "control", "control": "is_control"})
    lost = lost.assign(difference=0.5 - lost.value, method="imn").drop(columns="value")
    lost = lost.assign(low=lost.difference - 0.05, high=lost.difference + 0.05)
    lost["verdict"] = np.where(lost.difference > 0, "control loses", "control wins")
    one = pd.DataFrame([{"task": "norm_vs_mi", "model": "imn", "low": 0.45, "high": 0.55}])
    parts = one.assign(term="auroc_bias", value=0.5)
    tables = {"explained": published, "published": published, "scores": scores, "verdicts": lost}
    tables |= {"parts": parts, "stable": parts.assign(test="other seed")}
    limits = {"leak_auroc": 0.6, "least_cosine": 0.9, "key": ("norm_vs_mi", "imn")}
    space, names = {**tables, **limits, "RERUN": RERUN}, {"place_is_known", "headline"}
    return execute("imn_belief", names, "claims_table(", **space)["claims"].set_index("claim")


@wrong_today("Deletion scores are printed as a verdict on where the disease is.")
def test_place_is_undecided_where_nobody_knows_it():
    claims = belief_claims(RERUN, random=0.0, other_record=0.1)
    place = claims[claims.index.str.contains("where the disease is|locali", regex=True)]
    assert set(place.verdict) <= UNDECIDED, place.verdict.to_dict()


@pytest.mark.parametrize("words", ["Paper A: .*locali", "ST elevation", "T inversion", "Q wave"])
@wrong_today("Precise localization is neither called paper A's claim nor tested by pathology.")
def test_localization_is_the_claim_of_paper_a_and_tested_by_pathology(words):
    claims = belief_claims(MASS, random=0.0).index
    count = claims.str.contains(words).sum()
    assert count == 1, f"{count} of {[one for one in claims if 'where' in one]}"


@pytest.mark.parametrize("n_seeds", [3, 5])
@wrong_today("Intervals over seeds resample the patients only.")
def test_interval_covers_with_patients_and_seeds_random(n_seeds):
    rng = np.random.default_rng(5)
    covered, n_repetitions = 0, 150
    for _ in range(n_repetitions):  # both networks are alike, so the true difference is 0
        aurocs = np.minimum(rng.normal(0.85, 0.03, (2, n_seeds)), 0.99)
        a, b = ([predictions(auroc, 120, 50, rng) for auroc in one] for one in aurocs)
        how = {"margin": 0.02, "n_resamples": 100, "seed": 1}
        row = compare.over_seeds({"a": a, "b": b}, "a", **how).iloc[1]
        covered += row.low <= 0 <= row.high
    assert covered >= 0.93 * n_repetitions, (
        f"the 95 % interval covers {covered / n_repetitions:.2f}"
    )


@wrong_today("The cause of the drop is decided from a single seed.")
def test_one_seed_explains_no_drop():
    predicted = {"b": ("same", "lower"), "c": ("lower", "same")}
    design = [contrasts.Contrast(arm, "", {}, {}, *both) for arm, both in predicted.items()]
    one = SimpleNamespace(difference=-0.05, low=-0.055, high=-0.045, p=1e-4, n_seeds=1)
    table = contrasts.judged(design, [one, one], margin=0.01)
    explained_by = contrasts.answer(table).explained_by
    assert explained_by == "undecided", f"{explained_by}; {table.verdict.tolist()}"


@wrong_today("The larger study's verdict has no spread over seeds in it.")
def test_recorded_verdict_allows_for_the_spread_over_seeds():
    runs = recorded.load("imn_larger_runs").table.query("metric == 'auroc'")
    auroc = runs.pivot_table(index="seed", columns="model", values="value")
    gap = auroc["imn"] - auroc["blackbox_cnn2d"]
    low, high = stats.t.interval(0.9, len(gap) - 1, gap.mean(), gap.sem())
    assert low < -0.02 < high  # other seeds alone leave it open, on the very same patients
    claims = recorded.load("imn_larger_claims").table.query("page == 'imn_evaluation'")
    verdict = claims.verdict.iloc[0]
    assert verdict in UNDECIDED, f"{verdict}; seeds alone: {low:.3f} to {high:.3f}"


TAPS = [stage.kernel for stage in models.REGISTRY["cnn1d"][0].stages]


def taps(rate_hz: int, receptive_field_ms: float = 0.0, **_: Any) -> list[int]:
    how = {"rate_hz": rate_hz, "receptive_field_ms": receptive_field_ms}
    return models.sizes_in_ms("cnn1d", **how).get("kernels", TAPS) if receptive_field_ms else TAPS


@pytest.mark.parametrize(("fast_hz", "narrow_ms"), [(500, 108.0), (250, 216.0)])
@wrong_today("A narrower receptive field is made by cutting taps.")
def test_contrasts_of_the_cause_keep_the_taps(fast_hz, narrow_ms):
    sizes = {"fast_hz": fast_hz, "slow_hz": 100, "wide_ms": 540.0, "narrow_ms": narrow_ms}
    space = execute("frequency_cause", set(), "DESIGN = (", Contrast=contrasts.Contrast, **sizes)
    design = [one for one in space["DESIGN"] if "longer kernels" not in one.question]
    kernels = {one.question: (taps(**one.changed), taps(**one.reference)) for one in design}
    confounded = {name: pair for name, pair in kernels.items() if pair[0] != pair[1]}
    assert confounded == {}, confounded


@wrong_today("Recorded verdicts of the confounded arms have not been withdrawn.")
def test_recorded_verdicts_of_starved_arms_are_withdrawn():
    table = recorded.load("sampling_again_cause").table
    table = table[(table.arm == "e") | table.question.str.contains("both 108 ms")]
    verdicts = table.set_index("question").verdict.to_dict()
    assert set(verdicts.values()) <= {*UNDECIDED, "withdrawn"}, verdicts


def record_scores(values: dict[str, Any]) -> pd.DataFrame:
    parts = {name: pd.Series(one, name=RERUN) for name, one in values.items()}
    return pd.concat(parts, names=["method", "record"]).reset_index()


@pytest.mark.parametrize("n_records", [4, 29])
@wrong_today("Deletion prints an interval from fewer than 30 records.")
def test_few_records_have_no_interval(n_records):
    rng = np.random.default_rng(1)
    values = {"imn": rng.normal(2, 1, n_records), "random": rng.normal(0, 1, n_records)}
    result = faithful.compared(record_scores(values), ["random"], seed=1)
    bounds = result.scores[["low", "high"]].round(2).to_numpy()
    assert np.isnan(bounds).all(), f"{bounds.tolist()}, {result.verdicts.verdict.tolist()}"


@wrong_today("Being above 0 counts as support although a control does better.")
def test_contributions_must_beat_the_strongest_control():
    claims = belief_claims(MASS, random=0.0, other_record=0.7)
    verdict = claims.verdict["Paper A: the contributions are the reasons"]
    assert verdict != "supported", f"{verdict}: W x has 0.5, other_record 0.7"


@pytest.mark.parametrize("where", ["controls", "duels"])
@wrong_today("Twelve comparisons, with controls or with rivals, are not corrected.")
def test_many_comparisons_are_corrected(where):
    gain = np.random.default_rng(2).normal(size=60)
    gain = (gain - gain.mean()) / gain.std(ddof=1) + stats.norm.isf(0.01) / np.sqrt(60)
    others = [f"method {k}" for k in range(12)]
    table = record_scores({"imn": gain, **dict.fromkeys(others, 0 * gain)})
    if where == "controls":
        verdicts = faithful.compared(table, others, seed=1).verdicts.verdict
    else:
        table["model"] = np.where(table.method == "imn", "imn_plus", "imn")
        table["ecg_id"] = table["patient_id"] = table.record
        table = table.assign(control=False, variant=variants.AS_PUBLISHED)
        table = pd.concat([table.assign(seed=k) for k in range(3)], ignore_index=True)
        given = {"explained": table, "RERUN": RERUN, "base": "imn", "reference": ""}
        names = {"OWN", "KEYS", "ASKED", "change"}
        verdicts = execute("imn_better", names, 'duels["verdict"]', **given)["duels"].verdict
    won = int(verdicts.isin(["control loses", "imn_plus better"]).sum())
    assert won == 0, f"{won} of 12 comparisons are won at p = 0.02, which is 0.24 after Holm"


@wrong_today("The squared signal is not among the baseline maps.")
def test_squared_signal_is_a_baseline_map():
    x = np.random.default_rng(3).normal(size=(2, 12, 50)).astype(np.float32)
    maps = faithful.control_maps(x, seed=1)
    squares = [name for name, values in maps.items() if np.allclose(values, x**2)]
    assert len(squares) == 1, f"maps equal to x squared: {squares}, of {sorted(maps)}"


@wrong_today("A random map gets full marks where evidence touches every lead.")
def test_random_map_does_not_find_the_lead():
    mask = np.zeros((40, 12, 100), bool)
    mask[:, :, 50] = True  # a trace of it in every lead,
    mask[:, 1:3, 30:70] = True  # and the evidence itself in two
    noise = np.random.default_rng(4).normal(size=mask.shape)
    score = faithful.localisation(noise, mask).lead_accuracy.mean()
    assert not score > 0.5, f"lead_accuracy of white noise is {score:.3f}"


@wrong_today("Raw distances of deletion curves are compared across networks.")
def test_perfect_order_scores_alike_on_every_network():
    few, many, found = np.zeros((12, 100)), np.ones((12, 100)), {}
    few[1, 40:60], many[6:] = 1.0, -0.5
    x, how = np.ones((2, 12, 100)), {"rate_hz": 100.0, "fill": "donor"}
    for name, weights in {"few": few, "many": many}.items():
        logit_of = partial(np.tensordot, b=weights, axes=2)
        curves = faithful.deletion_curves(logit_of, x, weights * x, donor=0 * x, **how)
        found[name] = faithful.deletion_scores(curves).mean()
    table = pd.DataFrame(found)
    alike = table.index[np.isclose(table.few, table.many, rtol=0.01)].tolist()
    assert alike, f"no score of the best order agrees: {table.round(2).to_dict()}"


@wrong_today("The networks of the planted shortcut did not learn it.")
def test_planted_shortcut_is_learnt():
    trap = recorded.load("imn_trap").table.set_index("model")
    drop = trap["AUROC with bursts"] - trap["AUROC without"]
    assert (drop >= 0.05).all(), drop.round(3).to_dict()


def sampling_claims(n: int = 200, n_positive: int = 60, n_seeds: int = 3) -> pd.DataFrame:
    """The claims of ``frequency_sweep``: cnn1d loses at 500 Hz, cnn_lstm does not."""
    strength = {("cnn1d", 500): 0.6}
    cells = list(itertools.product(("cnn1d", "cnn_lstm"), (62, 100, 250, 500)))
    told = {c: networks(strength.get(c, 0.95), n, n_positive, n_seeds, 9 * c[1]) for c in cells}
    given = {"told": told, "rates": [62, 100, 250, 500], "margin": 0.01}
    return execute("frequency_sweep", set(), "def between(", **given)["claims"]


@pytest.mark.parametrize("words", ["accuracy", "sensitivity", "interaction"])
@wrong_today("Paper B's claims are tested by AUROC and ECE only, and the interaction not at all.")
def test_claims_of_paper_b_are_tested_as_it_makes_them(words):
    claims = sampling_claims()
    text = (claims["claim"] + " " + claims["measured as"]).str.lower()
    measures = sorted({one.partition(":")[0] for one in claims["measured as"]})
    assert text.str.contains(words).any(), f"0 of {len(claims)} claims; measures: {measures}"


@wrong_today("Averaging of probabilities is credited to calibration.")
def test_averaged_probabilities_are_shown_beside_calibration():
    rng, y = np.random.default_rng(6), np.arange(60) % 2
    parts = []
    for part, fold in itertools.product(("valid", "test_fold"), range(3)):
        frame = of_records(y, 0.5).assign(part=part, fold=fold)
        parts.append(frame.assign(logit=3 * (y - 0.5) + rng.normal(0, 3, 60)))
    logits = np.stack([one.logit for one in parts[3:]])
    parts.append(parts[0].assign(part="test", fold=-1, logit=logits.mean(0)))
    table = calibrated.calibrated(pd.concat(parts)).query("part == 'test'")
    gap = (table[list(calibrated.METHODS)].T - expit(logits).mean(0)).T.abs().max().to_dict()
    assert min(gap.values()) < 1e-9, {name: round(value, 3) for name, value in gap.items()}


@wrong_today("A shift of the prior is only judged at the prevalence of the test records.")
def test_prior_shift_is_judged_at_a_realistic_prevalence():
    frame = predictions(0.9, 200, 48, 1).rename(columns={"score": "raw"})
    tested = {("cnn1d", 100, 1): frame.assign(prior=frame.raw, Platt=frame.raw)}
    given = {"tested": tested, "cell_names": ["model", "rate_hz", "seed"]}
    lowest = execute("frequency_calibration", {"shift"}, **given)["shift"].prevalence.min()
    assert lowest <= 0.1, f"the lowest prevalence judged is {lowest}"


@pytest.mark.parametrize("function", ["over_seeds", "seeds_against_reference", "against_reference"])
@pytest.mark.parametrize("sizes", [(200, 80, 1), (24, 12, 3), (100, 9, 3), (100, 50, 2)], ids=str)
@wrong_today("Verdicts need neither 30 records, nor 10 of each class, nor three seeds.")
def test_too_small_a_sample_decides_nothing(function, sizes):
    verdict = verdict_of(function, *sizes)
    assert verdict == "undecided", f"{verdict} from (records, positives, seeds) = {sizes}"


@wrong_today("Claims are called supported from three records with AF and one seed.")
def test_three_positives_and_one_seed_support_no_claim():
    verdicts = sampling_claims(n=60, n_positive=3, n_seeds=1).verdict.tolist()
    assert set(verdicts) <= UNDECIDED, verdicts


PERFECT, LABELS = [0.1, 0.1, 0.9, 0.9], [0, 0, 1, 1]


@pytest.mark.parametrize("function", ["paired_bootstrap", "over_seeds"])
@wrong_today("Two perfect networks are equivalent after two patients of each class.")
def test_perfect_networks_on_four_patients_are_not_equivalent(function):
    how: dict[str, Any] = {"n_resamples": 200, "seed": 1, "margin": 0.01}
    if function == "over_seeds":
        perfect = [of_records(LABELS, PERFECT)] * 3
        found = compare.over_seeds({"a": perfect, "b": perfect}, "a", **how).iloc[1]
        equivalent, bounds = found.verdict == "equivalent", [found.inner_low, found.inner_high]
    else:
        found = compare.paired_bootstrap(LABELS, PERFECT, PERFECT, metrics=["auroc"], **how).iloc[0]
        equivalent, bounds = found.equivalent, [found.equivalence_low, found.equivalence_high]
    assert not equivalent, f"equivalent: {bounds}"


@pytest.mark.parametrize("function", ["delong", "difference_over_seeds"])
@wrong_today("A perfect network and a coin are told apart with certainty by four records.")
def test_four_records_decide_nothing(function):
    good, poor = ({k: of_records(LABELS, s) for k in range(3)} for s in (PERFECT, [0.5] * 4))
    arguments = (LABELS, PERFECT, [0.5] * 4) if function == "delong" else (good, poor)
    found = getattr(compare, function)(*arguments)
    assert not found.p < 0.05, f"p = {found.p}, interval {found.low} to {found.high}"


@wrong_today("Two records with the same difference are certain that a control loses.")
def test_equal_differences_of_two_records_show_nothing():
    values = {"imn": np.array([0.6, 0.6]), "random": np.array([0.5, 0.5])}
    row = faithful.compared(record_scores(values), ["random"], seed=1).verdicts.iloc[0]
    assert row.verdict != "control loses", f"{row.low:.2f} to {row.high:.2f}: {row.verdict}"

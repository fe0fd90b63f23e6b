"""Scores of attributions on hand-computed cases and on models whose evidence is known."""

import functools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from ecgcore import explain, faithful, models
from ecgcore.errors import EcgcoreError

RATE_HZ, N_LEADS, N_SAMPLES = 50, 12, 200


def planted(n: int = 30, seed: int = 0):
    """Signals, a sparse known W, its mask, and the linear model's logit."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, N_LEADS, N_SAMPLES)).astype(np.float32)
    w = np.zeros((N_LEADS, N_SAMPLES), np.float32)
    w[2, 40:60], w[7, 100:120] = 1.0, -0.5
    mask = np.broadcast_to(w != 0, x.shape)
    return x, w, mask, lambda signals: (signals * w).sum((1, 2), dtype=np.float64) + 0.3


def one(relevance, mask) -> dict[str, float]:
    """Scores of one record given as nested lists (lead, sample)."""
    table = faithful.localisation(np.array([relevance], float), np.array([mask], bool))
    return table.iloc[0].to_dict()


def test_localisation_by_hand():
    found = one([[4, 0, 1, -9], [2, 3, 0, 0]], [[1, 0, 0, 0], [0, 1, 1, 0]])
    assert found["mass_accuracy"] == pytest.approx(7 / 10)
    assert found["rank_accuracy"] == pytest.approx(2 / 3)  # of 4, 3, 2 two lie inside
    # Inside at ranks 1 and 2; the third lies among the four tied at 0, behind the two outside.
    assert found["auprc"] == pytest.approx((1 + 1 + 3 / 8) / 3)
    assert found["pointing_game"] == 1
    assert found["lead_accuracy"] == 1
    assert found["mask_share"] == pytest.approx(3 / 8)


def test_a_perfect_and_a_perverse_map():
    mask = [[0, 1, 1, 0], [0, 0, 0, 0]]
    perfect = one(mask, mask)
    assert all(perfect[name] == 1 for name in [*faithful.LOCALISATION, "lead_accuracy"])
    outside = one([[0, 0, 0, 0], [1, 1, 1, 1]], mask)
    assert outside["mass_accuracy"] == outside["rank_accuracy"] == outside["pointing_game"] == 0
    assert outside["lead_accuracy"] == 0


def test_ties_are_shared_out():
    """A map that is one for all leads gets what its ties hold, whatever the order of leads."""
    flat = one([[1, 1], [1, 1]], [[1, 0], [0, 0]])
    assert flat["rank_accuracy"] == flat["pointing_game"] == flat["auprc"] == 0.25
    assert flat["lead_accuracy"] == 0.5
    first = one([[2, 1], [2, 1]], [[1, 0], [0, 0]])
    last = one([[2, 1], [2, 1]], [[0, 0], [1, 0]])
    assert first == last
    assert first["pointing_game"] == first["rank_accuracy"] == 0.5


@given(st.integers(0, 2**31), st.integers(1, 39), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_auprc_is_scikit_learns(seed, n_inside, n_levels):
    rng = np.random.default_rng(seed)
    relevance = rng.integers(0, n_levels, 40).astype(float)
    mask = np.zeros(40, bool)
    mask[rng.choice(40, n_inside, replace=False)] = True
    found = faithful.localisation(relevance.reshape(1, 2, 20), mask.reshape(1, 2, 20))["auprc"][0]
    assert found == pytest.approx(average_precision_score(mask, relevance))


def test_uninformative_maps_score_the_share_of_the_mask():
    rng = np.random.default_rng(0)
    shape = (200, 12, 50)
    mask = rng.random(shape) < 0.2
    table = faithful.localisation(rng.random(shape), mask).mean()
    for name in faithful.LOCALISATION:
        assert table[name] == pytest.approx(
            table["mask_share"], abs=0.06 if "p" in name[0] else 0.02
        )


def test_records_without_evidence_or_relevance():
    mask = np.zeros((2, 12, 10), bool)
    mask[1, 0, :5] = True
    table = faithful.localisation(-np.ones((2, 12, 10)), mask)
    assert table.iloc[0].isna().all()
    assert np.isnan(table.loc[1, "mass_accuracy"])
    assert table.loc[1, "rank_accuracy"] == pytest.approx(table.loc[1, "mask_share"])
    both = faithful.localisation(-np.ones((2, 12, 10)), mask, absolute=True)
    assert both.loc[1, "mass_accuracy"] == pytest.approx(5 / 120)


def test_pooling_forgives_what_a_coarse_map_cannot_know():
    mask = np.zeros((1, 12, 40), bool)
    mask[0, 3, 10:20] = True
    comb = np.zeros(mask.shape)
    comb[0, 3, 10:20:2] = 1.0
    assert faithful.localisation(comb, mask)["rank_accuracy"][0] < 0.6
    assert faithful.localisation(comb, mask, pool_samples=10)["rank_accuracy"][0] == 1
    with pytest.raises(EcgcoreError, match="shape"):
        faithful.localisation(comb, mask[:, :5])


def test_bridge_by_hand():
    x = np.array([[0.0, 1, 9, 9, 4, 5], [3, 3, 3, 3, 3, 8], [1, 2, 3, 4, 5, 6]], np.float32)
    out = np.zeros(x.shape, bool)
    out[0, 2:4], out[1, 4:], out[2] = True, True, True
    expected = [[0, 1, 2, 3, 4, 5], [3, 3, 3, 3, 3, 3], [0] * 6]
    np.testing.assert_allclose(faithful.filled(x, out), expected)
    zero = faithful.filled(x, out, "zero")
    assert zero[0].tolist() == [0, 1, 0, 0, 4, 5]


def test_donor_meets_both_ends_and_keeps_its_shape():
    t = np.arange(100, dtype=np.float32)
    x, donor = np.zeros((1, 100), np.float32) + t / 10, np.sin(t)[None]
    out = np.zeros((1, 100), bool)
    out[0, 30:60] = True
    found = faithful.filled(x, out, "donor", donor)
    assert (found[~out] == x[~out]).all()
    difference = (found - donor)[0, 29:61]  # the donor, shifted and tilted: a straight line
    np.testing.assert_allclose(np.diff(difference, 2), 0, atol=1e-4)
    assert difference[0] == pytest.approx(x[0, 29] - donor[0, 29], abs=1e-5)
    assert difference[-1] == pytest.approx(x[0, 60] - donor[0, 60], abs=1e-5)
    with pytest.raises(EcgcoreError, match="donor"):
        faithful.filled(x, out, "donor")
    with pytest.raises(EcgcoreError, match="bridge"):
        faithful.filled(x, out, "mean")


@pytest.mark.parametrize("fill", faithful.FILLS)
def test_nothing_taken_out_changes_nothing(fill):
    x, *_ = planted(2)
    same = faithful.filled(x, np.zeros(x.shape, bool), fill, donor=x[::-1])
    np.testing.assert_array_equal(same, x)


def test_deletion_by_hand():
    """Three leads of one unit each, logit their sum of means; taken out whole they become 0."""
    x = np.array([3.0, -1, 2], np.float32)[None, :, None] * np.ones((1, 3, 10), np.float32)
    logit_of = lambda s: s.mean(2).sum(1).astype(float)  # noqa: E731
    curves = faithful.deletion_curves(
        logit_of, x, x, rate_hz=10, window_s=1.0, fractions=[1 / 3, 2 / 3, 1]
    )
    np.testing.assert_allclose(curves.fraction, [0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(curves.morf, [[4, 1, -1, 0]])
    np.testing.assert_allclose(curves.lerf, [[4, 5, 3, 0]])
    found = faithful.deletion_scores(curves).iloc[0]
    assert found["deletion"] == pytest.approx(4 - (2.5 + 0 - 0.5) / 3)
    assert found["insertion"] == pytest.approx((4.5 + 4 + 1.5) / 3)
    assert found["lerf_minus_morf"] == pytest.approx((4 + 4) / 3)


def test_the_true_map_beats_every_other_order_of_a_linear_model():
    x, w, _, logit_of = planted(20)
    how = {"rate_hz": RATE_HZ, "window_s": 0.2, "fill": "zero"}
    true = faithful.deletion_scores(faithful.deletion_curves(logit_of, x, x * w, **how))
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(size=x.shape)
        other = faithful.deletion_scores(
            faithful.deletion_curves(logit_of, x, x * w + noise, **how)
        )
        assert (true["lerf_minus_morf"] >= other["lerf_minus_morf"] - 1e-6).all()
    mirrored = faithful.deletion_scores(faithful.deletion_curves(logit_of, x, -x * w, **how))
    np.testing.assert_allclose(mirrored["lerf_minus_morf"], -true["lerf_minus_morf"], atol=1e-5)


def test_units_of_the_last_window_may_be_short():
    x = np.random.default_rng(0).normal(size=(2, 12, 47)).astype(np.float32)
    curves = faithful.deletion_curves(
        lambda s: s.sum((1, 2), dtype=np.float64), x, x, rate_hz=10, window_s=1.0, fill="zero"
    )
    np.testing.assert_allclose(curves.morf[:, -1], 0, atol=1e-5)
    with pytest.raises(EcgcoreError, match="shape"):
        faithful.deletion_curves(lambda s: s, x, x[:, :, :9], rate_hz=10)


def test_every_control_loses_against_the_planted_weights():
    x, w, mask, logit_of = planted(60)
    controls = faithful.control_maps(x, seed=1)
    result = faithful.suite(
        {"imn": w * x},
        controls,
        mask=mask & (w * x > 0),
        logit_of=logit_of,
        x=x,
        rate_hz=RATE_HZ,
        donor=x[faithful.derangement(len(x), 0)],
        n_resamples=200,
        seed=0,
    )
    assert set(result.verdicts["verdict"]) == {"control loses"}
    assert {"deletion_bridge", "insertion_donor"} <= set(result.scores["metric"])
    faithful.require_controls_lose(result, strict=True)
    best = result.scores.query("method == 'imn' and metric == 'mass_accuracy'").iloc[0]
    assert best["value"] == pytest.approx(1)
    assert len(result.records) == 3 * len(x)


def test_a_method_that_knows_nothing_is_refused():
    x, w, mask, _ = planted()
    result = faithful.suite(
        {"good": w * x, "absolute": np.abs(x)},
        {"random": faithful.control_maps(x, seed=3)["random"], "twin": np.abs(x)},
        mask=mask & (w * x > 0),
        n_resamples=100,
        seed=0,
    )
    with pytest.raises(EcgcoreError, match="absolute against twin"):
        faithful.require_controls_lose(result)
    faithful.require_controls_lose(result, methods=["good"])
    with pytest.raises(EcgcoreError, match="nothing to score"):
        faithful.suite({"a": x}, {}, seed=0)
    with pytest.raises(EcgcoreError, match="both"):
        faithful.suite({"a": x}, {"a": x}, seed=0, mask=mask)


def test_control_maps_are_what_they_say():
    x, w, *_ = planted(4)
    weights = np.stack([w * k for k in range(1, 5)])
    maps = faithful.control_maps(x, seed=0, weights=weights)
    assert set(maps) == {"random", "abs_signal", "other_record"}
    partner = faithful.derangement(4, 0)
    assert (partner != np.arange(4)).all()
    assert sorted(partner) == [0, 1, 2, 3]
    np.testing.assert_array_equal(maps["other_record"], weights[partner] * x)
    np.testing.assert_array_equal(maps["random"], faithful.control_maps(x, seed=0)["random"])
    assert (maps["random"] != faithful.control_maps(x, seed=1)["random"]).any()


def test_weights_of_another_record_lose_where_w_follows_the_beats():
    """W that marks each record's own event: another record's W points elsewhere."""
    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(size=(40, 12, 200))).astype(np.float32)
    weights, starts = np.zeros_like(x), rng.integers(0, 180, 40)
    for record, start in enumerate(starts):
        weights[record, record % 12, start : start + 20] = 1.0
    controls = faithful.control_maps(x, seed=0, weights=weights)
    result = faithful.suite(
        {"imn": weights * x}, controls, mask=weights > 0, n_resamples=200, seed=0
    )
    faithful.require_controls_lose(result, strict=True)


def test_bias_and_weights_tell_a_leak_from_an_explanation():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    signal, nothing = 2 * y + rng.normal(size=400), 0.01 * rng.normal(size=400)
    honest = faithful.bias_and_weights(y, nothing, signal, n_resamples=200, seed=0)["value"]
    leaking = faithful.bias_and_weights(y, signal, nothing, n_resamples=200, seed=0)["value"]
    assert honest["auroc_explained"] > 0.9 > 0.6 > honest["auroc_bias"]
    assert honest["bias_share"] < 0.05
    assert leaking["auroc_bias"] > 0.9 > 0.6 > leaking["auroc_explained"]
    assert leaking["bias_share"] > 0.95
    assert honest["auroc_logit"] == pytest.approx(leaking["auroc_logit"])


def test_weights_and_gradient_of_a_linear_model_agree():
    w = np.random.default_rng(0).normal(size=(3, 12, 20))
    same = faithful.gradient_agreement(w, w)
    np.testing.assert_allclose(same, 1)
    np.testing.assert_allclose(faithful.gradient_agreement(2 * w, -w), [[-1, 2]] * 3)
    assert isinstance(same, pd.DataFrame)


def test_cascading_randomisation_ends_untrained():
    model = models.build("cnn1d", rate_hz=RATE_HZ, n_samples=N_SAMPLES, seed=1)
    fresh = models.build("cnn1d", rate_hz=RATE_HZ, n_samples=N_SAMPLES, seed=2)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    x = planted(2)[0]
    steps = list(faithful.randomised(model, fresh))
    outputs = [explain.positive_logits(m, x) for _, m in steps]
    np.testing.assert_array_equal(outputs[-1], explain.positive_logits(fresh, x))
    assert (outputs[0] != explain.positive_logits(model, x)).any()
    changed = [
        sum(not torch.equal(v, before[k]) for k, v in m.state_dict().items()) for _, m in steps
    ]
    assert changed == sorted(changed)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_suite_on_a_network(simulated_archive):
    """The whole path on simulated records with masks; the network is untrained, so no verdict."""
    from ecgcore.ptbxl import Archive
    from ecgcore.signals import preprocess

    archive = Archive(simulated_archive)
    chosen = archive.table.index[:4]
    evidence = archive.evidence(100, chosen)[..., :400]
    x = preprocess(archive.signals(100, chosen), 100, 100)[..., :400]
    model = models.build("imn", rate_hz=100, n_samples=x.shape[-1])
    parts = explain.decompose(model, x)
    result = faithful.suite(
        {"imn": parts.contribution},
        faithful.control_maps(x, seed=0, weights=parts.weights),
        mask=np.abs(evidence) > 0.02,
        logit_of=functools.partial(explain.positive_logits, model),
        x=x,
        rate_hz=100,
        n_resamples=50,
        seed=0,
    )
    table = result.scores.set_index(["method", "metric"])["value"]
    assert np.isfinite(table["imn", "deletion_bridge"])
    assert table.index.get_level_values("method").nunique() == 4

"""What needs the network run again, and what must stay when nothing of weight has changed."""

import functools

import numpy as np
import pandas as pd
import pytest
import torch
from captum import metrics as captum_metrics
from scipy.stats import spearmanr

from ecgcore import explain, faithful, models
from ecgcore.errors import EcgcoreError
from ecgcore.faithful.suite import rerun_scores

RATE_HZ = 50


def linear(seed: int = 0, n: int = 6):
    """Records, weights and the linear model's logit."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 12, 100)).astype(np.float32)
    w = rng.normal(size=(12, 100)).astype(np.float32)
    return x, w, lambda s: (s * w).sum((1, 2), dtype=np.float64) + 0.3


def units(x, logit_of, fill="zero", **options):
    return faithful.Units(logit_of, x, RATE_HZ, 0.2, fill, **options)


def test_a_linear_model_is_foretold_to_the_last_digit():
    x, w, logit_of = linear()
    cut = units(x, logit_of)
    falls = faithful.random_falls(cut, n_draws=12, seed=0)
    assert falls.taken_out.shape == (12, 6, 12, 10)
    assert 0.05 < falls.taken_out.mean() < 0.15
    true = faithful.foretold(cut, w * x, falls)
    np.testing.assert_allclose(true["faithfulness_correlation"], 1, atol=1e-6)
    np.testing.assert_allclose(true["infidelity"], 0, atol=1e-6)
    scaled = faithful.foretold(cut, 1000 * w * x, falls)
    np.testing.assert_allclose(scaled["infidelity"], 0, atol=1e-6)
    mirrored = faithful.foretold(cut, -w * x, falls)
    np.testing.assert_allclose(mirrored["faithfulness_correlation"], -1, atol=1e-6)
    flat = faithful.foretold(cut, np.ones_like(x) * 0, falls)
    np.testing.assert_allclose(flat, [[0, 1]] * 6)


def test_infidelity_is_captums_with_the_units_taken_out_as_perturbation():
    model = models.build("cnn1d", rate_hz=RATE_HZ, n_samples=100, seed=1).eval()
    x = linear()[0][:2]
    attribution = explain.attribute(model, x, "input_x_gradient")
    cut = units(x, functools.partial(explain.positive_logits, model))
    falls = faithful.random_falls(cut, n_draws=15, seed=3)
    ours = faithful.foretold(cut, attribution, falls)["infidelity"]
    forward, draws = explain.PositiveLogit(model), iter(falls.taken_out)

    def perturb(inputs):
        """One draw for all records; captum divides by x where attributions hold x already."""
        out = torch.from_numpy(np.repeat(next(draws), cut.size, axis=-1)[..., :100])
        return out.float(), inputs * ~out

    errors = []
    for _ in range(15):
        errors.append(
            captum_metrics.infidelity(
                forward,
                perturb,
                torch.from_numpy(x),
                torch.from_numpy(attribution),
                n_perturb_samples=1,
                normalize=False,
            )
        )
    plain = torch.stack(errors).mean(0).numpy()
    foretold = (cut.sums(attribution) * falls.taken_out).sum((2, 3))
    np.testing.assert_allclose(((foretold - falls.fall) ** 2).mean(0), plain, rtol=1e-3)
    best = (foretold * falls.fall).mean(0) / (foretold**2).mean(0)
    expected = ((best * foretold - falls.fall) ** 2).mean(0) / (falls.fall**2).mean(0)
    np.testing.assert_allclose(ours, expected, rtol=1e-6)


def test_what_units_have_in_common_is_run_once():
    x, w, logit_of = linear()
    runs = []

    def counted(signals):
        runs.append(len(signals))
        return logit_of(signals)

    cut = units(x, counted)
    maps = {"true": w * x, "noise": np.random.default_rng(1).normal(size=x.shape)}
    table, curves = rerun_scores(maps, [cut], fractions=(0.1, 1.0))
    assert len(runs) == 2 + 2 * 2  # whole and emptied once, then two orders of each map
    assert set(curves["method"]) == set(maps)
    mean = table.groupby("method")["lerf_minus_morf_zero"].mean()
    assert mean["true"] > abs(mean["noise"])
    with pytest.raises(EcgcoreError, match="shape"):
        cut.sums(x[:, :, :50])


def test_max_sensitivity_of_a_linear_model_by_hand_and_against_captum():
    x, w, _ = linear(n=3)
    found = faithful.max_sensitivity(lambda s: s * w, x, radius=0.1, n_draws=4, seed=2)
    rng, worst = np.random.default_rng(2), np.zeros(3)
    for _ in range(4):
        noise = rng.uniform(-0.1, 0.1, x.shape).astype(np.float32)
        change = np.linalg.norm((noise * w).reshape(3, -1), axis=1)
        worst = np.maximum(worst, change / np.linalg.norm((x * w).reshape(3, -1), axis=1))
    np.testing.assert_allclose(found, worst, rtol=1e-3)
    still = faithful.max_sensitivity(lambda s: np.ones_like(s) * w, x, seed=0)
    np.testing.assert_allclose(still, 0, atol=1e-12)
    torch.manual_seed(0)
    weights = torch.from_numpy(w)
    theirs = captum_metrics.sensitivity_max(
        lambda s: (s[0] * weights,), torch.from_numpy(x), perturb_radius=0.1, n_perturb_samples=4
    )
    np.testing.assert_allclose(found, theirs.numpy(), rtol=0.1)  # other draws, the same size


def test_rank_agreement_is_spearmans():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 4, 12, 30))
    expected = [spearmanr(a.ravel(), b.ravel())[0] for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(faithful.rank_agreement(one, other), expected)
    np.testing.assert_allclose(faithful.rank_agreement(one, np.exp(one)), 1)
    np.testing.assert_allclose(faithful.rank_agreement(one, -one), -1)
    assert np.isnan(faithful.rank_agreement(one, np.zeros_like(one))).all()
    shifted = np.roll(one, 1, axis=-1)
    pooled = faithful.rank_agreement(one, shifted, pool_samples=10)
    assert (pooled > faithful.rank_agreement(one, shifted)).all()


def test_a_map_that_follows_the_beats_survives_a_shift_and_a_fixed_one_does_not():
    x, w, _ = linear()
    follows = faithful.shift_agreement(lambda s: np.abs(s) ** 3, x, shift_samples=7)
    np.testing.assert_allclose(follows, 1)
    fixed = faithful.shift_agreement(lambda s: np.broadcast_to(w, s.shape), x, shift_samples=7)
    assert np.abs(fixed).max() < 0.2
    calm = faithful.noise_agreement(lambda s: s * w, x, noise=0.01, seed=5)
    wild = faithful.noise_agreement(lambda s: s * w, x, noise=3.0, seed=5)
    assert calm.min() > 0.98 > 0.9 > wild.max()


def test_gini_by_hand():
    np.testing.assert_allclose(faithful.gini(np.array([[1.0, 1, 1, 1], [0, 0, 0, -5]])), [0, 0.75])
    np.testing.assert_allclose(faithful.gini(np.array([[1.0, 3]])), [0.25])
    assert np.isnan(faithful.gini(np.zeros((1, 4)))).all()


def test_seeds_are_averaged_before_methods_meet_controls():
    rows = [
        ("imn", 0, 0.4),
        ("imn", 0, 0.8),
        ("imn", 1, 0.9),
        ("random", 0, 0.5),
        ("random", 1, 0.2),
    ]
    records = pd.DataFrame(rows, columns=["method", "record", "mass_accuracy"])
    result = faithful.compared(records, ["random"], n_resamples=100, seed=0)
    value = result.scores.set_index("method").loc["imn"]
    assert value["value"] == pytest.approx((0.6 + 0.9) / 2)
    assert value["n"] == 2
    assert result.verdicts["difference"].tolist() == [pytest.approx((0.1 + 0.7) / 2)]


def test_where_less_is_better_the_difference_is_turned():
    rows = [("imn", k, 0.1 + 0.01 * k) for k in range(9)] + [("random", k, 0.9) for k in range(9)]
    records = pd.DataFrame(rows, columns=["method", "record", "infidelity"])
    result = faithful.compared(records, ["random"], n_resamples=100, seed=0)
    assert result.verdicts["verdict"].tolist() == ["control loses"]
    assert result.verdicts["difference"].iloc[0] > 0


class Planted(torch.nn.Module):
    """An IMN whose W is known: it marks one stretch of one lead, wherever the largest sample is."""

    n_outputs, receptive_field, widest_units = 1, 1, 12

    def __init__(self, trained: bool = True):
        super().__init__()
        self.spec = models.ModelSpec("imn", RATE_HZ, 100, 12, {})
        self.level = torch.nn.Parameter(torch.tensor(2.0 if trained else 0.0))

    def forward(self, x):
        weights = torch.sigmoid(8 * (x - self.level))[:, None]
        bias = torch.zeros(len(x), 1)
        return models.IMNOutput((weights * x[:, None]).sum((2, 3)) + bias, weights, bias)


def test_every_control_loses_on_an_imn_with_known_weights():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.3, size=(30, 12, 100)).astype(np.float32)
    mask = np.zeros(x.shape, bool)
    for record in range(30):
        start = rng.integers(0, 90)
        mask[record, record % 12, start : start + 10] = True
    x[mask] += 4.0
    found = faithful.examine(
        Planted(), x, ["imn", "input_x_gradient"], rate_hz=RATE_HZ, seed=0,
        masks={"evidence": mask}, effort=faithful.Effort(n_rerun=30),
        donor=x[faithful.derangement(30, 0)] * ~mask,
    )  # fmt: skip
    controls = {"random", "abs_signal", "other_record", "bias_only", "untrained"}
    assert set(found.records.query("control")["method"]) == controls
    metrics = ["mass_accuracy", "auprc", "lerf_minus_morf_bridge", "faithfulness_correlation"]
    scored = found.records[["method", "record", *metrics]]
    result = faithful.compared(scored, sorted(controls), n_resamples=200, seed=0)
    own = [m for m in controls if m != "abs_signal"]  # |x| is as good as W * x where W is a gate
    hard = result.verdicts[result.verdicts["control"].isin(own)]
    assert set(hard.query("method == 'imn'")["verdict"]) == {"control loses"}
    assert faithful.unbeaten(result, methods=["random"]) == []
    table = found.records.query("method == 'imn'")
    assert (table["bias_share"] == 0).all()
    assert table["gini"].min() > 0.9
    assert set(found.cost["method"]) == {"imn", "input_x_gradient"}
    assert {"bridge", "donor"} == set(found.curves["fill"])


def test_a_black_box_is_examined_without_a_w():
    model = models.build("cnn1d", rate_hz=RATE_HZ, n_samples=100, seed=1)
    x = linear()[0][:4]
    effort = faithful.Effort(n_rerun=2, n_steps=2, n_runs=30, shap_window_s=1.0)
    found = faithful.examine(
        model, x, ["imn", "grad_cam", "integrated_gradients", "kernel_shap"],
        rate_hz=RATE_HZ, seed=0, effort=effort, logit_sd=2.0,
    )  # fmt: skip
    assert "imn" not in set(found.records["method"])
    assert "cosine" not in found.records
    by_method = found.cost.set_index("method")["n"].to_dict()
    assert by_method == {"grad_cam": 4, "integrated_gradients": 2, "kernel_shap": 2}
    assert found.records.groupby("method").size().max() == 2


NETWORKS = ("imn", "imn_categorical", "imn_direct", "imn_plus", "blackbox_cnn2d", "xresnet1d101")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_of_the_chapter_can_be_examined(name):
    """Found when the study recorded no imn_direct: its untrained control asked for a zero head."""
    rate_hz = 25
    model = models.build(name, rate_hz=rate_hz, n_samples=3 * rate_hz, seed=1).eval()
    x = np.random.default_rng(0).normal(size=(2, 12, 3 * rate_hz)).astype(np.float32)
    effort = faithful.Effort(n_rerun=2, n_steps=2, n_draws=4)
    methods = ["imn", "saliency"]
    found = faithful.examine(model, x, methods, rate_hz=rate_hz, seed=0, effort=effort)
    own = {"imn"} if name.startswith("imn") else set()
    assert set(found.records.query("not control")["method"]) == {"saliency"} | own
    assert "untrained" in set(found.records.query("control")["method"])

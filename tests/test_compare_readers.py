"""Two networks over several seeds: published worked examples, DeLong, and simulated luck."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

from ecgcore import compare, metrics
from ecgcore.errors import EcgcoreError

# Van Dyke et al.'s study (5 readers, 2 kinds of MRI, 114 patients) is the field's worked example;
# figures as printed by MRMCaov (Smith & Hillis) in its authors' article about it.
SENSITIVITY = np.array([[40, 35, 37, 42, 31], [44, 37, 41, 45, 40]]) / 45
AUROC = np.array(
    [
        [0.9196457, 0.8587762, 0.9038647, 0.9731079, 0.8297907],
        [0.9478261, 0.9053140, 0.9217391, 0.9993559, 0.9299517],
    ]
)


def covariance(variance: float, cov1: float, cov2: float, cov3: float, n: int = 5) -> np.ndarray:
    """As the model has it: same network (other seed): cov2; other network: cov1, cov3."""
    same_seed = np.eye(n)
    within = np.where(same_seed, variance, cov2)
    across = np.where(same_seed, cov1, cov3)
    return np.block([[within, across], [across, within]]).reshape(2, n, 2, n)


@pytest.mark.parametrize(
    ("values", "parts", "expected"),
    [
        (
            SENSITIVITY,
            (0.0023681257, 0.0009943883, 0.0010145903, 0.0006604938),
            (-0.09777778, 0.03780451, 15.71732, -0.1780371, -0.0175185, 0.02008822),
        ),
        (
            AUROC,
            (0.0007921325, 0.0003420090, 0.0003395265, 0.0002358497),
            (-0.04380032, 0.0206825, 15.06611, -0.0878671960, 0.0002665519, 0.05123303),
        ),
        (
            AUROC,  # cases nested in readers: no covariance is left, and the readers decide alone
            (0.0008079682, 0.0003490676, 0, 0),
            (-0.04380032, 0.01484629, 4, -0.08502022, -0.00258042, 0.04195875),
        ),
    ],
)
def test_the_published_worked_example(values, parts, expected) -> None:
    found = compare.obuchowski_rockette(values, covariance(*parts))
    got = [found.difference, found.se, found.degrees_of_freedom, found.low, found.high, found.p]
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-7)
    assert found.n_seeds == 5


def runs(
    shift: float, seeds: int, *, luck: float = 0.0, draw: int = 0, n: int = 400
) -> dict[int, pd.DataFrame]:
    """Predictions by seed: one truth and one difficulty of records, ``luck`` of a seed's own."""
    rng = np.random.default_rng(draw)
    y = (rng.random(n) < 0.3).astype(int)
    hard = rng.normal(size=n)
    found = {}
    for k in range(seeds):
        own = np.random.default_rng([draw, k, int(1000 * shift)])
        logit = (1.5 + shift + luck * own.normal()) * y + hard + 0.7 * own.normal(size=n)
        found[k] = pd.DataFrame(
            {
                "ecg_id": np.arange(n), "patient_id": np.arange(n) // 2, "y_true": y,
                "score": expit(logit - 1), "ranking": metrics.ranking(logit),
            }
        )  # fmt: skip
    return found


def test_one_seed_is_delongs_test() -> None:
    a, b = runs(0.5, 1), runs(0.0, 1)
    found = compare.difference_over_seeds(a, b)
    frame = a[0]
    expected = compare.delong(frame.y_true, frame.ranking, b[0].ranking, groups=frame.patient_id)
    for key in ("difference", "low", "high", "se", "p"):
        assert getattr(found, key) == pytest.approx(getattr(expected, key), abs=1e-12), key
    assert np.isinf(found.degrees_of_freedom)


def test_bootstrap_covariance_agrees_with_delongs() -> None:
    """AUPRC has no formula; AUROC has, so that the way of the others can be judged by it."""
    a, b = runs(0.4, 3, luck=0.2), runs(0.0, 3, luck=0.2)
    exact = compare.difference_over_seeds(a, b)
    y, groups = a[0].y_true, a[0].patient_id
    scores = [frame.ranking for side in (a, b) for frame in side.values()]
    resampled = compare.resample_metrics(
        y, scores, metrics=["auroc"], groups=groups, n_resamples=1500, seed=1
    )
    values = np.array([metrics.evaluate(y, s)["auroc"] for s in scores]).reshape(2, 3)
    cov = np.cov(np.stack([r["auroc"] for r in resampled])).reshape(2, 3, 2, 3)
    assert compare.obuchowski_rockette(values, cov).se == pytest.approx(exact.se, rel=0.1)
    other = compare.difference_over_seeds(a, b, metric="sensitivity", n_resamples=300)
    assert other.low < other.difference < other.high
    assert other.a == pytest.approx(
        np.mean([metrics.evaluate(f.y_true, f.score)["sensitivity"] for f in a.values()])
    )


def test_intervals_hold_for_other_seeds_and_other_patients() -> None:
    """No true difference, luck in both: 95 % intervals hold 0 in about 95 % of studies."""
    held = {"all": 0, "patients only": 0}
    for draw in range(100):
        a, b = runs(0.0, 3, luck=0.5, draw=draw), runs(0.001, 3, luck=0.5, draw=draw)
        found = compare.difference_over_seeds(a, b)
        held["all"] += found.low <= 0 <= found.high
        alone = compare.difference_over_seeds({0: a[0]}, {0: b[0]})
        held["patients only"] += alone.low <= 0 <= alone.high
    assert stats.binom.cdf(held["all"], 100, 0.95) > 0.01
    assert held["patients only"] < 88  # what one seed cannot know


def test_verdicts_over_seeds() -> None:
    base = runs(0.0, 3)
    table = compare.seeds_against_reference(
        {"base": base, "same": base, "better": runs(1.5, 3)}, "base", margin=0.01
    ).set_index("name")
    assert table.verdict.to_dict() == {"same": "equivalent", "better": "different"}
    assert table.difference["better"] > 0
    assert table.equivalence_p["same"] == 0 < 0.9 < table.equivalence_p["better"]


def test_only_common_seeds_and_records_count() -> None:
    a, b = runs(0.5, 3), runs(0.0, 2)
    assert compare.difference_over_seeds(a, b).n_seeds == 2
    fewer = {k: frame.iloc[::-1].head(300) for k, frame in a.items()}
    expected = compare.difference_over_seeds(
        {k: f.tail(300) for k, f in a.items()}, {k: f.tail(300) for k, f in b.items()}
    )
    found = compare.difference_over_seeds(fewer, b)
    assert found.difference == pytest.approx(expected.difference, abs=1e-12)
    with pytest.raises(EcgcoreError, match="No seed in common"):
        compare.difference_over_seeds({1: a[1]}, {0: b[0]})
    with pytest.raises(EcgcoreError, match="same records"):
        compare.difference_over_seeds({0: a[0].assign(ecg_id=-1 - a[0].ecg_id)}, {0: b[0]})
    with pytest.raises(EcgcoreError, match="'none'"):
        compare.seeds_against_reference({"a": a}, "none", margin=0.01)

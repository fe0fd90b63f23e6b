"""The temperature against planted miscalibration and the optimum's conditions."""

import numpy as np
import pytest
from scipy.special import expit

from ecgcore.errors import EcgcoreError
from ecgcore.statistics import fit_temperature


@pytest.mark.parametrize("intercept", [0.0, -1.5])
def test_temperature_is_at_the_minimum(intercept):
    rng = np.random.default_rng(0)
    true = rng.normal(-1, 2, 20_000)
    y, logits = (rng.random(true.size) < expit(true)).astype(int), 2 * true
    temperature = fit_temperature(y, logits, intercept=intercept)
    gradient = np.mean((expit(logits / temperature + intercept) - y) * logits)
    assert gradient == pytest.approx(0, abs=1e-5)
    assert intercept or temperature == pytest.approx(2, rel=0.05)


def test_one_class_cannot_be_calibrated():
    with pytest.raises(EcgcoreError, match="both classes"):
        fit_temperature([1, 1], [0.3, 0.4])

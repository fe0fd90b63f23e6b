"""Lines through costs that are known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgcore import growth, plots
from ecgcore.errors import EcgcoreError

SIZES = np.array([500, 2000, 8000, 22000])


def costs(fixed: float, per_record: float) -> pd.DataFrame:
    value = fixed + per_record * SIZES
    return pd.DataFrame({"step": "read", "rate_hz": 100, "records": SIZES, "seconds": value,
                         "peak_mib": value * 2, "disk_mib": 0.0})  # fmt: skip


@given(st.floats(0.01, 100), st.floats(1e-4, 1))
def test_a_straight_line_is_found_and_continued(fixed, per_record):
    lines = growth.slopes(costs(fixed, per_record))
    assert list(lines["cost"]) == ["seconds", "peak_mib"]  # nothing on the disk
    found = lines.iloc[0]
    assert found["per_record"] == pytest.approx(per_record, rel=1e-6)
    assert found["fixed"] == pytest.approx(fixed, rel=1e-3, abs=1e-6)
    assert found["worst"] < 1e-6
    far = growth.extrapolate(lines, 10**6).iloc[0]
    assert far["hours"] == pytest.approx((fixed + per_record * 1e6) / 3600)
    assert far["memory_gib"] == pytest.approx(2 * (fixed + per_record * 1e6) / 1024)
    assert np.isnan(far["disk_gib"])


def test_growth_that_is_not_straight_is_told():
    bent = costs(1, 0.01).assign(seconds=SIZES**2 * 1e-6)
    assert growth.slopes(bent).iloc[0]["worst"] > 0.3


def test_too_few_sizes_make_no_line_and_a_missing_column_is_named():
    assert growth.slopes(costs(1, 1).head(2)).empty
    with pytest.raises(EcgcoreError, match="has no column peak_mib"):
        growth.slopes(costs(1, 1).drop(columns="peak_mib"))


def test_the_picture_has_both_costs():
    measured = costs(1, 0.01)
    fig = plots.cost_growth(measured, growth.slopes(measured))
    assert [ax.get_ylabel() for ax in fig.axes] == ["time [s]", "peak memory [GiB]"]
    assert [len(ax.lines) for ax in fig.axes] == [2, 2]

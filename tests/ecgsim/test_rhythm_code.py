"""Limits of the rhythm statements: the documented ones are those of the code."""

import re
from types import SimpleNamespace

from ecgsim.table import rhythm_code


def test_bradycardia_and_tachycardia_begin_where_the_text_says() -> None:
    def code_at(rate_bpm: float) -> str:
        rhythm = SimpleNamespace(mean_rr_s=60 / rate_bpm, rr_cv=0.02, episode_s=None)
        return rhythm_code(SimpleNamespace(rhythm=rhythm))

    below, above = map(int, re.findall(r"\d+", rhythm_code.__doc__ or ""))
    rates_bpm = (below - 1, below, above, above + 1)
    assert [code_at(rate) for rate in rates_bpm] == ["SBRAD", "SR", "SR", "STACH"]

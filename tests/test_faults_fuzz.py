"""Anything may be fed to the readers: it is read as others read it, or refused in words."""

import pytest
from fuzz_kit import TARGETS, Target
from hypothesis import HealthCheck, given, settings

EXAMPLES = 150


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_read_as_others_read_it_or_refused(target: Target) -> None:
    accepted = []

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def every(example: object) -> None:
        accepted.append(target.check(example))

    every()
    assert 0.02 < sum(accepted) / len(accepted) < 0.98, (
        "the inputs must be neither all good nor bad"
    )

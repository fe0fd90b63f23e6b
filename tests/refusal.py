"""A check of refusals: an EcgcoreError of one line that contains the helpful words."""

from collections.abc import Callable
from typing import Any

import pytest

from ecgcore.errors import EcgcoreError


def refused(words: str, call: Callable[..., Any], *given: Any, **options: Any) -> None:
    """Check that a call raises one line that matches a regular expression."""
    with pytest.raises(EcgcoreError, match=words) as caught:
        call(*given, **options)
    assert "\n" not in str(caught.value)

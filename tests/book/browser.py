"""Chromium without a network, for the tests that open pages."""

import os
import shutil
from typing import NoReturn

import pytest

# The last four keep Chromium from using the network for its own purposes.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1400, "height": 900}


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail if this machine is expected to have what is missing."""
    if os.environ.get("ECGCORE_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


def chromium() -> str:
    """Return the path of the browser."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    return program or missing("no Chromium on this machine: run .ci/install-browser")

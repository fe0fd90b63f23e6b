"""Chromium without a network, for the tests that open pages."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

# The last four keep Chromium itself from asking the network for its own purposes.
CHROMIUM = [
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


def missing(reason: str) -> None:
    """Skip, unless this machine promised to have what is missing."""
    if os.environ.get("ECGCORE_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def offline_browser() -> Iterator[Any]:
    """A browser whose pages have no network; Playwright allows one per process."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        missing("no Chromium on this machine: run .ci/install-browser")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield browser.new_context(offline=True, viewport=DESKTOP)
        browser.close()

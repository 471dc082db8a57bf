"""Chromium for tests marked `browser`: `chromium` on the path, or another by RESSEARCH_CHROMIUM."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-quic", "--no-first-run"),
)


@contextmanager
def launched() -> Iterator[Any]:
    """A headless browser of Playwright."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("RESSEARCH_CHROMIUM") or shutil.which("chromium")
    assert path is not None, "no Chromium: install it, or set RESSEARCH_CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()

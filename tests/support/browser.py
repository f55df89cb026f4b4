"""What the tests of the web page share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
SIZES = {"phone": PHONE, "desktop": DESKTOP}

PATIENCE = 50.0
"""Seconds, long enough for a busy machine."""

Open = Callable[..., Any]
"""Opens the page of a server in a new window and returns Playwright's page."""


def until(page: Any, expression: str) -> None:
    """Wait until an expression in the page is true. Playwright's own way is one that the page's
    policy forbids."""
    end = time.monotonic() + PATIENCE
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(30)

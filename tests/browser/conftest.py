"""A Chromium, and windows of a phone's and a desktop's size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import PATIENCE, SIZES, Open
from tests.support.live_server import Live, live
from tests.support.scripted_generator import ScriptedGenerator


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A running Chromium."""
    executable = os.environ.get("SDTUI_TEST_BROWSER")
    if executable is None:
        pytest.skip("SDTUI_TEST_BROWSER names no Chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Open]:
    """Opens pages; afterwards fails if any of them wrote an error to its console."""
    errors: list[str] = []
    with ExitStack() as stack:

        def open_page(
            url: str, size: str = "desktop", allowed: str = "no error", **options: Any
        ) -> Any:
            context = chromium.new_context(**SIZES[size], **options)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(PATIENCE * 1000)

            def note(message: Any) -> None:
                is_expected = allowed in message.text or "CONNECTION_REFUSED" in message.text
                if message.type in ("error", "warning") and not is_expected:
                    errors.append(message.text)

            page.on("console", note)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(url)
            return page

        yield open_page
    assert errors == []


@pytest.fixture(scope="session")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with the pocket model."""
    with live(tmp_path_factory.mktemp("pocket")) as running:
        yield running


@pytest.fixture
def generator() -> ScriptedGenerator:
    """The generator of `scripted`."""
    return ScriptedGenerator()


@pytest.fixture
def scripted(tmp_path: Path, generator: ScriptedGenerator) -> Iterator[Live]:
    """A server with a scripted generator and a queue of at most two jobs."""
    with live(tmp_path, lambda _: generator, queue_limit=2, grace=5) as running:
        yield running
        generator.hold.clear()

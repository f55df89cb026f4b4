"""An app for tests that never sees the terminal of who runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.app_harness import AppHarness


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the terminal or the connection counts."""
    for name in ("NO_COLOR", "SSH_CONNECTION", "SSH_TTY", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


@pytest.fixture
def harness(tmp_path: Path) -> AppHarness:
    """An app that isn't running yet."""
    return AppHarness(tmp_path)

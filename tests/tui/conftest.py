"""An app that doesn't depend on the terminal in which tests run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.app_harness import AppHarness


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the variables of the user's terminal and connection."""
    for name in ("NO_COLOR", "SSH_CONNECTION", "SSH_TTY", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


@pytest.fixture
def harness(tmp_path: Path) -> AppHarness:
    """An app that isn't running yet."""
    return AppHarness(tmp_path)

"""Commands in the test's process."""

from __future__ import annotations

import pytest

from tests.support.command import Command, command


@pytest.fixture
def sdtui(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs `sdtui` with arguments."""
    return command(monkeypatch, capfd)

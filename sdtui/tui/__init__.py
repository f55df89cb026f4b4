"""The app in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdtui.core.settings import Settings


def run_app(settings: Settings) -> int:
    """Run the app until someone quits; returns the exit code. Without a terminal it says in one
    line what to use instead, and returns 2."""
    from sdtui.tui.launch import launch

    return launch(settings)

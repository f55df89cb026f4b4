"""Opening the app."""

from __future__ import annotations

from sdtui.core.runtime import pause_garbage_collection, skip_pydantic_plugins


def open_app() -> int:
    """Run the app; returns its exit code."""
    skip_pydantic_plugins()
    pause_garbage_collection()  # until the window is seen
    from sdtui.cli.backend import open_backend
    from sdtui.cli.logs import log_to_file
    from sdtui.core.settings import load_settings
    from sdtui.tui import run_app

    log_to_file()
    settings = load_settings()
    return run_app(
        settings, lambda sample_interval: open_backend(settings, sample_interval=sample_interval)
    )

"""Opening the app."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sdtui.core.runtime import (
    pause_garbage_collection,
    share_one_arena,
    skip_pydantic_plugins,
)


def open_app(connect: str | None = None) -> int:
    """Run the app; returns its exit code. `connect` is where its backend is, by default as it is
    configured."""
    skip_pydantic_plugins()
    pause_garbage_collection()  # until the window is seen
    from sdtui.cli.backend import open_app_backend
    from sdtui.cli.logs import log_to_file
    from sdtui.core.places import HERE, parse_place
    from sdtui.core.settings import load_settings
    from sdtui.tui import run_app

    log_to_file()
    settings = load_settings()
    if connect is not None:
        settings = replace(settings, connect=connect)
        parse_place(connect)  # a wrong one is reported before the window opens
    if settings.connect not in ("", HERE):
        share_one_arena()
    return run_app(settings, partial(open_app_backend, settings))

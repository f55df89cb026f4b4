"""Opening the app."""

from __future__ import annotations

import gc
import os


def open_app() -> int:
    """Run the app; returns its exit code."""
    # pydantic's plugins: looking for them reads the metadata of every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()  # nothing made at start is garbage; the app turns it on when it is seen
    from sdtui.cli.logs import log_to_file
    from sdtui.core.settings import load_settings
    from sdtui.tui import run_app

    log_to_file()
    return run_app(load_settings())

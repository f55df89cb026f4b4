"""Saving the log as it is shown."""

from __future__ import annotations

import time

from sdtui.core import paths
from sdtui.core.files import write_atomic
from sdtui.tui.context import AppContext


def save_log(context: AppContext, text: str) -> None:
    """Write the log to a new file in the state folder, and say where it is."""
    file = paths.state_folder() / f"log-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    try:
        write_atomic(file, text.encode())
    except OSError as error:
        context.notify(f"The log can't be saved: {error}", severity="error")
    else:
        context.notify(f"The log is in {file}")

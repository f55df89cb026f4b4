"""The whole app in a real terminal, with a scripted generator in place of the engine:
`python -m tests.tui.scripted_app [seconds a step]`."""

from __future__ import annotations

import sys

from sdtui.core.settings import load_settings
from sdtui.jobs import JobQueue
from sdtui.tui.launch import launch
from tests.tui.scripted import ScriptedGenerator

if __name__ == "__main__":
    step_seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.02
    sys.exit(
        launch(
            load_settings(),
            lambda settings, store: JobQueue(
                settings,
                store,
                lambda _: ScriptedGenerator(step_seconds),  # type: ignore[arg-type, return-value]
            ),
        )
    )

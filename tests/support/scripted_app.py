"""The whole app in a real terminal, with a scripted generator in place of the engine:
`python -m tests.support.scripted_app [seconds a step] [--busy] [--hold-at-picture=INDEX]`."""

from __future__ import annotations

import sys
import time
from typing import Any

from sdtui.core.settings import Settings, load_settings
from sdtui.jobs.backends.local import LocalBackend
from sdtui.tui.launch import launch
from tests.support.scripted_generator import ScriptedGenerator


class BusyGenerator(ScriptedGenerator):
    """Imports torch as the real one does, and keeps every core busy during a step."""

    def __init__(self, step_seconds: float) -> None:
        import diffusers  # noqa: F401
        import torch

        super().__init__(step_seconds)
        self._weights = torch.rand(1500, 1500)

    def step(self) -> None:
        """Multiply until the step's time is over."""
        end = time.monotonic() + self.step_seconds
        while time.monotonic() < end:
            self._weights @ self._weights


def make_generator(settings: Settings) -> Any:
    """On the worker's thread."""
    seconds = [float(each) for each in sys.argv[1:] if not each.startswith("-")]
    kind = BusyGenerator if "--busy" in sys.argv else ScriptedGenerator
    generator = kind(seconds[0] if seconds else 0.02)
    for each in sys.argv[1:]:
        if each.startswith("--hold-at-picture="):
            generator.hold_at_picture = int(each.partition("=")[2])
    return generator


if __name__ == "__main__":
    settings = load_settings()
    sys.exit(launch(settings, lambda _: LocalBackend(settings, make_generator=make_generator)))

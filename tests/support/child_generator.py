"""A generator for the process of a worker, controlled by what a request's prompt says."""

from __future__ import annotations

import time

from sdtui.core.settings import Settings
from tests.support.scripted_generator import ScriptedGenerator


class ChildGenerator(ScriptedGenerator):
    """Makes pictures; fails in its first step or hangs in its second if the prompt says so."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        assert settings.device == "cpu"
        self._runs = 0
        """Runs that have done a step."""

    def step(self) -> None:
        match self.requests[-1].prompt:
            case "fail":
                raise KeyError("a fault of ours")
            case "lose":
                self.engine.is_lost = True
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            case "hang" if self._runs == len(self.requests):
                time.sleep(60)
        self._runs = len(self.requests)

"""A generator for the process of a worker, controlled by what a request's prompt says."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

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


class FileEvent(threading.Event):
    """An event that processes share: it is set while a file exists."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def set(self) -> None:
        self._file.touch()

    def clear(self) -> None:
        self._file.unlink(missing_ok=True)

    def is_set(self) -> bool:
        return self._file.exists()


@dataclass(frozen=True)
class MakeHeldGenerator:
    """Makes generators, in any process, that wait while a file exists."""

    file: Path

    def __call__(self, settings: Settings | None = None) -> ScriptedGenerator:
        generator = ScriptedGenerator()
        generator.hold = FileEvent(self.file)
        return generator

"""Two processes of a training as two threads, which exchange tensors without a network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from sdtui.core.settings import Settings
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.training.events import TrainingEvent
from sdtui.requests.training.request import TrainingRequest
from sdtui.training import run
from sdtui.training.control import TrainingControl
from sdtui.training.preparation import load_trained_model
from sdtui.training.processes import Processes

_SECONDS = 60


class TwoThreads:
    """The first is that of the test."""

    def __init__(self) -> None:
        self.events: list[TrainingEvent] = []
        """Of the second one."""
        self._barrier = threading.Barrier(2, timeout=_SECONDS)
        self._values: dict[int, torch.Tensor] = {}

    def take_part(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the next training be that of both. They load one after the other: while a model is
        loaded, weights of all threads are without data."""
        turn = threading.Lock()

        def load_alone(engine: StableDiffusionEngine, request: TrainingRequest) -> LoadedModel:
            with turn:
                return load_trained_model(engine, request)

        monkeypatch.setattr(run, "load_trained_model", load_alone)
        monkeypatch.setattr(run, "together", self._together)

    @contextmanager
    def _together(
        self, request: TrainingRequest, folder: Path, devices: list[str], _: Callable[[str], None]
    ) -> Iterator[Processes]:
        assert devices == ["cpu", "cpu"]
        settings, control = Settings(device="cpu"), TrainingControl()
        second = _InThread(1, self._exchange)
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(
                run.train_in, second, request, settings, folder, self.events.append, control
            )
            try:
                yield _InThread(0, self._exchange)
            finally:
                self._barrier.abort()
            ended.result(_SECONDS)

    def _exchange(self, number: int, values: torch.Tensor) -> list[torch.Tensor]:
        """Return the values of both, once both are there."""
        self._values[number] = values
        self._barrier.wait()
        both = [self._values[each] for each in (0, 1)]
        self._barrier.wait()
        return both


class _InThread(Processes):
    def __init__(
        self, number: int, exchange: Callable[[int, torch.Tensor], list[torch.Tensor]]
    ) -> None:
        super().__init__(number, 2)
        self._exchange = exchange

    def _reduced(self, values: torch.Tensor, operation: str) -> torch.Tensor:
        both = torch.stack(self._exchange(self.number, values))
        return both.amax(dim=0) if operation == "max" else both.sum(dim=0)

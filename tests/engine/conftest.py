"""Shared by the engine's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sdtui.core.settings import Settings
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.events import Event


@pytest.fixture
def engine() -> Iterator[StableDiffusionEngine]:
    """An engine on the CPU, empty."""
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        yield engine


@pytest.fixture(scope="module")
def shared_engine() -> Iterator[StableDiffusionEngine]:
    """One engine for a module's tests, so that they load a model once."""
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        yield engine


class Events(list[Event]):
    """A list of events that can be handed over as `report`."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def kinds(self) -> list[str]:
        """The kinds, in order."""
        return [event.kind for event in self]


@pytest.fixture
def events() -> Events:
    """An empty list that collects events."""
    return Events()

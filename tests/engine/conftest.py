"""Fixtures of the engine's tests."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sdtui.core.settings import Settings
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from tests.support.events import Events


@pytest.fixture
def engine() -> Iterator[StableDiffusionEngine]:
    """An engine on the CPU without a loaded model."""
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        yield engine


@pytest.fixture(scope="module")
def shared_engine() -> Iterator[StableDiffusionEngine]:
    """One engine for all tests of a module, so that they load a model once."""
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        yield engine


@pytest.fixture
def events() -> Events:
    """An empty list that collects events."""
    return Events()


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if anything looks up a host or connects."""

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("loading a model that is on disk went online")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

"""Servers for tests: a shared one with the pocket model, and one with a scripted generator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sdtui.core.settings import Settings
from tests.support.live_server import KEY, Live, live
from tests.support.scripted_generator import ScriptedGenerator


@pytest.fixture(scope="session")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with the pocket model."""
    with live(tmp_path_factory.mktemp("pocket"), max_pixels=128 * 128, max_pictures=4) as running:
        yield running


@pytest.fixture(scope="session")
def tiny(tiny_sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with a model that takes milliseconds, and whose pictures show nothing."""
    settings = Settings(device="cpu", model=tiny_sd1.name, model_folders=(tiny_sd1.parent,))
    folder = tmp_path_factory.mktemp("tiny")
    with live(folder, settings=settings, max_pixels=64 * 64, max_pictures=2) as running:
        yield running


@pytest.fixture
def ask(pocket: Live) -> Iterator[httpx.Client]:
    """A client of the shared server."""
    with pocket.client() as client:
        yield client


@pytest.fixture
def generator() -> ScriptedGenerator:
    """The generator of `scripted`."""
    return ScriptedGenerator()


@pytest.fixture
def scripted(tmp_path: Path, generator: ScriptedGenerator) -> Iterator[Live]:
    """A server with a scripted generator and a queue of at most two jobs."""
    with live(tmp_path, lambda _: generator, queue_limit=2, grace=5) as running:
        yield running
        generator.hold.clear()


@pytest.fixture
def locked(tmp_path: Path, generator: ScriptedGenerator) -> Iterator[Live]:
    """A server with a key and one allowed origin."""
    with live(
        tmp_path,
        lambda _: generator,
        api_key=KEY,
        cors=("http://front.example",),
        max_body=100_000,
        max_upload_pixels=10_000,
    ) as running:
        yield running

"""A short fuzzing run; `tests.benchmarks.fuzz_server` takes longer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdtui.core.settings import Settings
from tests.support.fuzzing import fuzz, operations
from tests.support.live_server import Live, live

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny(tiny_sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with a model that takes milliseconds."""
    settings = Settings(device="cpu", model=tiny_sd1.name, model_folders=(tiny_sd1.parent,))
    folder = tmp_path_factory.mktemp("fuzz")
    with live(folder, settings=settings, max_pixels=64 * 64, max_pictures=2) as running:
        yield running


def test_fuzzed_requests_cause_no_server_error(tiny: Live) -> None:
    found = operations(tiny.url)
    assert len(found) > 40
    for operation in found:
        assert fuzz(operation, examples=3) > 0, operation.label

"""Settings of the whole process."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from sdtui.core.runtime import pause_garbage_collection, resume_garbage_collection


@pytest.fixture(autouse=True)
def _unchanged_collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.enable()


def test_garbage_is_collected_rarely_after_the_start() -> None:
    gc.set_threshold(700, 10, 10)
    pause_garbage_collection()
    assert not gc.isenabled()
    resume_garbage_collection()
    assert gc.isenabled()
    assert gc.get_threshold()[0] >= 10_000


def test_a_collector_that_runs_is_left_alone() -> None:
    gc.set_threshold(700, 10, 10)
    resume_garbage_collection()
    assert gc.get_threshold() == (700, 10, 10)

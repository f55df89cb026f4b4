"""A queue with the real engine, and a store without a disk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sdtui.core.settings import Settings
from sdtui.jobs.queue import JobQueue
from tests.support.picture_store import PictureStore


@pytest.fixture
def store() -> PictureStore:
    return PictureStore()


@pytest.fixture
def queue(store: PictureStore) -> Iterator[JobQueue]:
    queue = JobQueue(Settings(device="cpu"), store)
    yield queue
    assert queue.close(timeout=20)

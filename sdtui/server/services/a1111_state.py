"""The state of the A1111 API between requests: the chosen model, and the clients of jobs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_REMEMBERED_TASKS = 16
"""As many finished ones as in A1111."""


@dataclass(frozen=True)
class Place:
    """The place of a job among those of its request, which follow each other."""

    number: int = 0
    """0 for the first."""
    count: int = 1


@dataclass
class Tasks:
    """The requests to which clients gave an id. Used on the event loop only."""

    jobs: dict[str, list[str]] = field(default_factory=dict)
    """The jobs of each unfinished request, by its id."""
    finished: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_TASKS))

    @contextmanager
    def unfinished(self, task: str | None) -> Iterator[None]:
        """Remember a request until it is answered."""
        if task is None:
            yield
            return
        self.jobs[task] = []
        try:
            yield
        finally:
            self.jobs.pop(task, None)
            self.finished.append(task)

    def note_job(self, task: str | None, job: str) -> None:
        """Note another job of a request."""
        if task is not None and task in self.jobs:
            self.jobs[task].append(job)


@dataclass
class A1111State:
    """Used on the event loop only."""

    checkpoint: str
    """The chosen model."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Values of a request's fields for requests of this API that leave them open."""
    clients: dict[str, str] = field(default_factory=dict)
    """The client address of each unfinished job, by the id of the job."""
    hung_up: dict[str, float] = field(default_factory=dict)
    """When a waiting client last disconnected, by address, in monotonic seconds."""
    interrupted: set[str] = field(default_factory=set)
    """Jobs that a client interrupted, until their request is answered."""
    skipped: set[str] = field(default_factory=set)
    """Jobs that a client skipped, until the remaining pictures are submitted."""

    places: dict[str, Place] = field(default_factory=dict)
    """The places of those unfinished jobs of which a request has several."""
    tasks: Tasks = field(default_factory=Tasks)

    def note_hang_up(self, address: str) -> None:
        """Remember for a minute that a client of this address disconnected."""
        now = time.monotonic()
        recent = {each: when for each, when in self.hung_up.items() if now - when < 60}
        self.hung_up = {**recent, address: now}

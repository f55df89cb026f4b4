"""The events of trainings for those who follow them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sdtui.requests.events import JobEvent, Training, TrainingProgress, is_end_of_training
from sdtui.requests.training.events import TrainingStep
from sdtui.server.services.job_events import Subscription


class TrainingEvents:
    """Receives the events of the queue's trainings. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: dict[str, TrainingStep] = {}
        """The newest of running trainings, by name."""
        self._subscriptions: list[tuple[str, Subscription]] = []

    def put(self, envelope: JobEvent) -> None:
        """Note an event. Called by the queue on any thread."""
        event = envelope.event
        if not isinstance(event, Training | TrainingProgress):
            return
        with self._lock:
            if isinstance(event.event, TrainingStep):
                self._steps[event.name] = event.event
            elif is_end_of_training(event):
                self._steps.pop(event.name, None)
            following = [each for name, each in self._subscriptions if name == event.name]
        for subscription in following:
            subscription.put(envelope)

    def step(self, name: str) -> TrainingStep | None:
        """Return the newest step of a training that runs; None before its first."""
        return self._steps.get(name)

    @contextmanager
    def subscribe(self, name: str) -> Iterator[Subscription]:
        """Follow the training of a name from now on, of steps only the newest."""
        followed = name, Subscription([], fleeting=True)
        with self._lock:
            self._subscriptions.append(followed)
        try:
            yield followed[1]
        finally:
            with self._lock:
                self._subscriptions.remove(followed)

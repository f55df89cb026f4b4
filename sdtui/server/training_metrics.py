"""The metrics of trainings."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from sdtui.requests.events import JobEvent, Training, TrainingProgress, is_end_of_training
from sdtui.requests.training.events import (
    Paused,
    TrainingFailed,
    TrainingFinished,
    TrainingStep,
)

_STEP_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ENDS = ("finished", "stopped", "paused", "failed")


class TrainingMetrics(Collector):
    """Counts the events of trainings, and has the newest step of each worker."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._newest: dict[str, TrainingStep] = {}
        """Of running trainings, by worker."""
        self._ended = Counter(
            "sdtui_trainings", "Trainings by how they ended.", ("state",), registry=registry
        )
        for state in _ENDS:  # so that the first one is an increase from zero
            self._ended.labels(state)
        self._steps = Counter("sdtui_training_steps", "Steps of trainings.", registry=registry)
        self._seconds = Histogram(
            "sdtui_training_step_seconds",
            "One step of a training.",
            buckets=_STEP_SECONDS,
            registry=registry,
        )
        registry.register(self)

    def put(self, envelope: JobEvent) -> None:
        """Count an event, of a training or not. Called by the queue, on any thread."""
        if not isinstance(envelope.event, Training | TrainingProgress):
            return
        event = envelope.event.event
        match event:
            case TrainingStep():
                self._steps.inc()
                self._seconds.observe(event.seconds)
                self._newest[envelope.worker] = event
            case TrainingFinished(is_stopped=is_stopped):
                self._ended.labels("stopped" if is_stopped else "finished").inc()
            case Paused() | TrainingFailed():
                self._ended.labels(event.kind).inc()
        if is_end_of_training(envelope.event):
            self._newest.pop(envelope.worker, None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield how far the training of each worker is."""
        done = GaugeMetricFamily(
            "sdtui_training_done_ratio", "Share of the steps that are done.", labels=("worker",)
        )
        loss = GaugeMetricFamily("sdtui_training_loss", "The smoothed loss.", labels=("worker",))
        for worker, step in list(self._newest.items()):
            done.add_metric((worker,), step.step / step.steps)
            loss.add_metric((worker,), step.smoothed)
        yield from (done, loss)

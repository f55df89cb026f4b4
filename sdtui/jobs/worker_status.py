"""What each worker does: a fold over the events."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace

from sdtui.jobs.model_status import ModelStatus
from sdtui.jobs.progress import JobProgress
from sdtui.requests.events import Event, Finished, JobEvent, WorkerAway, WorkerJoined, WorkerLost

MOST_LOSSES_IN_ROW = 3
"""Losses after which a worker is taken to be broken."""

HIDDEN = "…"
"""In place of a name that others gave, and that the client may not know."""


@dataclass(frozen=True)
class WorkerStatus:
    """A worker as interfaces see it."""

    name: str
    """Its device, such as "cuda:1"."""
    job: str = ""
    """The id of the running job; empty if it runs none."""
    model: ModelStatus = field(default_factory=ModelStatus)
    losses: int = 0
    """How often its process was lost and replaced."""
    losses_in_row: int = 0
    """How often since it finished a job."""
    is_away: bool = False
    """True while its machine can't be reached, or takes no more work."""
    training: str = ""
    """The name of the running training, `HIDDEN` if it isn't known; empty if there is none."""


class WorkerStatuses:
    """The status of all workers, without their jobs."""

    def __init__(self) -> None:
        self._by_name: dict[str, WorkerStatus] = {}

    def add(self, name: str) -> None:
        """Add a worker."""
        self._by_name[name] = WorkerStatus(name)

    def listed(self, running: Mapping[str, str]) -> tuple[WorkerStatus, ...]:
        """Return them in their order. `running` are the ids of running jobs by worker."""
        return tuple(
            replace(each, job=running.get(name, "")) for name, each in self._by_name.items()
        )

    def train(self, worker: str, training: str) -> None:
        """Note the name of the training that a worker carries out; "" if it has ended."""
        self._by_name[worker] = replace(self._by_name[worker], training=training)

    def trains(self, worker: str) -> bool:
        """True if a worker carries out a training."""
        return bool(self._by_name[worker].training)

    def presence_changes(self, there: Container[str]) -> dict[str, Event]:
        """Return the events of workers that came or went, by name. `there` are those whose machines
        are there."""
        return {
            name: (WorkerJoined if name in there else WorkerAway)(name=name)
            for name, each in self._by_name.items()
            if each.is_away is (name in there)
        }

    def apply(self, envelope: JobEvent, *, is_preload: bool) -> None:
        """Note an event of a job or preload. One that comes from no worker changes nothing."""
        before = self._by_name.get(envelope.worker)
        if before is None:
            return
        progress = JobProgress(envelope.job, queued_at=None if is_preload else envelope.time)
        is_loss = isinstance(envelope.event, WorkerLost)
        in_row = 0 if isinstance(envelope.event, Finished) else before.losses_in_row + is_loss
        model = before.model.apply(envelope, progress)
        is_away = before.is_away
        if isinstance(envelope.event, WorkerAway | WorkerJoined):
            is_away = isinstance(envelope.event, WorkerAway)
        self._by_name[envelope.worker] = replace(
            before,
            model=model,
            losses=before.losses + is_loss,
            losses_in_row=in_row,
            is_away=is_away,
        )

"""Log each job and training that ends, and each model that is loaded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sdtui.jobs import Job
from sdtui.requests.events import Cancelled, Failed, FinalEvent, JobEvent, Training
from sdtui.requests.training.events import Paused, TrainingFailed, TrainingFinished

_log = logging.getLogger(__name__)


@dataclass
class _Times:
    """In monotonic seconds, since the clock of events may jump."""

    queued: float
    started: float | None = None


class JobLog:
    """Subscribes to the events of the queue, which calls it on any thread."""

    def __init__(self, find_job: Callable[[str], Job]) -> None:
        """`find_job` raises KeyError for a job that is forgotten."""
        self._find_job = find_job
        self._times: dict[str, _Times] = {}

    def put(self, envelope: JobEvent) -> None:
        """Note an event."""
        event, now = envelope.event, time.monotonic()
        match event.kind:
            case "queued":
                self._times[envelope.job] = _Times(now)
            case "started" if envelope.job in self._times:
                self._times[envelope.job].started = now
            case "loaded":
                _log.info(
                    "%s is loaded on %s in %s (%.1f s)",
                    *(event.model, event.device, event.dtype, event.seconds),
                    extra={"fields": event.model_dump(mode="json", exclude={"kind"})},
                )
            case "training":
                _log_training(event)
            case "finished" | "failed" | "cancelled":
                if (times := self._times.pop(envelope.job, None)) is not None:  # not a preload
                    self._log_end(envelope.job, event, times, now)

    def _log_end(self, job_id: str, event: FinalEvent, times: _Times, now: float) -> None:
        try:
            job = self._find_job(job_id)
        except KeyError:
            return
        is_stopped = isinstance(event, Cancelled) and not job.is_cancelled
        state = "stopped" if is_stopped else event.kind  # by the shutdown: it is resumed
        started = times.started or now
        pictures = len(event.record.images) if event.record else 0
        fields = {
            "job": job_id,
            "state": state,
            "client": job.client,
            "model": job.request.model,
            "pictures": pictures,
            "seconds": round(now - started, 3),
            "waited": round(started - times.queued, 3),
        }
        error = ""
        if isinstance(event, Failed):
            fields["error"] = str(event)
            error = f": {event}"
        _log.info(
            "job %s of %s %s: %d pictures of %s in %.1f s, waited %.1f s%s",
            *(job_id, job.client or "nobody", state, pictures, job.request.model),
            *(now - started, started - times.queued, error),
            extra={"fields": fields},
        )


def _log_training(event: Training) -> None:
    """Log the end of a training."""
    end = event.event
    if not isinstance(end, TrainingFinished | Paused | TrainingFailed):
        return
    state: str = end.kind
    if isinstance(end, TrainingFailed):
        how, fields = end.error, end.model_dump(include={"error"})
    else:
        how, fields = f"after step {end.step}", end.model_dump(include={"step"})
    if isinstance(end, TrainingFinished) and end.is_stopped:
        state = "stopped"
    fields |= {"training": event.name, "state": state}
    _log.info("training %s %s: %s", event.name, state, how, extra={"fields": fields})

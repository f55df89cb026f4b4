"""A mirror of a server's jobs, and the events that a client missed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sdtui.core.enums import JobState
from sdtui.jobs.job import Job
from sdtui.requests.events import (
    FLEETING_KINDS,
    Cancelled,
    Event,
    Failed,
    FinalEvent,
    Finished,
    JobEvent,
    Preview,
    Queued,
    Saved,
    Started,
    Training,
    TrainingProgress,
    is_end_of_training,
)
from sdtui.requests.record import GenerationRecord

_REMEMBERED = 200
"""Finished jobs that stay listed."""


@dataclass
class Mirror:
    """The jobs as the server last listed them, with what happened since. Used with its owner's lock
    held."""

    jobs: dict[str, Job] = field(default_factory=dict)
    """By id. Finished ones are in the order in which they ended."""
    waiting: list[str] = field(default_factory=list)
    running: dict[str, str] = field(default_factory=dict)
    """Ids of running jobs by worker name."""
    past: dict[str, list[JobEvent]] = field(default_factory=dict)
    """The events so far of each unfinished job, with only the newest step."""
    trainings: dict[str, JobEvent] = field(default_factory=dict)
    """The newest step of each running training, by the id of its task."""

    def listed(self) -> list[Job]:
        """Return the running jobs, the waiting ones in their order, then the finished ones, latest
        first."""
        unfinished = [*self.running.values(), *self.waiting]
        finished = [job.id for job in self.jobs.values() if job.state.is_over]
        ids = dict.fromkeys(unfinished + finished[::-1])
        return [self.jobs[each] for each in ids if each in self.jobs]

    def put(self, job: Job, event: Event | None = None) -> None:
        """Take a job's newer state, which came with an event."""
        known = self.jobs.get(job.id)
        if known is not None and known.state.is_over and not job.state.is_over:
            return  # the answer of a call may come after events
        if job.state.is_over:
            self.jobs.pop(job.id, None)  # to the end
            self.running = {each: id_ for each, id_ in self.running.items() if id_ != job.id}
        self.jobs[job.id] = job
        if job.state is not JobState.QUEUED:
            if job.id in self.waiting:
                self.waiting.remove(job.id)
        elif job.id not in self.waiting:
            before = event.position - len(self.running) if isinstance(event, Queued) else None
            self.waiting.insert(len(self.waiting) if before is None else max(0, before), job.id)
        over = [each.id for each in self.jobs.values() if each.state.is_over]
        for old in over[:-_REMEMBERED]:
            del self.jobs[old]

    def reorder(self, order: Sequence[str]) -> None:
        """Put these waiting jobs first, in this order."""
        first = [each for each in order if each in self.waiting]
        named = set(first)
        self.waiting = [*first, *(each for each in self.waiting if each not in named)]

    def move(self, job_id: str, position: int) -> None:
        """Move a waiting job to a position among them."""
        if job_id in self.waiting:
            self.waiting.remove(job_id)
            self.waiting.insert(max(0, position), job_id)

    def note(self, envelope: JobEvent) -> None:
        """Keep an event of an unfinished job, or of a training."""
        event = envelope.event
        if isinstance(event, TrainingProgress):
            self.trainings[envelope.job] = envelope
        elif isinstance(event, Training):
            if is_end_of_training(event):
                self.trainings.pop(envelope.job, None)
        elif isinstance(event, FinalEvent):
            self.past.pop(envelope.job, None)
        elif isinstance(event, Queued):
            self.past.setdefault(envelope.job, []).append(envelope)
        elif (past := self.past.get(envelope.job)) is not None and not isinstance(event, Preview):
            newest = past[-1].event.kind if past else ""
            if event.kind in FLEETING_KINDS and newest in FLEETING_KINDS:
                past[-1] = envelope
            else:
                past.append(envelope)

    def replace(
        self, jobs: Iterable[Job], running: Mapping[str, str], events: Sequence[JobEvent]
    ) -> tuple[list[JobEvent], list[str]]:
        """Take all jobs of a server anew. Returns the events that were missed, those of running
        jobs are in `events`, and the ends of others are seen by their state; and the unfinished
        jobs that aren't listed any more, which stay as they were. Of a training that has ended
        meanwhile there is no event."""
        before, known = self.past, self.jobs
        listed = list(jobs)
        ended = [job for job in known.values() if job.state.is_over]  # before a restart
        self.jobs = {
            job.id: job
            for job in [
                *(job for job in listed if not job.state.is_over),
                *[*ended, *(job for job in reversed(listed) if job.state.is_over)][-_REMEMBERED:],
            ]
        }
        self.running = dict(running)
        waiting = [job.id for job in listed if job.state is JobState.QUEUED]
        self.waiting = waiting
        by_job: dict[str, list[JobEvent]] = {}
        for envelope in events:
            by_job.setdefault(envelope.job, []).append(envelope)
        steps = [each for each in events if isinstance(each.event, TrainingProgress)]
        missed = [each for each in steps if each != self.trainings.get(each.job)]
        self.trainings = {each.job: each for each in steps}
        for place, job in enumerate(listed):
            past = before.get(job.id)
            if job.state.is_over:
                missed += _end_of(job, past) if past is not None else ()
                continue
            seen = {_key(each) for each in past or ()}
            if past is None and job.id not in by_job:
                missed.append(_now(job.id, Queued(position=place)))
            missed += (each for each in by_job.get(job.id, ()) if _key(each) not in seen)
        unlisted = {job.id: job for job in ended} | self.jobs
        for job in listed:
            unlisted.pop(job.id, None)
        for job_id in before.keys() & unlisted.keys():  # its last state came with another event
            missed += _end_of(unlisted[job_id], before[job_id])
        missing = [job_id for job_id in before if job_id not in self.jobs | unlisted]
        self.jobs.update({job_id: known[job_id] for job_id in missing if job_id in known})
        return missed, missing

    def end_missing(
        self, job_id: str, pictures: Sequence[str], record: GenerationRecord | None
    ) -> list[JobEvent]:
        """End a job that the server doesn't list any more; return the events that were missed. With
        all of its pictures, whose `record` was saved with them, it has succeeded."""
        job = self.jobs.get(job_id)
        failed = Failed(error="the server has lost the job", hint="Generate it again")
        if job is None:
            return [_now(job_id, failed)]
        changes: dict[str, object] = {"state": JobState.FAILED, "error": str(failed)}
        if record is not None and len(pictures) >= job.request.num_images_per_prompt:
            changes = {"state": JobState.DONE, "record": record}
        ended = job.model_copy(update={**changes, "pictures": tuple(pictures)})
        past = self.past.get(job_id, [])
        self.put(ended)
        return _end_of(ended, past)


def _key(envelope: JobEvent) -> tuple[str, float]:
    return envelope.event.kind, envelope.time


def _now(job_id: str, event: Event) -> JobEvent:
    return JobEvent(job=job_id, time=time.time(), event=event)


def _end_of(job: Job, past: Sequence[JobEvent]) -> list[JobEvent]:
    """Return the missing events of a job that ended while the line was cut."""
    events: list[Event] = []
    kinds = {each.event.kind for each in past}
    if "started" not in kinds and (job.record is not None or job.pictures):
        count = job.request.num_images_per_prompt
        events.append(Started(seed=job.seed, num_images=count))
    seen = {each.event.path for each in past if isinstance(each.event, Saved)}
    images = {} if job.record is None else {each.path: each for each in job.record.images}
    for number, path in enumerate(job.pictures):
        if path not in seen:
            image = images.get(path)
            index, seed = (number, None) if image is None else (image.index, image.seed)
            events.append(Saved(image_index=index, seed=seed, path=path))
    events.append(_final_event(job))
    return [_now(job.id, event) for event in events]


def _final_event(job: Job) -> FinalEvent:
    if job.state is JobState.DONE and job.record is not None:
        return Finished(record=job.record)
    if job.state is JobState.FAILED:
        return Failed(
            error=job.error or "the job failed",
            is_user_error=job.is_user_error,
            error_type=job.error_type,
            record=job.record,
        )
    return Cancelled(record=job.record)

"""Which job a worker of several begins: what `placement` has to know of workers, clients and
costs."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sdtui.core.errors import ModelNotFoundError
from sdtui.jobs.job import Job
from sdtui.jobs.placement import Backlog, Device, choose, choose_alone
from sdtui.jobs.queue_state import QueueState
from sdtui.jobs.worker_status import MOST_LOSSES_IN_ROW
from sdtui.jobs.workers.files import Files
from sdtui.jobs.workers.needs import NO_NEEDS
from sdtui.jobs.workers.worker import WorkerSlot
from sdtui.requests.events import Event, Finished, Loaded
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.execution import Execution

_LOOKED_AT = 2000
"""Waiting jobs that are looked at for a choice."""
_FIRST_GUESS_SECONDS, _FIRST_GUESS_LOAD_SECONDS = 5.0, 15.0
"""Of a picture, and of loading a model, before the first was measured."""
_ASIDE_SECONDS = 60.0
"""How long a worker pauses that is taken to be broken."""
_SHORT_PAUSE_SECONDS = 1.0
"""How long a worker pauses after every loss, so that another takes its job."""
_AWAY_SECONDS = 1.0
"""How long a worker that is away waits until it looks again."""

_NONE: Files = frozenset()


@dataclass
class _Worker:
    """What is known of a worker."""

    slot: WorkerSlot
    model: str | None = None
    """As `model_key` names it."""
    losses: int = 0
    """In a row."""
    aside_until: float = 0.0
    """Monotonic seconds."""

    def missing(self, files: Files) -> Files:
        """Return those of the files that its machine doesn't have."""
        known = self.slot.files() if files else None
        return _NONE if known is None else files - known.names


class Dispatcher:
    """Chooses jobs for workers. Used by `JobQueue` with its lock held."""

    def __init__(
        self,
        memory: Callable[[GenerationRequest], int] = NO_NEEDS.memory,
        clock: Callable[[], float] = time.monotonic,
        *,
        groups_models: bool = False,
    ) -> None:
        """`memory` returns how many bytes the model of a request needs; 0 if unknown.
        `groups_models` lets a worker that is the only one leave the order of the queue for jobs of
        the loaded model; several always do."""
        self._groups_models = groups_models
        self._workers: dict[str, _Worker] = {}
        self._memory = memory
        self._clock = clock
        self._files: dict[str, Files] = {}
        """What jobs need that aren't over, by id; without those that need none."""
        self._idle: set[str] = set()
        self._queued_at: dict[str, float] = {}
        """When waiting jobs were queued, by id."""
        self._urgent: set[str] = set()
        """Waiting jobs that someone moved to the front."""
        self._served_at: dict[tuple[str, str], float] = {}
        """When a job was begun, by client and model."""
        self._seconds: dict[str, float] = {}
        """Of a picture, by model."""
        self._load_seconds: dict[str, float] = {}

    def add(self, slot: WorkerSlot) -> None:
        """Add a worker."""
        self._workers[slot.name] = _Worker(slot)

    def is_available(self, worker: str) -> bool:
        """True unless the worker's machine is away."""
        return self._workers[worker].slot.is_available()

    def can_train(self) -> bool:
        """True if a worker can train, also if it is away now."""
        return any(each.slot.training_environment is not None for each in self._workers.values())

    def may_train(self, worker: str) -> bool:
        """True if a worker can train now."""
        can_train = self._workers[worker].slot.training_environment is not None
        return can_train and self.seconds_aside(worker) is None

    def available(self) -> list[str]:
        """Return the workers whose machines aren't away."""
        return list(filter(self.is_available, self._workers))

    def note_presence(self) -> list[str]:
        """Note which machines are away, and have lost their models; return the workers of the
        others."""
        there = self.available()
        for name, known in self._workers.items():
            if name not in there:
                known.model = None
        return there

    def queued(self, job_id: str, *, front: bool) -> None:
        """Note a job that waits."""
        self._queued_at[job_id] = self._clock()
        if front:
            self._urgent.add(job_id)

    def note_files(self, job_id: str, files: Files) -> None:
        """Note the files that a job needs."""
        if files:
            self._files[job_id] = files

    def forget(self, job_id: str) -> None:
        """Forget a job that is over."""
        self._files.pop(job_id, None)
        self._waits_no_more(job_id)

    def _waits_no_more(self, job_id: str) -> None:
        self._queued_at.pop(job_id, None)
        self._urgent.discard(job_id)

    def idle(self, worker: str, *, is_idle: bool) -> None:
        """Note whether a worker waits for work."""
        (self._idle.add if is_idle else self._idle.discard)(worker)

    def seconds_aside(self, worker: str) -> float | None:
        """Return how long a worker still pauses after losses, or until another look for one that is
        away; None if it doesn't."""
        if not self.is_available(worker):
            return _AWAY_SECONDS
        left = self._workers[worker].aside_until - self._clock()
        return left if left > 0 else None

    def lost(self, worker: str, *, is_failure: bool = True) -> None:
        """Note the loss of a worker's process, by a failure or on purpose."""
        known = self._workers[worker]
        known.model = None
        if not is_failure:
            return
        known.losses += 1
        is_broken = known.losses >= MOST_LOSSES_IN_ROW
        pause = _ASIDE_SECONDS if is_broken else _SHORT_PAUSE_SECONDS
        known.aside_until = self._clock() + pause

    def loads(self, worker: str, model: str | None) -> None:
        """Note which model a worker loads; None = it unloads."""
        self._workers[worker].model = model

    def learn(self, job: Job, worker: str, event: Event) -> None:
        """Learn costs from an event of a job."""
        model = model_key(job.request)
        if isinstance(event, Loaded):
            self._load_seconds[model] = event.seconds
        elif isinstance(event, Finished):
            self._workers[worker].losses = 0
            record = event.record
            taken = sum(s for stage, s in record.timings.items() if stage != "load")
            if record.images and taken:
                self._seconds[model] = taken / len(record.images)

    def job_for(self, worker: str, state: QueueState) -> str | None:
        """Return the id of the job that a worker should begin now; None if it should wait."""
        if self.seconds_aside(worker) is not None or not state.waiting:
            return None
        if len(self._workers) == 1:
            return self._alone(worker, state)
        taken: set[str] = set()
        devices = {each.name: each for each in self._devices()}
        while True:
            backlogs = list(self._backlogs(state, taken))
            choice = choose(list(devices.values()), backlogs, self._load_time)
            if choice is None or choice.device == worker:
                return None if choice is None else choice.job
            taken.add(choice.job)  # another idle worker begins it
            devices[choice.device] = replace(devices[choice.device], is_free=False)

    def _alone(self, worker: str, state: QueueState) -> str | None:
        """Return the next job of a worker that is the only one."""
        if not self._groups_models:
            usable = (each for each in state.waiting if self.can_use(worker, self._files_of(each)))
            return next(usable, None)
        backlogs = [
            each
            for each in self._backlogs(state, set())
            if each.only_on is None or worker in each.only_on
        ]
        loaded = self._workers[worker].model
        return choose_alone(loaded, backlogs, self._load_time, self._since_begun)

    def _since_begun(self, model: str) -> float:
        served = (at for (_, each), at in self._served_at.items() if each == model)
        return self._clock() - max(served, default=-math.inf)

    def began(self, worker: str, job: Job) -> None:
        """Note that a worker begins a job."""
        model = model_key(job.request)
        self._served_at[job.client, model] = self._clock()
        self._workers[worker].model = model
        self._waits_no_more(job.id)

    def _load_time(self, model: str) -> float:
        return self._load_seconds.get(model, _FIRST_GUESS_LOAD_SECONDS)

    def _devices(self) -> Iterator[Device]:
        for name, known in self._workers.items():
            is_free = name in self._idle and self.seconds_aside(name) is None
            yield Device(name, known.slot.memory, known.model, is_free)

    def _files_of(self, job_id: str) -> Files:
        return self._files.get(job_id, _NONE)

    def can_use(self, worker: str, files: Files) -> bool:
        """True if a worker is there and has files, or can fetch what no machine has."""
        return self.is_available(worker) and (not files or worker in self._usable(files))

    def _usable(self, files: Files) -> list[str]:
        """Return the workers, also those that are away, that have files; if none has, those that
        can fetch what is missing."""
        missing = {name: each.missing(files) for name, each in self._workers.items()}
        having = [name for name, each in missing.items() if not each]
        return having or [
            name for name, each in missing.items() if all(file.is_fetched for file in each)
        ]

    def refused(self, state: QueueState) -> dict[str, ModelNotFoundError]:
        """Return the waiting jobs, by id, whose files no machine has, though each that is there was
        asked since they were queued."""
        known = (self._workers[name].slot.files() for name in self.available())
        asked_at = min((each.asked_at for each in known if each is not None), default=-math.inf)
        waiting = {
            job_id: self._files[job_id]
            for job_id in state.waiting
            if job_id in self._files and self._queued_at.get(job_id, math.inf) < asked_at
        }
        errors = {files: self.missing_error(files) for files in set(waiting.values())}
        return {
            job_id: error
            for job_id, files in waiting.items()
            if (error := errors[files]) is not None
        }

    def missing_error(self, files: Files) -> ModelNotFoundError | None:
        """Return which files are missing where; None if a machine has all, or there is none."""
        if not files or not self._workers or self._usable(files):
            return None
        lacking: dict[Files, list[str]] = {}
        for name, known in self._workers.items():
            lacking.setdefault(known.missing(files), []).append(name)
        parts = [
            f"{', '.join(names)} without {', '.join(sorted(map(str, missing)))}"
            for missing, names in lacking.items()
        ]
        return ModelNotFoundError(
            f"no machine has all files of this job: {'; '.join(parts)}",
            "Copy what is missing into the folders of a machine",
        )

    def _backlogs(self, state: QueueState, taken: set[str]) -> Iterator[Backlog]:
        now = self._clock()
        groups: dict[tuple[str, str, Files], list[Job]] = {}
        for job_id in itertools.islice(state.waiting, _LOOKED_AT):
            if job_id not in taken:
                job = state.jobs[job_id]
                key = (job.client, model_key(job.request), self._files_of(job_id))
                groups.setdefault(key, []).append(job)
        usable = {files: self._usable(files) for _, _, files in groups if files}
        for (client, model, files), jobs in groups.items():
            first = jobs[0]
            pictures = sum(job.request.num_images_per_prompt for job in jobs)
            yield Backlog(
                model=model,
                job=first.id,
                seconds=pictures * self._seconds.get(model, _FIRST_GUESS_SECONDS),
                waited=now - self._queued_at.get(first.id, now),
                client=client,
                since_served=now - self._served_at.get((client, model), -math.inf),
                need=self._memory(first.request),
                is_urgent=first.id in self._urgent,
                only_on=usable.get(files),
            )


def model_key(request: GenerationRequest) -> str:
    """Return what has to be loaded for a request: its model and the form of its weights."""
    return loaded_key(request.model, request.execution)


def loaded_key(model: str, execution: Execution) -> str:
    """Return the same for a model that is loaded in advance."""
    form = (execution.dtype, execution.quantize, execution.speed, execution.runtime)
    return " ".join((model, *form))

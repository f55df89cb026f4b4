"""The jobs of a server: looking reads a mirror and never waits; asking goes over the line."""

from __future__ import annotations

import getpass
import logging
import platform
import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from sdtui.core.enums import JobState
from sdtui.core.errors import SdtuiError
from sdtui.history import Page
from sdtui.jobs.api import Subscriber
from sdtui.jobs.backends.remote.calls import Caller, Hand, RemotePart
from sdtui.jobs.backends.remote.mirror import Mirror
from sdtui.jobs.backends.remote.uploads import Uploads
from sdtui.jobs.job import Job, Output
from sdtui.jobs.prompts import ResolvedPrompts
from sdtui.jobs.subscribers import Subscribers
from sdtui.jobs.wire import CALLS, read_property
from sdtui.jobs.wire.messages import Change, Snapshot
from sdtui.jobs.worker_status import WorkerStatus
from sdtui.requests.events import Failed, JobEvent, Loaded, Notice, Unloaded
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import GenerationRequest

_CUT_SECONDS = 300.0
"""How long what was asked for waits for a line that is cut."""
_MOST_PICTURES = 100
"""More than a job has."""
_SHEET_PAUSE = 0.3
"""Seconds between two questions whether the sheets of a grid are written."""
_log = logging.getLogger(__name__)


class RemoteJobs(RemotePart):
    """Implements the protocol `Jobs`. Thread-safe.

    What changes jobs goes through one thread, in its order. What returns nothing isn't waited for:
    its effect is seen in the mirror at once, and it is carried out when the line is there.
    """

    def __init__(self, caller: Caller, hand: Hand, uploads: Uploads) -> None:
        super().__init__("jobs", caller)
        self._hand = hand
        self._uploads = uploads
        self._mirror = Mirror()
        self._changed = threading.Condition()
        self._subscribers = Subscribers()
        self._loaded: Loaded | None = None
        self._unseen: set[str] = set()
        """Jobs that were submitted here, and that the stream hasn't mentioned yet."""
        self._preloads: dict[str, str] = {}
        """The server's ids of preloads by this client's. Used by the hand's thread."""
        self._is_paused: bool | None = None
        """As it was asked for, until the server says what it is."""

    # Looking

    @property
    def is_paused(self) -> bool:
        if self._is_paused is not None:
            return self._is_paused
        return bool(self._caller.state_now("jobs", "is_paused", default=False))

    @property
    def has_unsaved(self) -> bool:
        return bool(self._caller.state_now("jobs", "has_unsaved", default=False))

    @property
    def workers(self) -> tuple[WorkerStatus, ...]:
        sent = self._caller.state_now("jobs", "workers", default=())
        found: tuple[WorkerStatus, ...] = read_property("jobs", "workers", sent)
        return found

    def jobs(self) -> list[Job]:
        with self._changed:
            return self._mirror.listed()

    def job(self, job_id: str) -> Job:
        with self._changed:
            return self._mirror.jobs[job_id]

    def running(self) -> Mapping[str, str]:
        with self._changed:
            return dict(self._mirror.running)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Send every event to `subscriber`, those so far of unfinished jobs first, and the newest
        step of each training."""
        with self._changed:  # the stream's thread publishes with the lock held
            for past in [*self._mirror.past.values(), self._mirror.trainings.values()]:
                for envelope in list(past):
                    subscriber(envelope)
            if self._loaded is not None:
                subscriber(_outside_jobs(self._loaded))
            return self._subscribers.add(subscriber)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        with self._changed:
            self._changed.wait_for(lambda: self._mirror.jobs[job_id].state.is_over, timeout)
            return self._mirror.jobs[job_id]

    def sheets(self, grid_id: str, timeout: float | None = None) -> tuple[str, ...]:
        end = None if timeout is None else time.monotonic() + timeout
        failed = threading.Event()

        def note(envelope: JobEvent) -> None:
            if envelope.job == grid_id and isinstance(envelope.event, Notice):
                failed.set()

        unsubscribe = self._subscribers.add(note)
        try:
            while True:
                found: tuple[str, ...] = self._call(CALLS["jobs", "sheets"], grid_id, timeout=0)
                is_late = end is not None and time.monotonic() >= end
                if found or failed.is_set() or is_late or self._has_no_picture(grid_id):
                    return found
                failed.wait(_SHEET_PAUSE)
        finally:
            unsubscribe()

    def _has_no_picture(self, grid_id: str) -> bool:
        """True if all jobs of a grid are over, and none has a picture."""
        jobs = [job for job in self.jobs() if job.grid and job.grid.grid.id == grid_id]
        return all(job.state.is_over and not job.pictures for job in jobs)

    # Asking

    def submit(
        self,
        request: GenerationRequest,
        output: Output | None = None,
        *,
        prompts: ResolvedPrompts | None = None,
        front: bool = False,
        job_id: str | None = None,
        client: str = "",
    ) -> Job:
        arguments = {
            "request": request,
            "output": output,
            "prompts": prompts,
            "front": front,
            "job_id": job_id or secrets.token_hex(6),
            "client": client or _this_client(),
        }
        job: Job = self._hand.do(partial(self._send_files, "submit", arguments)).result()
        job = self._restored(job)
        self._put(job)
        return job

    def submit_grid(self, *args: Any, **kwargs: Any) -> list[Job]:
        arguments = CALLS["jobs", "submit_grid"].bind(*args, **kwargs)
        arguments["client"] = arguments.get("client") or _this_client()
        jobs: list[Job] = self._hand.do(
            partial(self._send_files, "submit_grid", arguments)
        ).result()
        for job in jobs:
            self._put(job)
        return jobs

    def _send_files(self, name: str, arguments: dict[str, Any]) -> Any:
        output: Output | None = arguments.get("output")
        if output is not None:  # the server works in another folder
            paths = {"folder": output.folder, "file": output.file}
            absolute = {key: path and path.absolute() for key, path in paths.items()}
            arguments = {**arguments, "output": output.model_copy(update=absolute)}
        return self._uploads.call(CALLS["jobs", name], arguments)

    def _restored(self, job: Job) -> Job:
        request = self._uploads.restored(job.request)
        return job if request is job.request else job.model_copy(update={"request": request})

    def _put(self, job: Job) -> None:
        with self._changed:
            if job.id not in self._mirror.jobs:
                self._unseen.add(job.id)
                self._mirror.put(job)
                self._changed.notify_all()

    def cancel(self, job_id: str, *, after_picture: bool = False) -> None:
        with self._changed:
            job = self._mirror.jobs.get(job_id)
            if job is not None and job.state is JobState.RUNNING and not after_picture:
                changes = {"state": JobState.CANCELLING, "is_cancelled": True}
                self._mirror.put(job.model_copy(update=changes))
        self._ask("cancel", job_id=job_id, after_picture=after_picture)

    def cancel_grid(self, grid_id: str) -> None:
        self._ask("cancel_grid", grid_id=grid_id)

    def move(self, job_id: str, position: int) -> None:
        with self._changed:
            self._mirror.move(job_id, position)
        self._ask("move", job_id=job_id, position=position)

    def load(self, *args: Any, **kwargs: Any) -> str:
        return self._preload("load", CALLS["jobs", "load"].bind(*args, **kwargs))

    def unload(self, workers: Sequence[str] = ()) -> str:
        return self._preload("unload", {"workers": workers})

    def _preload(self, name: str, arguments: dict[str, Any]) -> str:
        """Ask for a preload; return an id for it, by which it can be cancelled."""
        preload_id = secrets.token_hex(6)

        def ask() -> None:
            try:
                self._preloads[preload_id] = self._caller.call(CALLS["jobs", name], arguments)
            except SdtuiError as error:
                failed = Failed(error=error.what, hint=error.hint, error_type=type(error).__name__)
                self.publish(JobEvent(job=preload_id, time=time.time(), event=failed))

        self._hand.do(ask)
        return preload_id

    def pause(self) -> None:
        self._is_paused = True
        self._ask("pause")

    def resume(self) -> None:
        self._is_paused = False
        self._ask("resume")

    def _ask(self, name: str, **arguments: Any) -> None:
        """Carry out a call later, in its order."""

        def ask() -> None:
            if (preload := self._preloads.get(arguments.get("job_id", ""))) is not None:
                arguments["job_id"] = preload
            try:
                self._caller.call(CALLS["jobs", name], arguments, patience=_CUT_SECONDS)
            except (SdtuiError, KeyError) as error:
                _log.warning("%s isn't carried out: %s", name, error)

        self._hand.do(ask)

    def finish(self, hanging: Collection[str] = ()) -> None:
        """Do nothing: the jobs are the server's."""

    def close(self, timeout: float = 2.0) -> bool:
        """Do nothing: the jobs are the server's."""
        del timeout
        return True

    # Called by the stream

    def state_changed(self) -> None:
        """Take the state that was streamed in place of what was asked for."""
        self._is_paused = None

    def replace(self, snapshot: Snapshot) -> None:
        """Take the jobs of a snapshot, and publish what was missed."""
        with self._changed:
            unseen = [self._mirror.jobs[each] for each in self._unseen]
            jobs = [self._restored(job) for job in snapshot.jobs]
            missed, missing = self._mirror.replace(jobs, snapshot.running, snapshot.events)
            self._unseen -= self._mirror.jobs.keys() - set(missing)
            for job in unseen:
                if job.id in self._unseen:  # it was queued after the snapshot, or has ended
                    self._mirror.put(job)
                    missing.append(job.id)
            for job_id in dict.fromkeys(missing):
                self._hand.do(partial(self._look_for, job_id))
            for envelope in missed:
                self._publish(envelope)
            if snapshot.loaded is not None and snapshot.loaded != self._loaded:
                self._publish(_outside_jobs(snapshot.loaded))
            elif snapshot.loaded is None and self._loaded is not None:
                self._publish(_outside_jobs(Unloaded()))
            self._changed.notify_all()

    def _look_for(self, job_id: str) -> None:
        """End a job that the server doesn't list: it may have ended just before the server was
        killed, and then its pictures are in the history. Called on the hand's thread."""
        try:
            self._caller.call(CALLS["jobs", "job"], {"job_id": job_id})
        except SdtuiError as error:
            _log.warning("the server can't be asked for job %s: %s", job_id, error)
        except KeyError:
            pictures, record = self._saved_of(job_id)
            with self._changed:
                self._unseen.discard(job_id)
                for envelope in self._mirror.end_missing(job_id, pictures, record):
                    self._publish(envelope)
                self._changed.notify_all()

    def _saved_of(self, job_id: str) -> tuple[list[str], GenerationRecord | None]:
        """Return the paths of a job's pictures in the server's history, and the record of the last
        one."""
        try:
            page: Page = self._caller.call(
                CALLS["pictures", "entries"], {"query": f"job:{job_id}", "limit": _MOST_PICTURES}
            )
            if not page.entries:
                return [], None
            record: GenerationRecord = self._caller.call(
                CALLS["pictures", "record"], {"entry": page.entries[0]}
            )
        except SdtuiError as error:
            _log.warning("the pictures of job %s can't be found: %s", job_id, error)
            return [], None
        return [str(each.path) for each in reversed(page.entries)], record

    def change(self, change: Change) -> None:
        """Take a change, and publish its event."""
        with self._changed:
            event = change.event.event if change.event else None
            if change.running is not None:
                self._mirror.running = dict(change.running)
            if change.job is not None:
                self._unseen.discard(change.job.id)
                self._mirror.put(self._restored(change.job), event)
            if change.order is not None:
                self._mirror.reorder(change.order)
            if change.event is not None:
                self._publish(change.event)
            self._changed.notify_all()

    def publish(self, envelope: JobEvent) -> None:
        """Publish an event that changes no job."""
        with self._changed:
            self._publish(envelope)

    def _publish(self, envelope: JobEvent) -> None:
        self._mirror.note(envelope)
        match envelope.event.kind:
            case "loaded":
                self._loaded = envelope.event
            case "unloaded":
                self._loaded = None
        self._subscribers.publish(envelope)


def _outside_jobs(event: Loaded | Unloaded) -> JobEvent:
    """Return the event for a model that was loaded or unloaded before this client was attached."""
    return JobEvent(job="", time=time.time(), event=event)


def _this_client() -> str:
    """Return who asks: the user and the machine."""
    return f"{getpass.getuser()}@{platform.node()}"

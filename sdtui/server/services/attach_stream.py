"""The event stream of one attached client: a snapshot, and then what changes, as fast as its line
takes it."""

from __future__ import annotations

import asyncio
import base64
import io
import time
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

from sdtui.core.enums import JobState
from sdtui.jobs import Backend, Job
from sdtui.jobs.wire.messages import (
    Change,
    Download,
    Hardware,
    History,
    Message,
    SmallPreview,
    Snapshot,
    State,
    name_of,
)
from sdtui.monitor import Sample
from sdtui.requests.events import JobEvent, Preview, TrainingProgress
from sdtui.server.services.attach_hub import (
    AttachHub,
    DownloadEvent,
    HistoryChanged,
    Item,
    JobsChanged,
)
from sdtui.server.services.attach_receipts import Receipt, Receipts
from sdtui.server.services.caller_jobs import seen_by
from sdtui.server.services.callers import Caller
from sdtui.server.services.job_events import JobEventBroker

_COMMENT_SECONDS = 5.0
"""Without a message, a comment says so often that the line stands; a client gives up after 12 s."""
_LOOK_SECONDS = 1.0
"""Between two looks at properties that change without an event."""
_MOST_ORDERED = 1000
"""Waiting jobs whose order is sent."""
_WEBP_QUALITY = 60
_LEVEL = 6
"""Of zlib."""

PreviewCoding = Literal["webp", "raw", "none"]


@dataclass(frozen=True)
class StreamOptions:
    """What a client asks for."""

    pace: float = 4.0
    """The most previews, and updates of steps, a second."""
    previews: PreviewCoding = "webp"
    stream_id: str = ""
    """By which it says how much it has read; "" if it doesn't."""


class AttachStream:
    """Follows the hub for one client. Used on the event loop."""

    def __init__(
        self,
        hub: AttachHub,
        backend: Backend,
        job_events: JobEventBroker,
        receipts: Receipts,
        sees: Callable[[str], bool],
        caller: Caller,
        options: StreamOptions,
        last_event_id: str,
        is_over: Callable[[], bool],
    ) -> None:
        """`backend` is the hub's as the client, `caller`, sees it; `sees` says whether it may know
        of a job, by its id, and `is_over` that the server won't report anything to it any more."""
        self._hub = hub
        self._backend = backend
        self._sees = sees
        self._caller = caller
        self._jobs = backend.jobs
        self._job_events = job_events
        self._receipts = receipts
        self._receipt = Receipt(is_wanted=False)
        self._options = options
        self._is_over = is_over
        self._seen = hub.number_of(last_event_id)
        self._sent_jobs: dict[str, Job] = {}
        self._sent_running: dict[str, str] = {}
        self._sent_state = State(values={})
        self._sent_sample: Sample | None = None
        self._sent: dict[tuple[str, str], JobEvent] = {}
        """The newest steps, previews and downloads that were sent, by kind and id."""
        self._next_fleeting = 0.0

    async def lines(self) -> AsyncIterator[str]:
        """Yield server-sent events until the server ends."""
        last_sent = time.monotonic()
        receipts = self._receipts.of_stream(self._options.stream_id)
        with self._hub.waking(self._caller.owner) as woken, receipts as self._receipt:
            self._receipt.on_change = woken.set
            while True:
                woken.clear()
                text = await self._lasting() + await self._fleeting()
                now = time.monotonic()
                if not text and now - last_sent > _COMMENT_SECONDS:
                    text = ": still here\n\n"
                if text:
                    self._receipt.sent += len(text.encode())
                    yield text
                    last_sent = now
                if self._is_over():
                    return
                await self._pause(woken)

    async def _pause(self, woken: asyncio.Event) -> None:
        """Wait for what comes next: a lasting event at once, others when it is their time."""
        end = time.monotonic() + _LOOK_SECONDS
        while (now := time.monotonic()) < end and self._seen == self._hub.number:
            if self._has_fleeting():
                end = min(end, max(self._next_fleeting, now))
            try:
                await asyncio.wait_for(woken.wait(), max(0.0, end - now))
            except TimeoutError:
                return
            woken.clear()

    async def _lasting(self) -> str:
        items = None if self._seen is None else self._hub.after(self._seen)
        if items is None:
            return await asyncio.to_thread(self._snapshot)  # of ten thousand jobs 0.2 s
        lines: list[str] = []
        for number, item in items:
            self._seen = number
            if messages := self._messages(item):
                lines += map(_lines, messages[:-1])
                lines.append(_lines(messages[-1], f"{self._hub.run}-{number}"))
        state = self._hub.state(self._backend)
        if state != self._sent_state:
            self._sent_state = state
            lines.append(_lines(state))
        return "".join(lines)

    def _snapshot(self) -> str:
        self._seen = self._hub.number  # first: what comes meanwhile is sent after it
        jobs = self._jobs.jobs()
        self._sent_jobs = {job.id: job for job in jobs if not job.state.is_over}
        self._sent_running = dict(self._jobs.running())
        self._sent_state = self._hub.state(self._backend)
        events = [
            event
            for job in self._sent_running.values()
            for event in self._job_events.events(job)
            if not isinstance(event.event, Preview)
        ]
        events += [
            step
            for task, step in list(self._hub.newest.steps.items())
            if isinstance(step.event, TrainingProgress) and self._sees(task)
        ]
        snapshot = Snapshot(
            jobs=jobs,
            running=self._sent_running,
            state=self._sent_state,
            events=events,
            loaded=self._job_events.model.loaded,
            revision=self._hub.revision,
        )
        return _lines(snapshot, f"{self._hub.run}-{self._seen}")

    def _messages(self, item: Item) -> list[Message]:
        match item:
            case HistoryChanged(revision=revision, client=client, owner=owner):
                if owner and not self._caller.sees(owner):
                    return []
                return [History(revision=revision, client=client)]
            case DownloadEvent(event=event):
                return [Download(event=event)] if self._sees(event.job) else []
            case JobsChanged(jobs=jobs, is_reordered=is_reordered):
                seen = [each for each in jobs if self._sees(each)]
                if jobs and not seen:
                    return []
                order = None
                if is_reordered:
                    waiting = (job for job in self._jobs.jobs() if job.state is JobState.QUEUED)
                    order = [job.id for job, _ in zip(waiting, range(_MOST_ORDERED), strict=False)]
                return [self._change(each, None, order) for each in seen or ("",)]
            case _:
                seen_event = seen_by(self._sees, self._jobs, item)
                return [] if seen_event is None else [self._change(item.job, seen_event, None)]

    def _change(self, job_id: str, event: JobEvent | None, order: list[str] | None) -> Change:
        try:
            job: Job | None = self._jobs.job(job_id)
        except KeyError:  # a preload, or forgotten
            job = None
        if job is not None and job.state.is_over and job.remaining() is not None:
            return Change()  # the shutdown stopped it, and it goes on after the next start
        if job is not None and self._sent_jobs.get(job_id) is job:
            job = None
        elif job is not None and job.state.is_over:
            self._sent_jobs.pop(job_id, None)
        elif job is not None:
            self._sent_jobs[job_id] = job
        running: dict[str, str] | None = dict(self._jobs.running())
        if running == self._sent_running:
            running = None
        else:
            self._sent_running = dict(running or {})
        return Change(job=job, event=event, order=order, running=running)

    def _has_fleeting(self) -> bool:
        if self._receipt.is_late:
            return False
        newest = self._hub.newest
        return any(
            self._sent.get((kind, each)) is not event and self._sees(each)
            for kind, events in vars(newest).items()
            for each, event in list(events.items())
            if kind != "previews" or self._options.previews != "none"
        )

    async def _fleeting(self) -> str:
        """Return the newest steps, downloads and sample, and one preview."""
        now = time.monotonic()
        if now < self._next_fleeting or self._receipt.is_late:
            return ""
        self._next_fleeting = now + 1 / self._options.pace
        newest = self._hub.newest
        messages: list[Message] = [
            Change(event=event) for event in self._unsent("steps", newest.steps)
        ]
        messages += [Download(event=each) for each in self._unsent("downloads", newest.downloads)]
        sample = self._hub.backend.hardware.latest
        if sample is not None and sample is not self._sent_sample:
            self._sent_sample = sample
            messages.append(Hardware(sample=sample))
        text = "".join(map(_lines, messages))
        if self._options.previews != "none":
            # One that waits longest: with several workers, each has its turn.
            waiting = self._unsent("previews", newest.previews, most=1)
            for envelope in waiting:
                preview = await asyncio.to_thread(small, envelope, self._options.previews)
                text += _lines(preview)
        self._forget(newest.steps, newest.previews, newest.downloads)
        return text

    def _unsent(
        self, kind: str, events: dict[str, JobEvent], most: int | None = None
    ) -> list[JobEvent]:
        found = [
            (each, event)
            for each, event in list(events.items())
            if self._sent.get((kind, each)) is not event and self._sees(each)
        ]
        found.sort(key=lambda each: self._sent_at(kind, each[0]))
        for each, event in found[:most]:
            self._sent[kind, each] = event
        return [event for _, event in found[:most]]

    def _sent_at(self, kind: str, key: str) -> float:
        sent = self._sent.get((kind, key))
        return 0.0 if sent is None else sent.time

    def _forget(self, *newest: dict[str, JobEvent]) -> None:
        """Drop what was sent of jobs and downloads that are over."""
        open_ids = {each for events in newest for each in list(events)}
        for key in [key for key in self._sent if key[1] not in open_ids]:
            del self._sent[key]


def small(envelope: JobEvent, coding: PreviewCoding) -> SmallPreview:
    """Return a preview as it is sent. Takes some milliseconds."""
    preview = envelope.event
    assert isinstance(preview, Preview)
    message = SmallPreview(
        job=envelope.job,
        worker=envelope.worker,
        time=envelope.time,
        **preview.model_dump(include={"step", "image_index", "width", "height", "of_pass"}),
    )
    if coding == "raw":
        return message.model_copy(update={"rgb": preview.rgb})
    from PIL import Image

    buffer = io.BytesIO()
    image = Image.frombytes("RGB", (preview.width, preview.height), preview.rgb)
    image.save(buffer, "WEBP", quality=_WEBP_QUALITY, method=0)
    return message.model_copy(update={"webp": buffer.getvalue()})


def _lines(message: Message, event_id: str = "") -> str:
    """Return a message as a server-sent event. Snapshots are long, and compressed."""
    id_line = f"id: {event_id}\n" if event_id else ""
    data = message.model_dump_json(warnings="none")
    if isinstance(message, Snapshot):
        data = base64.b64encode(zlib.compress(data.encode(), _LEVEL)).decode()
    return f"{id_line}event: {name_of(message)}\ndata: {data}\n\n"

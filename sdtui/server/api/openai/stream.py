"""Partial and finished pictures as server-sent events: `stream` of OpenAI's API."""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Literal, Self

from fastapi import Request
from fastapi.responses import StreamingResponse
from PIL import Image
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from sdtui.jobs import Job, JobPicture, Output
from sdtui.requests.events import Attempt, Cancelled, Failed, FinalEvent, Preview, Saved
from sdtui.requests.request import GenerationRequest
from sdtui.server.api.openai.schemas import ImagesBody
from sdtui.server.api.openai.usage import Usage, usage_of
from sdtui.server.dependencies import ServerServices
from sdtui.server.errors import ApiError, from_failed, openai_error
from sdtui.server.files import picture_base64
from sdtui.server.outcome_headers import not_applied_header
from sdtui.server.previews import enlarged_size, preview_base64
from sdtui.server.services.generation import (
    goes_on_later,
    submit,
    unsaved_pictures,
    until_saved,
    was_cancelled,
)
from sdtui.server.streaming import UNBUFFERED, ServerSentEvent, as_lines

_SIDE = 512
"""Longer side of a partial picture in pixels, if the request leaves the size open."""


class PictureEvent(BaseModel):
    """A partial or finished picture."""

    type: str
    b64_json: str
    created_at: int
    size: str
    quality: str
    background: Literal["opaque"] = "opaque"
    output_format: str


class PartialEvent(PictureEvent):
    """A partial picture."""

    partial_image_index: int
    """Number of the partial picture, from 0, for each picture."""


class CompletedEvent(PictureEvent):
    """A finished picture."""

    seed: int
    changed: list[str] = []
    """What the retry policy changed of the picture that was asked for."""
    not_applied: list[str] = []
    """Fields of the request that had no effect."""
    usage: Usage
    """Of this picture, with what it was made of."""
    safety_identifier: str | None = None


class PictureStream(StreamingResponse):
    """The events of jobs, one after the other. If the client disconnects, the running one is
    cancelled, and if one fails, the others aren't begun."""

    def __init__(
        self,
        services: ServerServices,
        http: Request,
        job: Job,
        others: Sequence[GenerationRequest],
        body: ImagesBody,
        output: Output,
    ) -> None:
        """`others` are the requests of the jobs after `job`; see `begun`."""
        self._services = services
        self._http = http
        self._job = job
        self._others = deque(others)
        self._body = body
        self._output = output
        self._is_over = self._is_kept = self._has_failed = False
        self._changed: list[str] = []
        headers = {**UNBUFFERED, **not_applied_header(body.not_applied())}
        super().__init__(self._lines(), media_type="text/event-stream", headers=headers)

    @classmethod
    async def begun(
        cls,
        services: ServerServices,
        http: Request,
        requests: Sequence[GenerationRequest],
        body: ImagesBody,
        output: Output,
    ) -> Self:
        """Submit the first request. Raises ApiError."""
        first, *others = requests
        try:
            job = await submit(services, http, first, output)
        except ApiError:
            _forget(services, others)
            raise
        return cls(services, http, job, others, body, output)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; called by Starlette."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if not self._is_kept:
                self._services.backend.jobs.cancel(self._job.id)
            _forget(self._services, self._others)

    async def _lines(self) -> AsyncIterator[str]:
        while True:
            until = until_saved(self._services, self._job.id)
            async for lines in as_lines(self._events(), until):
                yield lines
            if not self._is_over:
                self._is_kept = goes_on_later(self._services, self._job.id)
                yield self._error(was_cancelled(self._services, self._job.id)).lines()
            if self._has_failed or not self._is_over or not self._others:
                return
            try:
                await self._begin(self._others.popleft())
            except ApiError as error:
                yield self._error(error).lines()
                return

    async def _begin(self, request: GenerationRequest) -> None:
        """Submit the next request. Raises ApiError."""
        self._job = await submit(self._services, self._http, request, self._output)
        self._is_over = False
        self._changed = []

    async def _events(self) -> AsyncIterator[ServerSentEvent]:
        sent: dict[int, int] = {}  # partial pictures, by the picture's index
        completed = 0
        with self._services.job_events.subscribe(self._job.id, fleeting=True) as subscription:
            async for envelope in subscription:
                event = envelope.event
                self._is_over = isinstance(event, FinalEvent)
                self._has_failed = isinstance(event, Failed | Cancelled)
                if isinstance(event, Preview):
                    index = sent.get(event.image_index, 0)
                    # Who subscribes late gets the last preview after what was saved meanwhile.
                    if event.image_index >= completed and self._is_due(event, index):
                        sent[event.image_index] = index + 1
                        yield await self._partial(event, index)
                elif isinstance(event, Attempt) and not event.lossless:
                    self._changed.append(event.changes)
                elif isinstance(event, Saved):
                    picture = JobPicture(self._job.id, completed)
                    completed += 1
                    yield await asyncio.to_thread(self._completed, event.seed or 0, picture)
                elif isinstance(event, Failed):
                    unsaved = unsaved_pictures(self._services, self._job, completed)
                    for each in unsaved:
                        yield await asyncio.to_thread(self._completed, each.seed, each.id)
                    if completed + len(unsaved) < self._job.request.num_images_per_prompt:
                        yield self._error(from_failed(event, self._job))
                elif isinstance(event, Cancelled):
                    yield self._error(was_cancelled(self._services, self._job.id))

    def _is_due(self, preview: Preview, index: int) -> bool:
        """True if partial picture `index` is due: they are spread evenly over the steps."""
        wanted, step = self._body.partial_images or 0, self._services.job_events.step(self._job.id)
        if index >= wanted or step is None:
            return False
        return preview.step * (wanted + 1) >= step.total * (index + 1)

    async def _partial(self, preview: Preview, index: int) -> ServerSentEvent:
        name = f"{self._body.event_kind}.partial_image"
        picture_format = self._body.output_format or "png"
        request = self._job.request
        size = enlarged_size(preview, max(request.width or _SIDE, request.height or _SIDE))
        data = PartialEvent(
            type=name,
            b64_json=await asyncio.to_thread(preview_base64, preview, size, picture_format),
            created_at=int(time.time()),
            size=f"{size[0]}x{size[1]}",
            output_format=picture_format,
            quality=self._body.answered_quality,
            partial_image_index=index,
        )
        return ServerSentEvent(name, data)

    def _completed(self, seed: int, picture: JobPicture) -> ServerSentEvent:
        name = f"{self._body.event_kind}.completed"
        encoded = picture_base64(
            self._services.backend.pictures, picture, self._body.output_compression
        )
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
            width, height = image.size
        data = CompletedEvent(
            type=name,
            b64_json=encoded,
            created_at=int(time.time()),
            size=f"{width}x{height}",
            output_format=self._body.output_format or "png",
            quality=self._body.answered_quality,
            not_applied=self._body.not_applied(),
            seed=seed,
            changed=self._changed,
            usage=usage_of(self._services.models, [self._job.request], [(width, height)]),
            safety_identifier=self._body.identifier,
        )
        return ServerSentEvent(name, data)

    def _error(self, error: ApiError) -> ServerSentEvent:
        return ServerSentEvent("error", openai_error(error, self._http.state.request_id))


def _forget(services: ServerServices, requests: Iterable[GenerationRequest]) -> None:
    """Delete the pictures of requests that weren't submitted."""
    for request in requests:
        services.uploads.forget(request.input_images().values())

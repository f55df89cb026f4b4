"""Partial and finished pictures as server-sent events: `stream` of OpenAI's API."""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import AsyncIterator
from typing import Literal

from fastapi.responses import StreamingResponse
from PIL import Image
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from sdtui.jobs import Job, JobPicture
from sdtui.requests.events import Attempt, Cancelled, Failed, FinalEvent, Preview, Saved
from sdtui.server.api.openai.schemas import ImagesBody
from sdtui.server.api.openai.usage import Usage
from sdtui.server.dependencies import ServerServices
from sdtui.server.errors import ApiError, from_failed, openai_error
from sdtui.server.files import picture_base64
from sdtui.server.outcome_headers import not_applied_header
from sdtui.server.previews import enlarged_size, preview_base64
from sdtui.server.services.generation import (
    goes_on_later,
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
    usage: Usage = Usage()


class PictureStream(StreamingResponse):
    """The events of a job. If the client disconnects, the job is cancelled."""

    def __init__(
        self, services: ServerServices, job: Job, body: ImagesBody, kind: str, request_id: str
    ) -> None:
        """`kind` is the prefix of the events' names: image_generation or image_edit."""
        self._services = services
        self._job = job
        self._body = body
        self._kind = kind
        self._request_id = request_id
        self._is_over = self._is_kept = False
        self._changed: list[str] = []
        headers = {**UNBUFFERED, **not_applied_header(body.not_applied())}
        super().__init__(self._lines(), media_type="text/event-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; called by Starlette."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if not self._is_kept:
                self._services.backend.jobs.cancel(self._job.id)

    async def _lines(self) -> AsyncIterator[str]:
        until = until_saved(self._services, self._job.id)
        async for lines in as_lines(self._events(), until):
            yield lines
        if not self._is_over:
            self._is_kept = goes_on_later(self._services, self._job.id)
            yield self._error(was_cancelled(self._services, self._job.id)).lines()

    async def _events(self) -> AsyncIterator[ServerSentEvent]:
        sent: dict[int, int] = {}  # partial pictures, by the picture's index
        completed = 0
        with self._services.job_events.subscribe(self._job.id, fleeting=True) as subscription:
            async for envelope in subscription:
                event = envelope.event
                self._is_over = isinstance(event, FinalEvent)
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
        name = f"{self._kind}.partial_image"
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
        name = f"{self._kind}.completed"
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
        )
        return ServerSentEvent(name, data)

    def _error(self, error: ApiError) -> ServerSentEvent:
        return ServerSentEvent("error", openai_error(error, self._request_id))

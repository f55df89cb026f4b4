"""Notify other programs of the end of jobs and grids.

Headers and signature are those of https://www.standardwebhooks.com, which has libraries for
receivers.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import logging
import random
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from sdtui.core.errors import HistoryError, LimitReachedError, SettingsError
from sdtui.core.files import write_atomic
from sdtui.jobs import Backend, Job, JobPicture, JobState, PictureId
from sdtui.requests.events import FINAL_KINDS, JobEvent
from sdtui.server.errors import public_message
from sdtui.server.services.signed_links import SignedLinks
from sdtui.server.services.webhook_targets import WebhookError, WebhookHosts, send

_log = logging.getLogger(__name__)
_DELAYS = (5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0)
"""Seconds before each further attempt."""
_JITTER = 0.2
_AT_ONCE = 8
"""Attempts that are made at the same time."""
_MOST_OF_OWNER = 1000
"""Webhooks that one key may have open."""
_MOST_PICTURES = 1000
_SECRET_PREFIX = "whsec_"
_LEAST_SECRET = 16
"""Bytes."""

Outcome = Literal["finished", "failed", "cancelled"]


class Webhook(BaseModel):
    """A request to notify a URL of the end of a job or grid."""

    id: str
    """The same for all attempts."""
    work: str
    """The id of the job or grid."""
    is_grid: bool
    url: str
    server: str
    """The server's URL, as the client knows it."""
    links: str
    """The URL of signed links."""
    owner: str = ""
    outcome: Outcome | None = None
    """None until the job or grid has ended."""
    error: str | None = None
    error_type: str | None = None
    was_cancelled: bool = False
    """True once one of its jobs was."""
    attempts: int = 0
    due: float = 0.0
    """When the next attempt is made, in Unix seconds."""


class Webhooks:
    """The open webhooks, each in a file, so that they survive a restart. Used on the event loop,
    apart from `put`."""

    def __init__(
        self,
        folder: Path,
        backend: Backend,
        links: SignedLinks,
        hosts: WebhookHosts,
        secret: bytes,
    ) -> None:
        self._folder = folder
        self._backend = backend
        self._links = links
        self._hosts = hosts
        self._secret = secret
        self._open: dict[str, Webhook] = {}
        """By the id of the job or grid."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Queue[Webhook] = asyncio.Queue()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._writing = asyncio.Lock()

    def check(self, url: str, owner: str) -> None:
        """Raise InvalidRequestError if webhooks may not go to a URL, or LimitReachedError if an
        owner has too many open ones."""
        self._hosts.check(url)
        if sum(each.owner == owner for each in self._open.values()) >= _MOST_OF_OWNER:
            raise LimitReachedError(
                f"{_MOST_OF_OWNER} webhooks wait to be delivered", "Try again later"
            )

    async def add(
        self, work: str, url: str, *, is_grid: bool, server: str, links: str, owner: str
    ) -> None:
        """Notify a URL when a new job or grid has ended."""
        hook = Webhook(
            id=f"msg_{secrets.token_hex(12)}",
            work=work,
            is_grid=is_grid,
            url=url,
            server=server,
            links=links,
            owner=owner,
        )
        self._open[work] = hook
        await self._save(hook)
        self._end_if_over(hook)  # if that was before it stood in `_open`

    def put(self, event: JobEvent) -> None:
        """Note the end of a job. Called by the queue on any thread."""
        if event.event.kind in FINAL_KINDS and self._open and self._loop is not None:
            self._loop.call_soon_threadsafe(self._job_ended, event.job)

    def _job_ended(self, job_id: str) -> None:
        with suppress(KeyError):  # it was forgotten, as only old ones are
            hook = self._open.get(_work_of(self._backend.jobs.job(job_id)))
            if hook is not None:
                self._end_if_over(hook)

    def _end_if_over(self, hook: Webhook) -> bool:
        """Note how its jobs ended, and put it into the queue after the last of them. Return False
        if there are no jobs. Of a large grid, some may be forgotten before the last one ends."""
        jobs = [job for job in self._backend.jobs.jobs() if _work_of(job) == hook.work]
        # has_remaining: the shutdown stops it, and it goes on after the next start
        over = [job for job in jobs if job.state.is_over and not job.has_remaining]
        for job in over if hook.outcome is None else ():
            hook.was_cancelled |= job.state is JobState.CANCELLED
            if job.state is JobState.FAILED:
                hook.error = public_message(job.error or "", job.error_type, job)
                hook.error_type = job.error_type or None
        if hook.outcome is None and jobs and len(over) == len(jobs):
            is_failed = hook.error is not None
            hook.outcome = (
                "failed" if is_failed else "cancelled" if hook.was_cancelled else "finished"
            )
            self._ended.put_nowait(hook)
        return bool(jobs)

    async def resume(self) -> None:
        """Take over the webhooks of an earlier server, once its jobs are taken over."""
        for hook in await asyncio.to_thread(self._read):
            self._open.setdefault(hook.work, hook)
            if hook.outcome is not None:
                self._ended.put_nowait(hook)
            elif not self._end_if_over(hook):
                hook.outcome = "failed"
                hook.error = "The server ended before it could note how this ended."
                self._ended.put_nowait(hook)

    def _read(self) -> list[Webhook]:
        found = []
        for file in sorted(self._folder.glob("*.json")):
            try:
                found.append(Webhook.model_validate_json(file.read_bytes()))
            except (OSError, ValidationError) as error:
                _log.warning("the webhook %s can't be read: %s", file.name, error)
        return found

    async def run(self) -> None:
        """Deliver webhooks until cancelled."""
        self._loop = asyncio.get_running_loop()
        await self.resume()
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._deliver(await self._ended.get()))

    async def _deliver(self, hook: Webhook) -> None:
        """Try until the receiver takes it, or it was tried too often."""
        while True:
            await self._save(hook)
            await asyncio.sleep(min(hook.due - time.time(), _DELAYS[-1] * (1 + _JITTER)))
            try:
                async with self._slots:
                    await self._attempt(hook)
            except WebhookError as error:
                hook.attempts += 1
                _log.warning(
                    "webhook %s of %s, attempt %d: %s", hook.id, hook.work, hook.attempts, error
                )
                if hook.attempts > len(_DELAYS):
                    _log.error("webhook %s of %s is given up", hook.id, hook.work)
                    break
                delay = _DELAYS[hook.attempts - 1] * random.uniform(1, 1 + _JITTER)
                hook.due = time.time() + delay
            else:
                _log.info("webhook %s of %s is delivered", hook.id, hook.work)
                break
        await self._drop(hook)

    async def _attempt(self, hook: Webhook) -> None:
        body = await asyncio.to_thread(self._body, hook)
        await send(self._hosts, hook.url, body, signed_headers(self._secret, hook.id, body))

    def _body(self, hook: Webhook) -> bytes:
        kind = "grid" if hook.is_grid else "job"
        data = {
            "id": hook.work,
            "url": f"{hook.server}/{kind}s/{hook.work}",
            "state": "done" if hook.outcome == "finished" else hook.outcome,
            "error": hook.error,
            "error_type": hook.error_type,
            "pictures": [hook.links + token for token in self._links_of(hook)],
        }
        when = datetime.now(UTC).isoformat(timespec="seconds")
        return json.dumps(
            {"type": f"{kind}.{hook.outcome}", "timestamp": when, "data": data}
        ).encode()

    def _links_of(self, hook: Webhook) -> list[str]:
        """Return the tokens of signed links to the pictures, which are valid for an hour."""
        query = f"grid:{hook.work} sheet:no" if hook.is_grid else f"job:{hook.work}"
        found: list[tuple[PictureId, str]] = []
        with suppress(HistoryError):
            page = self._backend.pictures.entries(query, limit=_MOST_PICTURES)
            entries = sorted(page.entries, key=lambda entry: entry.id)
            found = [(entry.id, entry.path.suffix) for entry in entries]
        if not found and not hook.is_grid:  # they aren't kept in the history
            with suppress(KeyError):
                pictures = self._backend.jobs.job(hook.work).pictures
                found = [
                    (JobPicture(hook.work, number), Path(path).suffix)
                    for number, path in enumerate(pictures)
                ]
        return [self._links.make(picture) + suffix for picture, suffix in found]

    def _file(self, hook: Webhook) -> Path:
        return self._folder / f"{hook.work}.json"

    async def _save(self, hook: Webhook) -> None:
        async with self._writing:
            if self._open.get(hook.work) is hook:
                await asyncio.to_thread(self._write, hook)

    def _write(self, hook: Webhook) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(self._file(hook), hook.model_dump_json().encode(), mode=0o600)
        except OSError as error:
            _log.warning("webhook %s won't survive a restart: %s", hook.id, error)

    async def _drop(self, hook: Webhook) -> None:
        async with self._writing:
            del self._open[hook.work]
            with suppress(OSError):
                await asyncio.to_thread(self._file(hook).unlink, missing_ok=True)


def _work_of(job: Job) -> str:
    """Return the id of the grid of a job, or else its own."""
    return job.id if job.grid is None else job.grid.grid.id


def signed_headers(secret: bytes, message_id: str, body: bytes) -> dict[str, str]:
    """Return the headers of an attempt that begins now."""
    seconds = str(int(time.time()))
    signed = b".".join((message_id.encode(), seconds.encode(), body))
    signature = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{signature}",
    }


def read_secret(file: Path) -> bytes:
    """Return the secret in a file: base64 after "whsec_", or any other text. Raises
    SettingsError."""
    try:
        text = file.read_bytes().strip()
        prefix = _SECRET_PREFIX.encode()
        encoded = text.removeprefix(prefix)
        secret = base64.b64decode(encoded, validate=True) if text.startswith(prefix) else text
    except (OSError, binascii.Error) as error:
        raise SettingsError(f"{file} holds no secret: {error}", "Check --webhook-secret") from error
    if len(secret) < _LEAST_SECRET:
        raise SettingsError(
            f"the secret in {file} is shorter than {_LEAST_SECRET} bytes",
            f"Write a random one into it: openssl rand -hex 32 > {file}",
        )
    return secret

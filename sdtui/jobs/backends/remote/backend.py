"""RemoteBackend: the backend of a server, on this machine or another."""

from __future__ import annotations

import json
import logging
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, cast

from sdtui.core import paths
from sdtui.core.errors import ConnectionLostError
from sdtui.jobs.api import ConnectionStatus, Hardware, Jobs, Prompts
from sdtui.jobs.backends.remote.calls import Caller, Hand, RemotePart
from sdtui.jobs.backends.remote.http import Requests
from sdtui.jobs.backends.remote.jobs import RemoteJobs
from sdtui.jobs.backends.remote.keys import key_of
from sdtui.jobs.backends.remote.others import RemoteHardware, RemoteModels, RemoteTrainings
from sdtui.jobs.backends.remote.picture_cache import PictureCache
from sdtui.jobs.backends.remote.pictures import RemotePictures
from sdtui.jobs.backends.remote.stream import EventStream, ServerConnection
from sdtui.jobs.backends.remote.uploads import Uploads
from sdtui.jobs.backends.remote.where import Where
from sdtui.jobs.job import Job
from sdtui.jobs.model_api import Models
from sdtui.jobs.picture_api import JobPicture, Pictures
from sdtui.jobs.training_api import Trainings
from sdtui.jobs.wire import messages
from sdtui.requests.events import JobEvent, Preview

_PACE = 4.0
"""The most previews a second."""
_log = logging.getLogger(__name__)


class RemoteBackend:
    """Implements the protocol `Backend` over a server's API for attached clients."""

    keeps_running = True

    def __init__(
        self,
        where: Where,
        *,
        pace: float = _PACE,
        previews: str = "webp",
        cache_folder: Path | None = None,
    ) -> None:
        """`pace` is the most previews a second, which are sent as `previews`: webp, raw or none.
        Connects with `start`; calls connect by themselves."""
        self.connection = ServerConnection(where.name, shares_files=where.is_this_machine)
        self._requests = Requests(where, partial(key_of, where.host_header))
        self._caller = Caller(self._requests)
        self._hand = Hand()
        folder = cache_folder or paths.cache_folder() / "attached"
        uploads = Uploads(self._caller, folder / "sent.json", is_needed=not where.is_this_machine)
        self._jobs = RemoteJobs(self._caller, self._hand, uploads)
        self._pictures = RemotePictures(self._caller, PictureCache(folder), uploads, self._is_saved)
        self._models = RemoteModels(self._caller, self._hand)
        self._hardware = RemoteHardware(self._caller)
        trainings = RemoteTrainings(self._caller, shares_files=where.is_this_machine)
        self._has_snapshot = threading.Event()
        self._stream = EventStream(
            self._requests, self.connection, self._take, pace=pace, previews=previews
        )
        # Methods that aren't written here are those of the protocols, see RemotePart.
        self.jobs = cast("Jobs", self._jobs)
        self.models = cast("Models", self._models)
        self.prompts = cast("Prompts", RemotePart("prompts", self._caller))
        self.pictures = cast("Pictures", self._pictures)
        self.trainings = cast("Trainings", trainings)
        self.hardware = cast("Hardware", self._hardware)

    def start(self) -> None:
        """Follow the server's events from now on, through cuts of the line."""
        self._stream.start()

    def health(self) -> dict[str, Any]:
        """Return what the server says of itself at /health. Raises ConnectionLostError."""
        answer = self._requests.send("GET", "/health", patience=5.0)
        found: dict[str, Any] = json.loads(answer.data)
        return found

    def wait_until_connected(self, timeout: float) -> None:
        """Wait until the jobs are known. Raises ConnectionLostError."""
        end = time.monotonic() + timeout
        refused = threading.Event()

        def note(status: ConnectionStatus) -> None:
            if status.problem and status.retry_at is not None:
                refused.set()

        unsubscribe = self.connection.subscribe(note)
        try:
            while not self._has_snapshot.wait(0.02):
                if time.monotonic() > end or refused.is_set():
                    problem = self.connection.status.problem
                    name = self.connection.name
                    raise ConnectionLostError(problem or f"{name} doesn't answer")
        finally:
            unsubscribe()

    def _is_saved(self, picture: JobPicture) -> bool:
        try:
            return picture.index < len(self._jobs.job(picture.job).pictures)
        except KeyError:
            return False

    def _take(self, message: messages.Message) -> None:
        """Take a message of the stream, on its thread."""
        match message:
            case messages.Snapshot():
                self._take_state(message.state)
                self._pictures.note(messages.History(revision=message.revision))
                self._jobs.replace(message)
                self._has_snapshot.set()
                self._tell_changed()
            case messages.Change():
                self._jobs.change(message)
                if message.event is None:
                    self._tell_changed()
            case messages.State():
                self._take_state(message)
                self._tell_changed()
            case messages.SmallPreview():
                self._jobs.publish(_preview(message))
            case messages.Hardware(sample=sample):
                self._hardware.put(sample)
            case messages.History():
                self._pictures.note(message)
            case messages.Download(event=event):
                self._models.put(event)

    def _take_state(self, state: messages.State) -> None:
        self._caller.set_state(state)
        self._jobs.state_changed()

    def _tell_changed(self) -> None:
        """Tell the connection's subscribers that something changed without an event."""
        self.connection.change(ConnectionStatus(is_connected=True))

    def save_jobs(self) -> None:
        """Do nothing: the server keeps its jobs."""

    def orphaned_jobs(self) -> list[Job]:
        """Return no jobs: the server resumes its own."""
        return []

    def adopt_orphaned_jobs(self, *, twice_lost: bool) -> list[Job]:
        """Return no jobs."""
        del twice_lost
        return []

    def forget_orphaned_jobs(self) -> None:
        """Do nothing."""

    def close(self, timeout: float = 2.0) -> bool:
        """Hang up, after what was asked for was sent, if that takes at most `timeout` seconds."""
        if self.connection.status.is_connected:
            sent = threading.Event()
            self._hand.do(sent.set)
            sent.wait(timeout)
        self._stream.close()
        self._requests.close()
        return True


def _preview(sent: messages.SmallPreview) -> JobEvent:
    rgb = sent.rgb
    if rgb is None:
        import io

        from PIL import Image

        with Image.open(io.BytesIO(sent.webp or b"")) as image:
            rgb = image.convert("RGB").tobytes()
    event = Preview(
        step=sent.step,
        image_index=sent.image_index,
        width=sent.width,
        height=sent.height,
        rgb=rgb,
        of_pass=sent.of_pass,
    )
    return JobEvent(job=sent.job, worker=sent.worker, time=sent.time, event=event)

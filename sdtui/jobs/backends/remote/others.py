"""The models and the hardware of a server."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sdtui.jobs.api import DownloadSubscriber
from sdtui.jobs.backends.remote.calls import Caller, RemotePart
from sdtui.jobs.wire import CALLS
from sdtui.monitor import Sample
from sdtui.requests.events import Downloading, JobEvent


class RemoteModels(RemotePart):
    """Implements the protocol `Models`. Thread-safe."""

    def __init__(self, caller: Caller) -> None:
        super().__init__("models", caller)
        self._subscribers: dict[str, DownloadSubscriber] = {}
        self._early: dict[str, JobEvent] = {}
        """The newest event of downloads whose id isn't known here yet."""
        self._lock = threading.Lock()

    def download(
        self, hub_id: str, subscriber: DownloadSubscriber, *, without_transformer: bool = False
    ) -> str:
        arguments = {"hub_id": hub_id, "without_transformer": without_transformer}
        download_id: str = self._caller.call(CALLS["models", "download"], arguments)
        with self._lock:
            self._subscribers[download_id] = subscriber
            early = self._early.pop(download_id, None)
            self._early.clear()
        if early is not None:
            self.put(early)
        return download_id

    def put(self, envelope: JobEvent) -> None:
        """Pass on an event of a download. Called by the stream."""
        with self._lock:
            subscriber = self._subscribers.get(envelope.job)
            if subscriber is None:
                self._early[envelope.job] = envelope
            elif not isinstance(envelope.event, Downloading):
                del self._subscribers[envelope.job]
        if subscriber is not None:
            subscriber(envelope)


class RemoteHardware(RemotePart):
    """Implements the protocol `Hardware`. Thread-safe."""

    def __init__(self, caller: Caller) -> None:
        super().__init__("hardware", caller)
        self.latest: Sample | None = None
        self._has_sample = threading.Event()
        self._on_sample: Callable[[Sample], object] | None = None

    def start(self, on_sample: Callable[[Sample], object] | None = None) -> None:
        self._on_sample = on_sample
        if self.latest is not None and on_sample is not None:
            on_sample(self.latest)

    def stop(self) -> None:
        self._on_sample = None

    def wait_for_sample(self, timeout: float) -> bool:
        return self._has_sample.wait(timeout)

    def put(self, sample: Sample) -> None:
        """Take a new sample. Called by the stream."""
        self.latest = sample
        self._has_sample.set()
        if (on_sample := self._on_sample) is not None:
            on_sample(sample)

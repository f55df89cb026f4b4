"""The models, the trainings and the hardware of a server."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdtui.core.errors import SdtuiError
from sdtui.jobs.backends.remote.calls import Caller, Hand, RemotePart
from sdtui.jobs.model_api import DownloadSubscriber
from sdtui.jobs.wire import CALLS
from sdtui.models import ModelDescription, ModelSource, TokenCounter
from sdtui.monitor import Sample
from sdtui.requests.events import Downloading, Failed, JobEvent
from sdtui.requests.training.request import TRAINING_FIELDS, TrainingRequest

_RECENT_SECONDS = 20.0


@dataclass(frozen=True)
class _Download:
    id: str
    """This client's own."""
    subscriber: DownloadSubscriber


class RemoteModels(RemotePart):
    """Implements the protocol `Models`. Thread-safe.

    What it says of a model is remembered for some seconds: a key asks for it several times.
    """

    def __init__(self, caller: Caller, hand: Hand) -> None:
        super().__init__("models", caller)
        self._hand = hand
        self._downloads: dict[str, _Download] = {}
        """By the server's ids."""
        self._early: dict[str, JobEvent] = {}
        """The newest event of downloads whose id isn't known here yet."""
        self._remembered: dict[tuple[str, str], tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def find(self, name: str) -> ModelSource:
        source: ModelSource = self._recent("find", name, name=name)
        return source

    def describe(self, source: ModelSource) -> ModelDescription | None:
        description: ModelDescription | None = self._recent(
            "describe", source.location, source=source
        )
        return description

    def token_counters(self, source: ModelSource) -> Mapping[str, TokenCounter]:
        counters: Mapping[str, TokenCounter] = self._recent(
            "token_counters", source.location, source=source
        )
        return counters

    def installed(self) -> list[ModelSource]:
        sources: list[ModelSource] = self._call(CALLS["models", "installed"])
        self._describe_all(sources)
        return sources

    def _describe_all(self, sources: Sequence[ModelSource]) -> None:
        """Remember what all models are, with one question: a list shows each of them."""
        call = CALLS["models", "describe"]
        answers = self._caller.call_all((call, {"source": source}) for source in sources)
        now = time.monotonic()
        with self._lock:
            self._remembered = {
                ("describe", source.location): (now, answer)
                for source, answer in zip(sources, answers, strict=True)
            }

    def _recent(self, call: str, key: str, **arguments: Any) -> Any:
        with self._lock:
            at, result = self._remembered.get((call, key), (-_RECENT_SECONDS, None))
        if time.monotonic() - at >= _RECENT_SECONDS:
            result = self._caller.call(CALLS["models", call], arguments)
            with self._lock:
                self._remembered[call, key] = (time.monotonic(), result)
        if isinstance(result, SdtuiError):
            raise result
        return result

    def download(
        self,
        hub_id: str,
        subscriber: DownloadSubscriber,
        *,
        without_transformer: bool = False,
        without_weights: bool = False,
    ) -> str:
        download = _Download(secrets.token_hex(6), subscriber)
        arguments = {
            "hub_id": hub_id,
            "without_transformer": without_transformer,
            "without_weights": without_weights,
        }

        def ask() -> None:
            try:
                server_id: str = self._caller.call(CALLS["models", "download"], arguments)
            except SdtuiError as error:
                failed = Failed(error=error.what, hint=error.hint, error_type=type(error).__name__)
                subscriber(JobEvent(job=download.id, time=time.time(), event=failed))
                return
            with self._lock:
                self._downloads[server_id] = download
                early = self._early.pop(server_id, None)
            if early is not None:
                self.put(early)

        self._hand.do(ask)
        return download.id

    def cancel_download(self, download_id: str) -> None:
        def ask() -> None:
            with self._lock:
                found = [each for each, known in self._downloads.items() if known.id == download_id]
            for each in found:
                self._caller.call(CALLS["models", "cancel_download"], {"download_id": each})

        self._hand.do(ask)

    def put(self, envelope: JobEvent) -> None:
        """Pass on an event of a download. Called by the stream."""
        with self._lock:
            download = self._downloads.get(envelope.job)
            if download is None:
                self._early = {envelope.job: envelope}
                return
            if not isinstance(envelope.event, Downloading):
                del self._downloads[envelope.job]
                self._remembered.clear()
        download.subscriber(envelope.model_copy(update={"job": download.id}))


class RemoteTrainings(RemotePart):
    """Implements the protocol `Trainings`."""

    def __init__(self, caller: Caller, *, shares_files: bool) -> None:
        """`shares_files` is false if the server is on another machine, whose paths requests then
        have."""
        super().__init__("trainings", caller)
        self._shares_files = shares_files

    def start(self, request: TrainingRequest, *, anew: bool = False) -> str:
        if self._shares_files:  # the server works in another folder
            values = TRAINING_FIELDS.values_of(request)
            for name, path in TRAINING_FIELDS.files(request):
                values[name] = path.absolute()
            request = TrainingRequest.parse(values)
        task: str = self._call(CALLS["trainings", "start"], request, anew=anew)
        return task

    def continue_interrupted(self) -> list[str]:
        """Return no names: the server goes on with its own trainings."""
        return []


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

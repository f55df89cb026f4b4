"""How long the process of a worker may be silent."""

from __future__ import annotations

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import WorkerLostError
from sdtui.jobs import Job
from sdtui.jobs.workers.child import Kind
from sdtui.jobs.workers.remote import Message, RemoteWorker
from sdtui.jobs.workers.worker import Assignment
from sdtui.requests.events import Report, StageStarted
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest
from tests.support.events import step_event


class _Talking(RemoteWorker):
    """A worker whose process sends certain messages."""

    def __init__(self, *messages: Message, stall_seconds: float = 900) -> None:
        super().__init__(silence_seconds=30, stall_seconds=stall_seconds)
        self._messages = list(messages)
        self.patience: list[float | None] = []
        """How long each message was waited for."""

    _is_started = True

    def start(self, report: Report) -> None:
        self._await_start(report)

    def close(self) -> None: ...

    def _send(self, kind: Kind, payload: object) -> None: ...

    def _receive(self, timeout: float | None) -> Message:
        self.patience.append(timeout)
        return self._messages.pop(0)

    def _lost(self, why: str) -> WorkerLostError:
        return WorkerLostError(why)


def test_process_may_be_silent_longer_while_it_does_not_denoise() -> None:
    events = StageStarted(stage=Stage.DENOISE), step_event(1, 2), StageStarted(stage=Stage.DECODE)
    worker = _Talking(*((Kind.EVENT, event) for event in events), (Kind.DONE, None))
    worker.run(
        Assignment(Job(id="1", request=GenerationRequest(prompt="x"))),
        lambda _: None,
        lambda _: None,
        Cancellation(),
    )
    assert worker.patience == [900, 900, 30, 900]


def test_process_may_be_silent_for_ten_minutes_at_its_start() -> None:
    worker = _Talking((Kind.DONE, None), stall_seconds=6)
    worker.start(lambda _: None)
    assert worker.patience == [600]

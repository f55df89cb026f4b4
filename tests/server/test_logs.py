"""The lines that the server logs for requests and jobs."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from sdtui.cli.logs import LogFormat
from sdtui.jobs import Job
from sdtui.requests.events import Cancelled, Failed, Queued, Started, Training
from sdtui.requests.request import GenerationRequest
from sdtui.requests.training.events import Notice, TrainingFailed, TrainingFinished
from sdtui.server.access_log import log_request
from sdtui.server.middleware.request_id import RequestIdMiddleware
from sdtui.server.services.callers import Caller
from sdtui.server.services.job_log import JobLog
from tests.support.events import in_envelope


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a record, as JSON has them."""
    found = json.loads(LogFormat.JSON.formatter().format(record))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("sent", "is_kept"),
    [("Root=1-67891233:ab/c", True), ("a b", False), ("", False), ("a" * 129, False), ("é", False)],
)
async def test_harmless_request_id_is_kept(
    sent: str, is_kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"].update(caller=Caller("bot"), job="j1")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"12345"})

    async def put(message: Message) -> None:
        answers.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    class Route:
        path = "/jobs/{job}"

    class Ignored:
        def note_request(self, *_: object) -> None: ...

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/jobs/1\n2",
        "query_string": b"secret=1",
        "client": ("203.0.113.7", 1),
        "headers": [(b"x-request-id", sent.encode("latin-1"))],
        "route": Route(),
    }
    middleware = RequestIdMiddleware(app, Ignored(), access_log=True)  # type: ignore[arg-type]
    with caplog.at_level(logging.INFO):
        await middleware(scope, receive, put)
    used = dict(answers[0]["headers"])[b"x-request-id"].decode()
    assert (used == sent) is is_kept
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert "secret" not in record.getMessage()
    line = fields(record)
    assert (line["request"], line["client"], line["job"]) == (used, "bot", "j1")
    assert (line["route"], line["status"], line["bytes"]) == ("/jobs/{job}", 200, 5)


def test_probes_are_logged_only_if_they_fail(caplog: pytest.LogCaptureFixture) -> None:
    scope = {
        "path": "/readyz",
        "method": "GET",
        "client": None,
        "state": {"request_id": "1"},
    }
    with caplog.at_level(logging.INFO):
        log_request(scope, "/readyz", 200, 0.1, 2)
        assert not caplog.records
        log_request(scope, "/readyz", 503, 0.1, 2)
    assert len(caplog.records) == 1


def test_json_line_holds_a_traceback_and_control_characters() -> None:
    try:
        raise ValueError("a\nb\x1b[31m\udce9")
    except ValueError:
        raised = sys.exc_info()
    record = logging.LogRecord("a", logging.ERROR, "", 1, "x\n%s", ("é",), raised)
    line = LogFormat.JSON.formatter().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == "x\né"
    assert "ValueError" in json.loads(line)["traceback"]


def test_ended_job_is_logged_with_its_client_and_not_its_prompt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    job = Job(id="j1", request=GenerationRequest(prompt="a secret", model="pocket"), client="bot")
    log = JobLog({"j1": job}.__getitem__)
    with caplog.at_level(logging.INFO):
        for event in (Queued(position=0), Started(seed=1), Failed(error="no room")):
            log.put(in_envelope("j1", event))
        log.put(in_envelope("preload", Failed(error="no model")))
        log.put(in_envelope("forgotten", Queued(position=0)))
        log.put(in_envelope("forgotten", Cancelled()))
    (record,) = caplog.records
    assert record.getMessage().startswith("job j1 of bot failed: 0 pictures of pocket in 0.0 s")
    line = fields(record)
    assert (line["client"], line["state"], line["pictures"]) == ("bot", "failed", 0)
    assert "no room" in line["error"]
    assert "secret" not in str(line)


def test_ended_training_is_logged_with_how_it_ended(caplog: pytest.LogCaptureFixture) -> None:
    known: dict[str, Job] = {}
    log = JobLog(known.__getitem__)
    stopped = TrainingFinished(step=7, path="", seconds=1.0, is_stopped=True)
    failed = TrainingFailed(error="no pictures", error_type="TrainingError")
    with caplog.at_level(logging.INFO):
        for event in (Notice(text="x"), stopped, failed):
            log.put(in_envelope("t1", Training(name="zorb", event=event)))
    messages = [each.getMessage() for each in caplog.records]
    assert messages == ["training zorb stopped: after step 7", "training zorb failed: no pictures"]
    assert (fields(caplog.records[0])["step"], fields(caplog.records[1])["state"]) == (7, "failed")

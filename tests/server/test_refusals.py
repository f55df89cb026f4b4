"""The log of refused requests."""

from __future__ import annotations

import logging
import re
import socket
import time
from contextlib import suppress

import pytest

from sdtui.server.services.refusals import RefusalLog
from tests.support.live_server import KEY, PATIENCE, Live

_LINE = re.compile(r"refused (\d+) from 127\.0\.0\.1: (.*)")


def _send(running: Live, data: bytes) -> bytes:
    with socket.create_connection(running.address, PATIENCE) as client:
        client.sendall(data)
        with suppress(ConnectionResetError):
            return client.recv(10_000)
    return b""


def test_refused_requests_are_logged_with_their_address(
    locked: Live, caplog: pytest.LogCaptureFixture
) -> None:
    with locked.client() as ask:
        ask.get("/health")
        ask.get("/jobs/%1b[31m%0d%0arefused 401 from 8.8.8.8: x", headers={"X-API-Key": "wrong"})
        ask.get("/health", headers={"X-API-Key": KEY, "Origin": "http://evil.example"})
        ask.get("/health", headers={"X-API-Key": KEY})
        ask.get("/livez")
    logged = [each for each in caplog.records if each.name.endswith(".refusals")]
    lines = [_LINE.fullmatch(each.getMessage()) for each in logged]
    assert all(lines)
    assert [each[1] for each in lines if each] == ["401", "401", "403"]
    assert not any("\x1b" in each.getMessage() for each in logged)


@pytest.mark.parametrize(
    "request_text",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nA:" + b"x" * 100_000 + b"\r\n\r\n",
    ],
)
def test_malformed_requests_cannot_fill_the_log(
    locked: Live, caplog: pytest.LogCaptureFixture, request_text: bytes
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(30):
        _send(locked, request_text)
    with locked.client() as ask:
        for _ in range(30):
            assert ask.get("/health").status_code == 401
    about = [each for each in caplog.records if each.name.endswith(".refusals")]
    assert 1 <= len(about) <= 12
    assert len([each for each in caplog.records if each.name == "uvicorn.error"]) < 6


def test_left_out_lines_are_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    refusals = RefusalLog()
    for _ in range(100):
        refusals.note(401, "10.0.0.1", "GET '/'")
    assert len(caplog.messages) == 5
    for number in range(5000):
        refusals.note(401, f"10.1.{number // 256}.{number % 256}", "GET '/'")
    assert len(caplog.messages) == 60
    refusals.report_left_out()
    assert caplog.messages[-1] == "refused requests that are left out: 5040"
    refusals.report_left_out()
    refusals.note(401, "10.0.0.1", "GET '/'")
    refusals.report_left_out()
    assert len(caplog.messages) == 61
    now += 61
    refusals.note(401, "10.0.0.1", "GET '/'")
    refusals.report_left_out()
    assert caplog.messages[61:] == [
        "refused 401 from 10.0.0.1: GET '/'",
        "refused requests that are left out: 1",
    ]


def test_malformed_requests_do_not_hide_wrong_keys(caplog: pytest.LogCaptureFixture) -> None:
    refusals = RefusalLog()
    for _ in range(100):
        refusals.note(400, "10.0.0.1", "Invalid HTTP request received.")
    refusals.note(401, "10.0.0.1", "GET '/'")
    assert caplog.messages[-1] == "refused 401 from 10.0.0.1: GET '/'"

"""What the app shows of the connection to a backend in another process."""

from __future__ import annotations

import time

import pytest

from sdtui.core.enums import JobState
from sdtui.core.errors import ConnectionLostError
from sdtui.core.settings import Settings
from sdtui.jobs import ConnectionStatus
from sdtui.tui.background import start_worker
from sdtui.tui.controllers.connection import shown_connection
from tests.support.app_harness import RecordingApp
from tests.support.fakes import FakeBackend, FakeConnection
from tests.support.keyboard import press, until


@pytest.mark.parametrize(
    ("status", "was_connected", "state"),
    [
        (ConnectionStatus(is_connected=True), True, ""),
        (ConnectionStatus(), False, "connecting"),
        (ConnectionStatus(problem="it was cut"), True, "reconnecting"),
        (ConnectionStatus(retry_at=17.2, problem="it was cut"), True, "reconnecting, 8 s"),
        (ConnectionStatus(retry_at=9.0), False, "connecting, 1 s"),  # it is late
    ],
)
def test_state_says_what_is_done_and_when(
    status: ConnectionStatus, was_connected: bool, state: str
) -> None:
    shown = shown_connection("gpu1", status, 10.0, was_connected=was_connected)
    assert shown == ("gpu1", state, status.problem)


async def _meet_a_cut_line() -> None:
    raise ConnectionLostError("gpu1 can't be reached: no route")


async def test_attached_app_says_how_the_line_is_and_quits_without_a_question() -> None:
    backend, connection = FakeBackend(prompts=("a cat",)), FakeConnection()
    backend.connection, backend.keeps_running = connection, True
    app = RecordingApp(Settings(), lambda: backend)

    def line() -> str:
        return app.main.top_line.render().plain

    async with app.run_test(size=(160, 36)):
        await until(app, lambda: "sdtui · gpu1 · connecting" in line())
        connection.change(ConnectionStatus(problem="gpu1 wants an API key"))
        await until(app, lambda: app.messages)
        assert app.messages == ["gpu1 wants an API key. Trying again."]
        connection.change(ConnectionStatus(is_connected=True))
        await until(app, lambda: "connecting" not in line())
        retry_at = time.monotonic() + 100
        connection.change(ConnectionStatus(retry_at=retry_at, problem="the line was cut"))
        await until(app, lambda: "gpu1 · reconnecting, 100 s: the line was cut" in line())
        connection.change(ConnectionStatus(is_connected=True))
        await until(app, lambda: "Connected with gpu1 again." in app.main.panes.log.text)
        backend.jobs.pause()  # by another client
        connection.change(ConnectionStatus(is_connected=True))
        await until(app, lambda: app.main.top_line.paused)
        assert "the line was cut. Trying again." in app.main.panes.log.text
        assert len(app.messages) == 1
        await press(app, "f4", "y", "y")
        await until(app, lambda: len(app.messages) == 2)
        assert app.messages[1].startswith("The path on gpu1 was copied")
        start_worker(app.main, _meet_a_cut_line)
        await until(app, lambda: len(app.messages) == 3)
        assert app.messages[2] == "gpu1 can't be reached: no route."
        app.recipe.change({"prompt": "a bird"})
        await press(app, "ctrl+g")
        await until(app, backend.jobs.jobs)
        backend.jobs.start(backend.jobs.jobs()[0].id, "cuda:0")
        assert backend.jobs.jobs()[0].state is JobState.RUNNING
        await press(app, "ctrl+q")
        await until(app, lambda: not app.is_running)

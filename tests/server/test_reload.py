"""What SIGHUP does."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from sdtui.core.errors import SettingsError
from sdtui.server import sockets
from sdtui.server.options import ServerOptions
from sdtui.server.reloading import changed_options
from sdtui.server.services.reload import Reload


def test_limits_change_while_the_server_runs_and_addresses_do_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = ServerOptions(port=1, max_pictures=4)
    new = changed_options(now, ServerOptions(port=2, max_pictures=8))
    assert (new.port, new.max_pictures) == (1, 8)
    assert "next start: port" in caplog.text
    assert changed_options(now, ServerOptions(port=1, max_pictures=4)) is now


async def test_what_cannot_be_read_stays_and_the_rest_is_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise SettingsError("a wrong line")

    read = []
    reload = Reload()
    reload.add("keys", fail)
    reload.add("limits", lambda: read.append(1))
    await reload.run()
    assert read == [1]
    assert "the keys stay as they were: a wrong line" in caplog.text


@pytest.fixture
def _hangup() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("_hangup")
@pytest.mark.parametrize(("has_terminal", "called"), [(True, "end"), (False, "reload")])
def test_lost_terminal_ends_the_server_and_a_service_reloads(
    has_terminal: bool, called: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(sockets, "_has_terminal", lambda: has_terminal)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sockets.on_sighup(lambda *_: calls.append("end"), lambda: calls.append("reload"))
    signal.raise_signal(signal.SIGHUP)
    assert calls == [called]


@pytest.mark.usefixtures("_hangup")
def test_nohup_is_heeded() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sockets.on_sighup(lambda *_: None, lambda: None)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

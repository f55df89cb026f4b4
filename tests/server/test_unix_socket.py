"""A server on a Unix socket, or on a socket that systemd passed."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sdtui.core.errors import SettingsError
from sdtui.core.unix_sockets import connect_unix, hold_socket
from sdtui.server.listeners import listen, options_of, passed_listener
from sdtui.server.middleware import auth
from sdtui.server.options import ServerOptions
from tests.support.live_server import BODY, KEY, live
from tests.support.scripted_generator import ScriptedGenerator


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_own_user_makes_pictures_over_it_and_others_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.sock"
    with (
        live(tmp_path, lambda _: ScriptedGenerator(), unix_socket=path, client_jobs=1) as running,
        running.client() as ask,
    ):
        assert running.url == f"unix:{path}"
        assert _mode(path) == 0o600
        assert ask.get("/health").json()["pid"] == os.getpid()
        assert ask.post("/generate", json=BODY).status_code == 200
        assert ask.get("/health", headers={"Host": "evil.example"}).status_code == 403
        monkeypatch.setattr(auth, "own_uid", lambda: os.getuid() + 1)
        answer = ask.get("/livez")
        assert answer.status_code == 403
        assert "another user" in answer.json()["error"]["message"]
    assert f"refused 403 from unix:{os.getuid()}: GET '/livez'" in caplog.text
    assert not [each for each in caplog.records if each.exc_info]


def test_with_a_key_every_user_may_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.sock"
    with (
        live(tmp_path, lambda _: ScriptedGenerator(), unix_socket=path, api_key=KEY) as running,
        running.client() as ask,
    ):
        monkeypatch.setattr(auth, "own_uid", lambda: os.getuid() + 1)
        assert _mode(path) == 0o666
        assert ask.get("/health").status_code == 401
        assert ask.get("/health", headers={"X-API-Key": KEY}).status_code == 200


def test_proxy_on_the_socket_is_trusted_by_its_user(tmp_path: Path) -> None:
    options = ServerOptions(unix_socket=tmp_path / "a.sock")
    replace(options, trusted_proxies=("unix:33",)).check()
    with pytest.raises(SettingsError, match="not an address"):
        replace(options, trusted_proxies=("unix:www-data",)).check()
    peer = f"unix:{os.getuid()}"
    with (
        live(
            tmp_path,
            lambda _: ScriptedGenerator(),
            unix_socket=options.unix_socket,
            allowed_hosts=("public.example",),
            trusted_proxies=(peer,),
        ) as running,
        running.client(headers={"X-Forwarded-Host": "public.example"}) as ask,
    ):
        body = {**BODY, "response_format": "url"}
        made = ask.post("/v1/images/generations", json=body).json()
        assert made["data"][0]["url"].startswith("http://public.example/")


def test_only_a_socket_without_a_listener_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    options = ServerOptions(unix_socket=path)
    first = listen(options)
    with pytest.raises(SettingsError, match="another program listens there"):
        listen(options)
    first.socket.close()  # as after kill -9
    second = listen(options)
    assert second.is_reachable
    assert not first.is_reachable
    second.close()
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(SettingsError, match="it is no socket"):
        listen(options)
    assert path.read_text() == "mine"


def test_socket_that_was_replaced_is_left_alone(tmp_path: Path) -> None:
    options = ServerOptions(unix_socket=tmp_path / "a.sock")
    old = listen(options)
    (tmp_path / "a.sock").rename(tmp_path / "moved.sock")
    new = listen(options)
    old.close()
    assert new.is_reachable
    new.close()


def test_socket_of_a_server_that_ends_is_gone_before_it_refuses(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with live(tmp_path, lambda _: ScriptedGenerator(), unix_socket=path) as running:
        seen: list[bool] = []
        stop = running.server.shutdown

        async def look_and_stop(sockets: list[socket.socket] | None = None) -> None:
            seen.append(path.exists())
            await stop(sockets)

        running.server.shutdown = look_and_stop  # type: ignore[method-assign]
        running.end()
        running.thread.join(20)
    assert seen == [False]


def test_path_that_is_too_long_is_refused_with_its_length(tmp_path: Path) -> None:
    path = tmp_path / ("x" * (107 - len(str(tmp_path)) - 1))
    listen(ServerOptions(unix_socket=path)).close()
    for use in (lambda long: listen(ServerOptions(unix_socket=long)), hold_socket):
        with pytest.raises(SettingsError, match="too long for a socket: 108 bytes, 107"):
            use(path.with_name(path.name + "x"))


def test_one_process_holds_a_socket_until_it_lets_go(tmp_path: Path) -> None:
    held = hold_socket(tmp_path / "a.sock")
    assert held is not None
    assert hold_socket(tmp_path / "a.sock") is None
    os.close(held)
    again = hold_socket(tmp_path / "a.sock")
    assert again is not None
    os.close(again)


def test_client_refuses_the_socket_of_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = listen(ServerOptions(unix_socket=tmp_path / "a.sock"))
    connect_unix(tmp_path / "a.sock", 5).close()
    monkeypatch.setattr("sdtui.core.unix_sockets.own_uid", lambda: os.getuid() + 1)
    with pytest.raises(SettingsError, match="socket of another user"):
        connect_unix(tmp_path / "a.sock", 5)
    listener.close()


def _passed(**more: str) -> Mapping[str, str]:
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", **more}


def test_socket_that_systemd_passes_is_used_with_its_address(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    public = r"without an API key everyone who reaches 0\.0\.0\.0"
    with socket.socket(socket.AF_UNIX) as unix, socket.create_server(("0.0.0.0", 0)) as tcp:
        unix.bind(str(path))
        unix.listen()
        listener = passed_listener(_passed(), os.dup(unix.fileno()))
        assert listener is not None
        assert options_of(listener, ServerOptions()).unix_socket == path
        listener.close()
        assert path.exists()  # it is systemd's
        listener = passed_listener(_passed(), os.dup(tcp.fileno()))
        assert listener is not None
        with pytest.raises(SettingsError, match=public):
            options_of(listener, ServerOptions()).check()
        listener.close()


def test_what_systemd_did_not_pass_to_this_process_is_no_listener(tmp_path: Path) -> None:
    assert passed_listener({}) is None
    assert passed_listener(_passed(LISTEN_PID="1")) is None
    with pytest.raises(SettingsError, match="passed 2 sockets"):
        passed_listener(_passed(LISTEN_FDS="2"))
    with (tmp_path / "file").open("w") as file, pytest.raises(SettingsError, match="can't be used"):
        passed_listener(_passed(), file.fileno())
    with socket.socket() as silent, pytest.raises(SettingsError, match="doesn't listen"):
        passed_listener(_passed(), silent.fileno())

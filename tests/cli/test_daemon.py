"""`sdtui daemon`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdtui.cli import daemon_process
from sdtui.core import unix_sockets
from sdtui.core.errors import SettingsError
from sdtui.core.unix_sockets import (
    DIAL_GREETING,
    check_socket_folder,
    daemon_socket,
    make_socket_folder,
)
from sdtui.jobs.backends.remote.backend import RemoteBackend
from sdtui.jobs.backends.remote.where import UnixServer
from tests.support.command import Command
from tests.support.live_server import Live, live
from tests.support.scripted_generator import ScriptedGenerator


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """A server at the place of the daemon."""
    monkeypatch.setenv("SDTUI_SOCKET", str(tmp_path / "a.sock"))
    with live(
        tmp_path,
        lambda _: ScriptedGenerator(),
        unix_socket=tmp_path / "a.sock",
        preload=False,
        warm=False,
    ) as server:
        yield server


def test_running_daemon_says_what_it_does_and_is_not_started_again(
    running: Live, sdtui: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sdtui("daemon", "start").stdout == "already running\n"
    done = sdtui("daemon", "status", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["is_running"], found["pid"], found["queue_length"]) == (True, os.getpid(), 0)
    assert found["running"] == 0
    assert found["socket"] == str(running.services.options.unix_socket)
    done = sdtui("daemon", "status")
    assert "model      not loaded\njobs       0 running, 0 waiting\n" in done.stdout
    monkeypatch.setattr("sdtui.cli.daemon.__version__", "9.9")
    assert "for 9.9 stop it first" in sdtui("daemon", "start").stdout
    assert "(this is 9.9)" in sdtui("daemon", "status").stdout


def test_stopped_daemon_has_ended_when_the_command_ends(running: Live, sdtui: Command) -> None:
    done = sdtui("daemon", "stop")
    assert (done.returncode, done.stdout) == (0, "stopped\n")
    assert unix_sockets.was_stopped(unix_sockets.daemon_socket())
    running.thread.join(10)
    assert not running.thread.is_alive()


def test_daemon_that_does_not_run_is_reported(
    tmp_path: Path, sdtui: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDTUI_SOCKET", str(tmp_path / "a.sock"))
    done = sdtui("daemon", "status")
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "daemon     not running")
    assert json.loads(sdtui("daemon", "status", "--json").stdout)["is_running"] is False
    done = sdtui("daemon", "stop")
    assert (done.returncode, done.stdout) == (0, "not running\n")


def test_other_servers_are_not_shut_down_by_their_clients(tmp_path: Path) -> None:
    with (
        live(tmp_path, lambda _: ScriptedGenerator(), preload=False, warm=False) as server,
        server.client() as ask,
    ):
        assert ask.post("/shutdown").status_code == 403
        assert not server.services.ending.is_set()


def test_starting_gives_up_on_a_process_that_holds_the_socket_and_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.sock"
    held = unix_sockets.hold_socket(path)
    assert held is not None
    monkeypatch.setattr(daemon_process, "_OTHER_SECONDS", 0.15)
    with pytest.raises(SettingsError, match=r"holds .* and doesn't answer"):
        daemon_process.start_daemon(path)
    os.close(held)


@pytest.mark.parametrize("case", ["symlink", "file", "open", "foreign"])
def test_folder_that_others_could_enter_is_refused(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sdtui-1"
    monkeypatch.delenv("SDTUI_SOCKET", raising=False)
    monkeypatch.setattr(unix_sockets, "_default_folder", lambda: folder)
    path = daemon_socket()
    check_socket_folder(path)  # a missing one is safe
    make_socket_folder(path)
    make_socket_folder(path)
    assert folder.stat().st_mode & 0o777 == 0o700
    match case:
        case "symlink":
            folder.rename(tmp_path / "moved")
            folder.symlink_to(tmp_path / "moved")
        case "file":
            folder.rmdir()
            folder.touch()
        case "open":
            folder.chmod(0o710)
        case "foreign":
            monkeypatch.setattr(unix_sockets, "own_uid", lambda: os.getuid() + 1)
    for use in (make_socket_folder, check_socket_folder):
        with pytest.raises(SettingsError, match="would not be private"):
            use(path)


def test_socket_is_named_after_user_and_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SDTUI_SOCKET", raising=False)
    monkeypatch.setattr("socket.gethostname", lambda: "box")
    assert daemon_socket() == Path(f"/tmp/sdtui-{os.getuid()}/box.sock")


@pytest.mark.slow
def test_jobs_outlive_their_clients_and_are_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, generator = tmp_path / "a.sock", ScriptedGenerator()
    monkeypatch.setenv("SDTUI_CONNECT", f"unix:{path}")
    generator.hold.set()
    with live(tmp_path, lambda _: generator, unix_socket=path, preload=False, warm=False) as server:
        jobs = server.backend.jobs
        for number, death in enumerate((signal.SIGHUP, signal.SIGKILL), 1):
            client = subprocess.Popen(
                [sys.executable, "-m", "sdtui", "generate", f"number {number}"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            server.until(lambda: len(jobs.jobs()) == number)  # noqa: B023
            client.send_signal(death)
            assert client.wait(20) != 0
        before = {job.id: job.request.prompt for job in jobs.jobs()}
        attached = RemoteBackend(UnixServer(path))
        attached.start()
        attached.wait_until_connected(20)
        assert {job.id: job.request.prompt for job in attached.jobs.jobs()} == before
        generator.hold.clear()
        for job in before:
            assert len(attached.jobs.wait(job, 20).pictures) == 1
        attached.close()
    assert len(list((tmp_path / "pictures").rglob("*.png"))) == len(before) == 2


@pytest.mark.slow
def test_daemon_outlives_its_terminal_and_starts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real processes: two starts at once, a hangup, and a connection through stdin and stdout."""
    for kind in ("STATE", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind))
    path = tmp_path / "a.sock"
    monkeypatch.setenv("SDTUI_SOCKET", str(path))
    monkeypatch.setenv("SDTUI_PICTURES", str(tmp_path / "pictures"))

    def begin(command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "sdtui", "daemon", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    starts = [begin("start"), begin("start")]
    said = sorted(each.communicate(timeout=50)[0] for each in starts)
    assert said == [b"already running\n", b"started\n"]
    found = daemon_process.ask_daemon(path)
    assert found is not None
    try:
        os.kill(found.pid, signal.SIGHUP)
        assert os.getsid(found.pid) not in (found.pid, os.getsid(0))
        assert begin("dial").communicate(timeout=50)[0] == DIAL_GREETING
        again = daemon_process.ask_daemon(path)
        assert again is not None
        assert again.pid == found.pid
        assert not unix_sockets.was_stopped(path)
    finally:
        os.kill(found.pid, signal.SIGKILL)
    log = next((tmp_path / "STATE" / "sdtui" / "daemon").rglob("daemon.log"))
    assert "Application startup complete" in log.read_text()

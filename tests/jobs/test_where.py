"""Where a backend may be, and how connections to it are opened."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sdtui.core import daemon_connection
from sdtui.core.errors import ConnectionLostError, SdtuiError, SettingsError
from sdtui.core.unix_sockets import DIAL_GREETING, note_stopped
from sdtui.jobs.backends.remote.daemon import OwnDaemon
from sdtui.jobs.backends.remote.ssh import SshHost
from sdtui.jobs.backends.remote.where import HttpServer, UnixServer, Where, parse_where


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("here", None),
        ("", None),
        ("daemon", OwnDaemon()),
        ("unix:/run/sdtui/a.sock", UnixServer(Path("/run/sdtui/a.sock"))),
        ("http://box", HttpServer("box", 7860)),
        ("http://[::1]:80/sd/", HttpServer("::1", 80, "/sd")),
        ("https://box/sd", HttpServer("box", 443, "/sd", is_encrypted=True)),
        ("ssh://Gpu1", SshHost("Gpu1")),
        ("ssh://me@gpu1:2222/", SshHost("gpu1", user="me", port=2222)),
        ("ssh://gpu1/~/venv/bin/sdtui", SshHost("gpu1", program="/~/venv/bin/sdtui")),
    ],
)
def test_places_are_read(text: str, where: Where | None) -> None:
    assert parse_where(text) == where


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ftp://box", "is no place to connect to. Give here, daemon, ssh://"),
        ("gpu1", "Give its kind too: ssh://gpu1 or http://gpu1"),
        ("me@gpu1:22", "ssh://me@gpu1:22 or"),
        ("http://", "is no place"),
        ("http://box:99999", "is no place"),
        ("http://box:x", "is no place"),
        ("http://box?q=1", "is no place"),
        ("http://me:secret@box", "a password or key doesn't belong in an address"),
        ("ssh://me:secret@box", "a password or key doesn't belong in an address"),
        ("ssh://-oProxyCommand=x", "is no place"),
        ("ssh://-oProxyCommand=x@box", "is no place"),
        ("unix:", "is no place"),
        ("http://[::1", "is no place"),
    ],
)
def test_what_is_no_place_is_refused(text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse_where(text)
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("where", "header"),
    [
        (HttpServer("box", 7860), "box:7860"),
        (HttpServer("::1", 7860), "[::1]:7860"),
        (HttpServer("box", 80), "box"),
        (HttpServer("box", 443, is_encrypted=True), "box"),
    ],
)
def test_host_header_has_the_port_unless_it_is_usual(where: HttpServer, header: str) -> None:
    assert where.host_header == header


@contextmanager
def _serving(answer: Callable[[socket.socket], None]) -> Iterator[HttpServer]:
    """A server of one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield HttpServer("127.0.0.1", listener.getsockname()[1], is_encrypted=True)
        thread.join()


def test_server_without_encryption_is_named() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with _serving(answer) as where, pytest.raises(ConnectionLostError, match="doesn't speak https"):
        where.open(5)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_certificate_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    files = ["-nodes", "-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *files, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def answer(connection: socket.socket) -> None:
        with suppress(OSError):
            context.wrap_socket(connection, server_side=True).close()

    with _serving(answer) as where, pytest.raises(ConnectionLostError) as raised:
        where.open(5)
    assert "the certificate of 127.0.0.1 is refused: self-signed" in str(raised.value)
    with pytest.MonkeyPatch.context() as patch, _serving(answer) as where:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        where.open(5).close()


def test_name_that_no_host_can_have_is_refused() -> None:
    with pytest.raises(ConnectionLostError, match="not the name of a host"):
        HttpServer("x" * 70, 7860).open(5)


# The daemon


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SDTUI_SOCKET", str(tmp_path / "a.sock"))
    return tmp_path / "a.sock"


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def test_daemon_is_started_at_first_and_again_unless_it_was_stopped(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listeners: list[socket.socket] = []

    def start() -> None:
        path.unlink(missing_ok=True)
        listeners.append(_listen(path))

    monkeypatch.setattr(daemon_connection, "_start", start)
    where = OwnDaemon()
    where.open(5).close()
    where.open(5).close()
    assert len(listeners) == 1
    listeners[0].close()  # it crashed
    where.open(5).close()
    listeners[1].close()
    path.unlink()  # it ended in order
    where.open(5).close()
    assert len(listeners) == 3
    listeners[2].close()
    path.unlink()
    note_stopped(path, stopped=True)
    with pytest.raises(ConnectionLostError, match="the daemon was stopped"):
        where.open(5)
    OwnDaemon().open(5).close()  # somebody connects anew
    listeners[3].close()


def test_reason_why_the_daemon_does_not_start_is_passed_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'sdtui: no room. Make some.' >&2\nexit 2\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    with pytest.raises(ConnectionLostError) as raised:
        OwnDaemon().open(5)
    assert str(raised.value) == "no room. Make some."


# ssh


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make the program `ssh` of a shell script. What it was called with is in `called`."""

    def make(script: str) -> None:
        program = tmp_path / "ssh"
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/called\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return make


_RUN_HERE = 'while [ "$1" != -- ]; do shift; done; shift 2; eval "$*"'


def test_ssh_connects_with_what_dials_on_the_other_side(
    ssh: Callable[[str], None], tmp_path: Path
) -> None:
    program = tmp_path / "my venv" / "sdtui"
    program.parent.mkdir()
    greeting = DIAL_GREETING.decode().rstrip()
    program.write_text(f'#!/bin/sh\necho "$@" >&2; echo "{greeting}"; exec cat\n')
    program.chmod(0o755)
    ssh(f"echo welcome to sdtui; echo; {_RUN_HERE}")
    where = SshHost("box", user="me", port=22, program=str(program))
    with where.open(5) as connection:
        assert connection.gettimeout() == 5
        connection.sendall(b"GET /")
        assert connection.recv(100) == b"GET /"
    called = (tmp_path / "called").read_text().splitlines()
    assert called[-1].endswith("daemon dial'")
    where.open(5).close()
    assert (tmp_path / "called").read_text().endswith("daemon dial --again'\n")
    assert "BatchMode=yes" in called
    assert called[called.index("-p") + 1 :][:5] == ["22", "-l", "me", "--", "box"]


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        (_RUN_HERE, ConnectionLostError, "there is no /nowhere/sdtui on box. Install it there"),
        (
            "echo 'me@box: Permission denied (publickey).' >&2; exit 255",
            ConnectionLostError,
            'me@box: Permission denied (publickey). "ssh box" must work without a password',
        ),
        (
            "echo 'Host key verification failed.' >&2; exit 255",
            ConnectionLostError,
            'Host key verification failed. Run "ssh box" once',
        ),
        (
            "echo 'ssh: Could not resolve hostname box: no' >&2; exit 255",
            ConnectionLostError,
            "Could not resolve hostname box: no. Check the name.",
        ),
        (
            "echo 'ssh: connect to host box port 22: Connection refused' >&2; exit 255",
            ConnectionError,
            "connect to host box port 22: Connection refused",
        ),
        ("echo \"Error: No such command 'daemon'.\" >&2; exit 2", ConnectionLostError, "Update it"),
        ("echo 'sdtui: no room. Make some.' >&2; exit 2", ConnectionLostError, "box: no room."),
        ("yes", ConnectionLostError, "something else than sdtui answers"),
        ("exit 3", ConnectionLostError, "box: ssh ended with code 3."),
    ],
)
def test_what_ssh_meets_is_one_sentence(
    ssh: Callable[[str], None], script: str, error: type[Exception], message: str
) -> None:
    ssh(script)
    with pytest.raises((SdtuiError, OSError)) as raised:
        SshHost("box", program="/nowhere/sdtui").open(5)
    assert isinstance(raised.value, error)
    assert message in str(raised.value)


def test_missing_ssh_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConnectionLostError, match="ssh can't be started"):
        SshHost("box").open(5)

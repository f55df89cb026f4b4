"""`sdtui daemon`: an engine of one user that outlives terminals and lines."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import click

from sdtui import __version__
from sdtui.core import paths
from sdtui.core.daemon_connection import connect_daemon
from sdtui.core.errors import SdtuiError
from sdtui.core.text import one_line
from sdtui.core.units import duration
from sdtui.core.unix_sockets import (
    DIAL_GREETING,
    daemon_socket,
    hold_socket,
    make_socket_folder,
)

_PATIENCE_SECONDS = 60.0
"""Time for the last picture and the saving of the queue."""
_CHUNK = 65_536


@click.group()
def daemon() -> None:
    """Keep an engine running that outlives the terminal.

    `sdtui --connect daemon` works with it, and starts it if need be. Only your own user reaches
    it, over a Unix socket.
    """


@daemon.command()
@click.option("--foreground", is_flag=True, help="Stay in the foreground, as for systemd.")
def start(foreground: bool) -> int:
    """Start the daemon unless it runs, and wait until it answers."""
    from sdtui.cli.daemon_process import run_daemon, start_daemon
    from sdtui.cli.logs import log_to_stderr
    from sdtui.cli.serve import claim

    path = daemon_socket()
    if foreground:
        log_to_stderr()
        make_socket_folder(path)
        claim(path)
        return run_daemon(path, lambda where: click.echo(f"sdtui serves {where}", err=True))
    running = start_daemon(path)
    if running is None:
        click.echo("started")
    elif running.version == __version__:
        click.echo("already running")
    else:
        click.echo(f"already running, version {running.version}; for {__version__} stop it first")
    return 0


@daemon.command()
def stop() -> int:
    """Stop the daemon. It finishes the current picture first; unfinished jobs go on at the next
    start."""
    from sdtui.cli.daemon_process import ask_daemon, ask_to_end

    path = daemon_socket()
    running = ask_daemon(path)
    if running is None:
        click.echo("not running")
        return 0
    if running.running:
        click.echo("finishing the current picture", err=True)
    ask_to_end(path)
    _wait_for_end(path)
    waiting = running.queue_length
    jobs = f"; {waiting} waiting {'job goes' if waiting == 1 else 'jobs go'} on at the next start"
    click.echo(f"stopped{jobs if waiting else ''}")
    return 0


def _wait_for_end(path: Path) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        held = hold_socket(path)
        if held is not None:
            os.close(held)
            return
        time.sleep(0.05)
    raise SdtuiError(
        f"the daemon hasn't ended after {duration(_PATIENCE_SECONDS)}",
        f"{paths.daemon_log_file()} says what it does",
    )


@daemon.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> int:
    """Say whether the daemon runs, and what it does. Ends with 1 if it doesn't run."""
    import json
    from dataclasses import asdict

    from sdtui.cli.daemon_process import ask_daemon

    path, log = daemon_socket(), paths.daemon_log_file()
    found = ask_daemon(path)
    if as_json:
        places = {"is_running": found is not None, "socket": str(path), "log": str(log)}
        more = {**asdict(found), "running": found.running} if found else {}
        click.echo(json.dumps({**places, **more}, indent=2))
        return 0 if found else 1
    if found is None:
        rows = [("daemon", "not running")]
    else:
        state = "ending" if found.is_ending else "running"
        other = "" if found.version == __version__ else f" (this is {__version__})"
        about = f"{state} for {duration(found.uptime)}, version {found.version}{other}"
        model = f"{found.model} ({found.device}, {found.dtype})" if found.model else "not loaded"
        jobs = f"{found.running} running, {found.queue_length} waiting"
        rows = [("daemon", f"{about}, process {found.pid}"), ("model", model), ("jobs", jobs)]
        if found.problem:
            rows.append(("problem", found.problem))
    for name, text in (*rows, ("socket", str(path)), ("log", str(log))):
        click.echo(f"{name:10} {one_line(text)}")
    return 0 if found else 1


@daemon.command()
@click.option("--again", is_flag=True, help="Don't start it if it was stopped meanwhile.")
def dial(again: bool) -> int:
    """Connect stdin and stdout with the daemon, which is started if need be. For `ssh://`."""
    with connect_daemon(None, again=again) as connection:
        os.write(1, DIAL_GREETING)
        threading.Thread(target=_send_input, args=(connection,), daemon=True).start()
        while data := connection.recv(_CHUNK):
            _write(data)
    return 0


def _send_input(connection: socket.socket) -> None:
    """Send stdin until it ends; then the daemon closes the connection."""
    with suppress(OSError):  # it was closed, which `dial` sees
        while data := os.read(0, _CHUNK):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]

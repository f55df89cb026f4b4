"""The daemon's process: is it running, start it, run it."""

from __future__ import annotations

import http.client
import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sdtui.cli.logs import log_to_file
from sdtui.cli.serve import import_server
from sdtui.core import paths, runtime
from sdtui.core.errors import SdtuiError, SettingsError
from sdtui.core.settings import Settings, load_settings
from sdtui.core.text import one_line
from sdtui.core.unix_sockets import (
    check_socket_folder,
    connect_unix,
    hold_socket,
    make_socket_folder,
    note_stopped,
    peer_process,
)

_log = logging.getLogger(__name__)
_ANSWER_SECONDS = 20.0
"""Time for an answer; a daemon that starts imports its libraries before the first."""
_OTHER_SECONDS = 60.0
"""Time for another daemon to start, or to end with its last picture."""
_STARTED = b"started"
_MOST_JOBS = 100_000
_MOST_PIXELS = 16_384**2
_MOST_CELLS = 10_000


@dataclass(frozen=True)
class DaemonStatus:
    """What a daemon says of itself, see the server's `HealthAnswer`."""

    status: str
    version: str
    pid: int
    uptime: float
    model: str | None
    device: str | None
    dtype: str | None
    queue_length: int
    workers: list[dict[str, Any]]
    problem: str | None

    @property
    def running(self) -> int:
        """The number of running jobs and trainings."""
        return sum(bool(worker["job"] or worker["training"]) for worker in self.workers)

    @property
    def is_ending(self) -> bool:
        return self.status == "ending"


def ask_daemon(path: Path) -> DaemonStatus | None:
    """Return the status of the daemon at a socket; None if there is none. Raises SettingsError if
    it doesn't answer or isn't the user's."""
    answer = _request(path, "GET", "/health")
    if answer is None:
        return None
    try:
        return DaemonStatus(**{each.name: answer[each.name] for each in fields(DaemonStatus)})
    except KeyError as error:
        raise _silent(path, "its answer is of another version of sdtui") from error


def ask_to_end(path: Path) -> None:
    """Ask the daemon at a socket to end, for good: attached clients don't start it again."""
    with suppress(OSError):  # then they do
        note_stopped(path, stopped=True)
    _request(path, "POST", "/shutdown")


def _request(path: Path, method: str, route: str) -> dict[str, Any] | None:
    check_socket_folder(path)
    process = None
    try:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = connect_unix(path, _ANSWER_SECONDS)
        process = peer_process(connection.sock)
        try:
            connection.request(method, route)
            answer = connection.getresponse()
            body = json.loads(answer.read())
        finally:
            connection.close()
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except ConnectionError:  # it ended meanwhile
        return None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _silent(path, str(error) or type(error).__name__, process) from error
    if answer.status != http.HTTPStatus.OK:
        raise _silent(path, f"it answers {answer.status}", process)
    return body if isinstance(body, dict) else {}


def _silent(path: Path, why: str, process: int | None = None) -> SettingsError:
    number = f" {process}" if process else ""
    return SettingsError(
        f"the daemon at {path} doesn't answer as it should: {one_line(why)}",
        f"End its process{number}, and start it again",
    )


def start_daemon(path: Path) -> DaemonStatus | None:
    """Start the daemon at a socket and wait until it answers, or return the status of the one that
    runs. Raises SdtuiError with the reason if it can't be started."""
    make_socket_folder(path)
    held = _hold_unless_running(path)
    if isinstance(held, DaemonStatus):
        return held
    log = paths.daemon_log_file()
    with paths.needing_state(f"the folder {log.parent} can't be made"):
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    answer = runtime.run_detached(lambda pipe: _run_detached(path, pipe), paths.home_folder(), log)
    os.close(held)  # the daemon holds it too
    if answer == _STARTED:
        return None
    if answer:
        raise SdtuiError(f"the daemon doesn't start: {answer.decode()}")
    raise SdtuiError("the daemon ended while it started", f"{log} says why")


def _hold_unless_running(path: Path) -> int | DaemonStatus:
    """Hold a daemon's socket and return the handle, or return the status of the daemon that
    answers. Waits for one that starts or ends."""
    end = time.monotonic() + _OTHER_SECONDS
    while time.monotonic() < end:
        running = ask_daemon(path)
        if running is not None and not running.is_ending:
            return running
        held = hold_socket(path)
        if held is not None:
            return held
        time.sleep(0.1)
    raise SettingsError(
        f"another process holds {path} and doesn't answer", "End it, or try again later"
    )


def _run_detached(path: Path, pipe: int) -> None:
    def report(answer: bytes) -> None:
        with suppress(OSError):  # nobody waits for it any more
            os.write(pipe, answer)
            os.close(pipe)

    try:
        run_daemon(path, lambda _: report(_STARTED))
    except SdtuiError as error:
        _log.exception("the daemon doesn't start")
        report(one_line(str(error)).encode())
    except Exception:  # noqa: BLE001 - nothing above it has a log
        _log.exception("the daemon fails")


def run_daemon(path: Path, on_start: Callable[[str], object]) -> int:
    """Run the daemon in this process until it ends; returns the exit code."""
    runtime.ignore_hangup()
    with suppress(OSError):
        note_stopped(path, stopped=False)
    log_to_file(paths.daemon_log_file())
    run, options_class = import_server()
    from sdtui.cli.backend import open_local_backend

    settings = load_settings()
    folder = paths.daemon_folder()
    options = options_class(
        unix_socket=path,
        preload=False,
        failure_code=0,  # what waits is seen, and may be cancelled
        unload_after=settings.daemon_unload_minutes * 60 or None,
        end_after=settings.daemon_end_hours * 3600 or None,
        state_folder=folder,
        **own_limits(settings),
    )
    return run(
        settings,
        options,
        on_start,
        lambda: open_local_backend(settings, queue_folder=folder, queue_limit=options.queue_limit),
    )


def own_limits(settings: Settings) -> dict[str, Any]:
    """Return the options that limit what a client may ask for: as much as on the command line."""
    return {
        "queue_limit": _MOST_JOBS,
        "max_body": 2**30,
        "max_pixels": _MOST_PIXELS,
        "max_upload_pixels": _MOST_PIXELS,
        "max_grid": _MOST_CELLS,
        "compatible_policy": settings.policy,
        "allow_downloads": True,
    }

"""How Ray's processes are started: environment, key and command line. Imports nothing of Ray."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from sdtui.core import paths
from sdtui.core.errors import SettingsError
from sdtui.core.unix_sockets import own_folder

WORKERS = "sdtui_workers"
"""Ray's resource of which every worker takes one: its number says how many a machine has."""
FOLDER_VARIABLE = "TMPDIR"
"""Names the private folder of a machine to its workers, which also put their own files there."""
_OBJECT_STORE_BYTES = 200_000_000
"""For pictures on their way; Ray's default is 30 % of the memory."""
_FOLDER = "ray"
"""How the names of private folders begin."""
_LOG = "ray.log"
_VERSIONS = re.compile(r"Ray: (\S+)\s+Python: (\S+).*?Ray: (\S+)\s+Python: (\S+)", re.DOTALL)
"""In Ray's message about a head with other versions: the head's, and its own."""
_END_SECONDS = 1.0
"""Time for Ray's processes to end by themselves."""
_SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Memory runs full when weights are kept there, and Ray would kill workers at 95 %.
    "RAY_memory_monitor_refresh_ms": "0",
    # A machine behind a cut line is noticed after about 8 seconds; by default after 63.
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}


def check_installed() -> None:
    """Raise SettingsError if the extra is missing."""
    if importlib.util.find_spec("ray") is None:
        raise SettingsError(
            "a cluster needs ray, which is not installed",
            "In the folder of sdtui's source, run pip install '.[cluster]'",
        )


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`. Raises SettingsError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError(f"{text!r} is no address of a cluster", "Give HOST:PORT")
    return host.strip("[]"), int(port)


def resolved(host: str) -> str:
    """Return the IP address of a host, which Ray needs. Raises SettingsError."""
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise SettingsError(f"the host {host!r} isn't known: {error}", "Check HOST") from error


def check_can_listen(host: str, port: int) -> None:
    """Raise SettingsError unless a head can listen at an address of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((resolved(host), port))
        except OSError as error:
            hint = "Give an address of this machine with a free port"
            raise SettingsError(f"{host}:{port} can't be used: {error.strerror}", hint) from error


def own_address(head: str) -> str:
    """Return the IP address by which this machine reaches a head. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((head, 9))
        address: str = probe.getsockname()[0]
    return address


def default_key_file() -> Path:
    """Return where the cluster's key is unless an option says otherwise."""
    return paths.config_folder() / "cluster.key"


def make_key(file: Path) -> None:
    """Write a new key into a file that only its user can read, unless there is one. Raises
    SettingsError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as stream:
                stream.write(secrets.token_hex(32))
    except OSError as error:
        raise SettingsError(f"{file} can't be written: {error.strerror}") from error
    check_key(file)


def check_key(file: Path) -> None:
    """Raise SettingsError unless a file holds a key that others can't read."""
    try:
        key, mode = file.read_text().strip(), file.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        hint = "Copy the server's cluster.key to it, or name the file with --key-file"
        raise SettingsError(f"{file} can't be read", hint) from error
    if not key:
        raise SettingsError(f"{file} holds no key", "Copy the server's file to it")
    if mode & 0o077:
        hint = f"chmod 600 {file}"
        raise SettingsError(f"{file} can be read by others, and who has it can run code", hint)


def environment(key_file: Path, **others: str) -> dict[str, str]:
    """Return the variables of all processes of a cluster."""
    inherited = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    key = {"RAY_AUTH_TOKEN_PATH": str(key_file.absolute())}
    return {**inherited, **_SETTINGS, **key, **others}


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a new folder that only this user can enter. Its path is short, since Ray puts sockets
    into it. What killed processes have left is ended and deleted. Raises SettingsError."""
    parent = own_folder()
    for left in parent.glob(f"{_FOLDER}*"):
        if not psutil.pid_exists(int(left.name.removeprefix(_FOLDER))):
            _kill(_using(left))
            shutil.rmtree(left, ignore_errors=True)
    folder = parent / f"{_FOLDER}{os.getpid()}"
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise SettingsError(f"{folder} can't be made: {error.strerror}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def head_arguments(host: str, port: int, folder: Path) -> list[str]:
    """Return the arguments of `ray start` for a head without workers."""
    return [
        *("--head", f"--port={port}", "--num-cpus=0", "--num-gpus=0"),
        *("--include-dashboard=false", "--no-monitor", *_common_arguments(host, folder)),
    ]


def worker_arguments(
    head: str, own: str, folder: Path, *, workers: int, gpus: int, cpus: int
) -> list[str]:
    """Return the arguments of `ray start` for a machine with workers."""
    resources = json.dumps({WORKERS: workers})
    return [
        *(f"--address={head}", f"--num-cpus={cpus}", f"--num-gpus={gpus}"),
        *(f"--resources={resources}", *_common_arguments(own, folder)),
    ]


def _common_arguments(host: str, folder: Path) -> list[str]:
    return [
        f"--node-ip-address={host}",
        f"--temp-dir={folder}",
        f"--object-store-memory={_OBJECT_STORE_BYTES}",
        "--include-log-monitor=false",
        "--disable-usage-stats",
        "--block",
    ]


def start(
    arguments: Sequence[str], variables: Mapping[str, str], folder: Path
) -> subprocess.Popen[bytes]:
    """Start Ray on this machine, with a new log. The process lives as long as Ray does."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", *arguments]
    with (folder / _LOG).open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(variables),
            start_new_session=True,
        )


def log_text(folder: Path) -> str:
    """Return what Ray has printed since its start; "" if it wasn't started."""
    log = folder / _LOG
    return log.read_text(errors="replace").strip() if log.exists() else ""


def problem(log: str, address: str, key_file: Path) -> str:
    """Return why Ray hasn't joined a head, by its log. Raises SettingsError if trying again is of
    no use."""
    if "AuthenticationError" in log:
        raise SettingsError(
            f"the server at {address} has another key than {key_file}",
            "Copy the server's cluster.key to it",
        )
    if (mismatch := _VERSIONS.search(log)) is not None:
        ray, python, own_ray, own_python = (each.strip() for each in mismatch.groups())
        raise SettingsError(
            f"the server has Ray {ray} and Python {python}, this is Ray {own_ray} with Python"
            f" {own_python}",
            "Install the same versions",
        )
    if "Failed to connect to GCS" in log:
        return f"{address} doesn't answer"
    return f"Ray says: {log.splitlines()[-1].strip()}" if log else "Ray said nothing"


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process of `start` and all that it has started, which may outlive it."""
    started = list(_in_session(process.pid))
    process.terminate()
    for each in started:
        with suppress(psutil.NoSuchProcess):
            each.terminate()
    _, left = psutil.wait_procs(started, timeout=_END_SECONDS)
    _kill(left)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _in_session(session: int) -> Iterator[psutil.Process]:
    """Yield the processes of a session but its leader, also if that has ended."""
    for each in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError):
            if each.pid != session and os.getsid(each.pid) == session:
                yield each


def _using(folder: Path) -> Iterator[psutil.Process]:
    """Yield this user's processes that name a private folder, and those of their sessions."""
    for each in psutil.process_iter(["uids", "cmdline"]):
        uids, command = each.info["uids"], each.info["cmdline"] or ()
        is_own = uids is not None and uids.real == os.getuid()
        if is_own and any(str(folder) in part for part in command):
            yield each
            yield from _in_session(each.pid)


def _kill(processes: Iterable[psutil.Process]) -> None:
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            each.kill()

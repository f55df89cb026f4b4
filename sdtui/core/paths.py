"""The folders and files of sdtui: XDG folders, or those of the platform."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

from sdtui.core.errors import SettingsError

_APP = "sdtui"


def server_folder() -> Path:
    """Return the folder of the server's uploads and queue. It is separate from the app's queue,
    whose orphaned jobs the app offers to resume."""
    return state_folder() / "server"


def daemon_folder() -> Path:
    """Return the folder of this host's daemon: its log, uploads and queue. A home folder may be
    shared by several hosts."""
    return state_folder() / "daemon" / socket.gethostname()


def config_file() -> Path:
    """The config file, or that of `SDTUI_CONFIG`."""
    named = os.environ.get("SDTUI_CONFIG")
    return expanded(named) if named else config_folder() / "config.toml"


def config_folder() -> Path:
    """The folder for files that users write."""
    return _of_platform(lambda: platformdirs.user_config_path(_APP, appauthor=False))


def state_folder() -> Path:
    """The folder for state between runs: index, queue, log. Created if missing."""
    return _created(_of_platform(lambda: platformdirs.user_state_path(_APP, appauthor=False)))


def cache_folder() -> Path:
    """The folder for what can be recreated. Created if missing."""
    return _created(_of_platform(lambda: platformdirs.user_cache_path(_APP, appauthor=False)))


def _of_platform(find: Callable[[], Path]) -> Path:
    """Return a folder of the platform. Raises SettingsError if it is in an unknown home directory,
    as of a container's user without a name."""
    try:
        return find()
    except RuntimeError as error:
        raise SettingsError(
            "the home directory is unknown", "Set HOME to a folder that can be written"
        ) from error


def _created(folder: Path) -> Path:
    with suppress(OSError):  # writing into it reports the error
        # Private, as the XDG specification asks for: prompts are in the log, queue and index.
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextmanager
def needing_state(problem: str) -> Iterator[None]:
    """Raise SettingsError in place of OSError: the state folder can't be used.

    The message is `problem` with the reason and a hint.
    """
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"{problem}: {error.strerror}", "Set XDG_STATE_HOME to a folder that can be written"
        ) from error


def pictures_folder() -> Path:
    """The default folder for pictures."""
    return _of_platform(platformdirs.user_pictures_path) / _APP


def loras_folder() -> Path:
    """The folder for LoRAs that were trained here, where no other is known."""
    return _of_platform(lambda: platformdirs.user_data_path(_APP, appauthor=False)) / "loras"


def log_file() -> Path:
    """The log file for tracebacks and messages of libraries."""
    return state_folder() / "sdtui.log"


def daemon_log_file() -> Path:
    """The log file of this host's daemon."""
    return daemon_folder() / "daemon.log"


def expanded(path: str | Path) -> Path:
    """Expand ~ and ~name in a path; the home of an unknown user is left as it is."""
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError):
        return Path(path)


def home_folder() -> Path:
    """The home directory, or the working directory if it is unknown or missing."""
    home = expanded("~")
    return home if home.is_absolute() and is_folder(home) else Path.cwd()


def is_file(path: Path) -> bool:
    """True if the file exists; False where Path.is_file raises OSError (forbidden, too long)."""
    return _or_false(path.is_file)


def is_folder(path: Path) -> bool:
    """True if the folder exists; False where Path.is_dir raises OSError."""
    return _or_false(path.is_dir)


def is_special(path: Path) -> bool:
    """True for a pipe, a device or a socket."""
    return exists(path) and not is_file(path) and not is_folder(path)


def exists(path: Path) -> bool:
    """True if the path exists; False where Path.exists raises OSError."""
    return _or_false(path.exists)


def _or_false(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except (OSError, ValueError):  # ValueError: a NUL in it
        return False

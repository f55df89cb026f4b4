"""Where sdtui keeps things: the XDG folders, or what the platform has in their place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

from sdtui.core.errors import SettingsError

_APP = "sdtui"


def server_folder() -> Path:
    """Return the folder of the server's uploads and queue, apart from the app's queue: the app
    offers to resume orphaned jobs, and is not to offer the server's."""
    return state_folder() / "server"


def config_file() -> Path:
    """The config file; `SDTUI_CONFIG` names another."""
    named = os.environ.get("SDTUI_CONFIG")
    return expanded(named) if named else config_folder() / "config.toml"


def config_folder() -> Path:
    """For files that people write."""
    return platformdirs.user_config_path(_APP, appauthor=False)


def state_folder() -> Path:
    """For what sdtui remembers between runs: index, queue, log. Made if it is missing."""
    return _made(platformdirs.user_state_path(_APP, appauthor=False))


def cache_folder() -> Path:
    """For what can be made again. Made if it is missing."""
    return _made(platformdirs.user_cache_path(_APP, appauthor=False))


def _made(folder: Path) -> Path:
    with suppress(OSError):  # who writes into it is told
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def needing_state(problem: str) -> Iterator[None]:
    """Around work in the state folder that nothing goes on without. For an OSError raises
    SettingsError, which says `problem`, why, and what to do."""
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"{problem}: {error.strerror}", "Set XDG_STATE_HOME to a folder that can be written"
        ) from error


def pictures_folder() -> Path:
    """Where pictures go unless the settings say otherwise."""
    return platformdirs.user_pictures_path() / _APP


def log_file() -> Path:
    """Where tracebacks and the libraries' messages go."""
    return state_folder() / "sdtui.log"


def expanded(path: str | Path) -> Path:
    """A path that someone wrote, with ~ or ~name in place of a home. Where nobody has that name,
    or can have it, it is taken as it stands."""
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError):
        return Path(path)


def is_file(path: Path) -> bool:
    """Whether a file is there. One that can't be looked at, as its path is too long or forbidden,
    is not, where Path's own method would raise OSError."""
    return _can_be_seen(path.is_file)


def is_folder(path: Path) -> bool:
    """Whether a folder is there, likewise."""
    return _can_be_seen(path.is_dir)


def exists(path: Path) -> bool:
    """Whether anything is there, likewise."""
    return _can_be_seen(path.exists)


def _can_be_seen(look: Callable[[], bool]) -> bool:
    try:
        return look()
    except OSError:
        return False

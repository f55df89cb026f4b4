"""Parse the values of settings, from TOML or from the text of an environment variable.

Without pydantic, whose import would take a sixth of the time until the window is visible. Each
function raises WrongValueError.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from sdtui.core.errors import SettingsError
from sdtui.core.places import parse_place
from sdtui.core.text import is_text, shortened

_Choice = TypeVar("_Choice", bound=StrEnum)

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_WORKER_DEVICE = re.compile(r"cpu|cuda:\d+")
ALL_GPUS = "all"
_SWITCH = {
    **dict.fromkeys(("true", "1", "yes", "on", "y", "t"), True),
    **dict.fromkeys(("false", "0", "no", "off", "n", "f"), False),
}


class WrongValueError(ValueError):
    """A wrong value; `within` are the keys that lead to it inside a table."""

    def __init__(self, message: str, *within: str) -> None:
        super().__init__(message)
        self.within = within


def text(value: object) -> str:
    """A non-empty text."""
    if not isinstance(value, str):
        raise WrongValueError(f"should be a text, not {_quoted(value)}")
    if not value:
        raise WrongValueError("should not be empty")
    return value


def folder(value: object) -> Path:
    """A folder; `~` is the home folder."""
    name = text(value)
    if not is_text(name):
        raise WrongValueError(f"{_quoted(value)} is no valid text (UTF-8): rename it")
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise WrongValueError(f"{_quoted(value)}: {error}") from error


def file(value: object) -> Path:
    """A file; `~` is the home folder."""
    return folder(value)


def folders(value: object) -> tuple[Path, ...]:
    """A list of folders."""
    if not isinstance(value, list):
        raise WrongValueError(f"should be a list of folders, not {_quoted(value)}")
    return tuple(map(folder, value))


def device(value: object) -> str:
    """A device name of torch, or "auto"."""
    if not _DEVICE.fullmatch(text(value)):
        raise WrongValueError(f"there is no device {_quoted(value)}")
    return text(value)


def gpus(value: object) -> tuple[str, ...]:
    """Devices of which each has a worker: "all", or several, of which a number is a GPU."""
    names = [part.strip() for part in text(str(value) if type(value) is int else value).split(",")]
    if names == [ALL_GPUS]:
        return (ALL_GPUS,)
    found = tuple(f"cuda:{name}" if name.isdecimal() else name for name in names)
    for name in found:
        if not _WORKER_DEVICE.fullmatch(name):
            raise WrongValueError(f"there is no device {_quoted(name)}")
    gpus_twice = [name for name in found if name != "cpu" and found.count(name) > 1]
    if gpus_twice:
        raise WrongValueError(f"{gpus_twice[0]} is named twice")
    return found


def one_of(choices: type[_Choice]) -> Callable[[object], _Choice]:
    """A parser for the values of an enumeration; numbers need no quotes."""

    def read(value: object) -> _Choice:
        name = str(value) if type(value) is int else value
        match = next((each for each in choices if each == name), None)
        if match is None:
            raise WrongValueError(f"{_quoted(value)} is not one of {', '.join(choices)}")
        return match

    return read


def switch(value: object) -> bool:
    """True or false in their usual spellings."""
    result = _SWITCH.get(str(value).lower()) if isinstance(value, bool | int | str) else None
    if result is None:
        raise WrongValueError(f"should be true or false, not {_quoted(value)}")
    return result


def place(value: object) -> str:
    """Where a backend is."""
    name = text(value)
    try:
        parse_place(name)
    except SettingsError as error:
        raise WrongValueError(error.what) from error
    return name


def amount(value: object) -> float:
    """A number that isn't negative, also as a text."""
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not 0 <= number < math.inf:
        raise WrongValueError(f"should be a number from 0, not {_quoted(value)}")
    return number


_RENAMED_ACTIONS = {
    **{f"window.{tab}_room": f"window.{tab}_tab" for tab in ("create", "queue", "history")},
    **{f"left_behind.{name}": f"orphaned_jobs.{name}" for name in ("yes", "no", "leave")},
}
"""The current names of actions that were renamed since version 0.1."""


def keys(value: object) -> Mapping[str, str]:
    """Keys by action, under the current names of actions.

    Without quotes, TOML reads `window.generate` as a table in a table.
    """
    if not isinstance(value, Mapping):
        raise WrongValueError(f"should be a table of actions and their keys, not {_quoted(value)}")
    flat: dict[str, str] = {}
    for name, inner in value.items():
        inside = inner.items() if isinstance(inner, Mapping) else None
        for action, key in ((name, inner),) if inside is None else inside:
            full = action if inside is None else f"{name}.{action}"
            if not isinstance(key, str):
                raise WrongValueError(f"{full} should be a text, not {_quoted(key)}", full)
            flat[_RENAMED_ACTIONS.get(full, full)] = key
    return flat


def table(value: object) -> Mapping[str, object]:
    """A table."""
    if not isinstance(value, Mapping):
        raise WrongValueError(f"should be a table, not {_quoted(value)}")
    return value


def _quoted(value: object) -> str:
    return shortened(repr(value))

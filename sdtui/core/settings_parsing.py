"""Reading the values of settings: TOML's, or an environment variable's text.

By hand and not by pydantic, whose import would be a sixth of the time until the app is seen. Each
function raises WrongValueError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from sdtui.core.text import shortened

_Choice = TypeVar("_Choice", bound=StrEnum)

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_SWITCH = {
    **dict.fromkeys(("true", "1", "yes", "on", "y", "t"), True),
    **dict.fromkeys(("false", "0", "no", "off", "n", "f"), False),
}


class WrongValueError(ValueError):
    """What is wrong with a value, and `within`: the keys that lead to it inside the value."""

    def __init__(self, message: str, *within: str) -> None:
        super().__init__(message)
        self.within = within


def text(value: object) -> str:
    """A text that isn't empty."""
    if not isinstance(value, str):
        raise WrongValueError(f"should be a text, not {_shown(value)}")
    if not value:
        raise WrongValueError("should not be empty")
    return value


def folder(value: object) -> Path:
    """A folder; `~` is the home folder."""
    try:
        return Path(text(value)).expanduser()
    except RuntimeError as error:
        raise WrongValueError(f"{_shown(value)}: {error}") from error


def folders(value: object) -> tuple[Path, ...]:
    """A list of them."""
    if not isinstance(value, list):
        raise WrongValueError(f"should be a list of folders, not {_shown(value)}")
    return tuple(map(folder, value))


def device(value: object) -> str:
    """A device as torch names it, or "auto"."""
    if not _DEVICE.fullmatch(text(value)):
        raise WrongValueError(f"there is no device {_shown(value)}")
    return text(value)


def one_of(choices: type[_Choice]) -> Callable[[object], _Choice]:
    """What reads one of several words."""

    def read(value: object) -> _Choice:
        found = next((each for each in choices if each == value), None)
        if found is None:
            raise WrongValueError(f"{_shown(value)} is none of {', '.join(choices)}")
        return found

    return read


def switch(value: object) -> bool:
    """True or false, as people write it."""
    found = _SWITCH.get(str(value).lower()) if isinstance(value, bool | int | str) else None
    if found is None:
        raise WrongValueError(f"should be true or false, not {_shown(value)}")
    return found


_RENAMED_ACTIONS = {
    **{f"window.{tab}_room": f"window.{tab}_tab" for tab in ("create", "queue", "history")},
    **{f"left_behind.{name}": f"orphaned_jobs.{name}" for name in ("yes", "no", "leave")},
}
"""Names of actions in version 0.1, and what they are called now."""


def keys(value: object) -> Mapping[str, str]:
    """Keys by action; renamed actions under their new names. Without quotes TOML takes
    `window.generate` for a table in a table."""
    if not isinstance(value, Mapping):
        raise WrongValueError(f"should be a table of actions and their keys, not {_shown(value)}")
    flat: dict[str, str] = {}
    for name, inner in value.items():
        inside = inner.items() if isinstance(inner, Mapping) else None
        for action, wanted in ((name, inner),) if inside is None else inside:
            full = action if inside is None else f"{name}.{action}"
            if not isinstance(wanted, str):
                raise WrongValueError(f"{full} should be a text, not {_shown(wanted)}", full)
            flat[_RENAMED_ACTIONS.get(full, full)] = wanted
    return flat


def _shown(value: object) -> str:
    return shortened(repr(value))

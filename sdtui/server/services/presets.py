"""The presets of the configuration, as requests may name them: without files of this machine."""

from __future__ import annotations

import logging

from sdtui.core.errors import InvalidRequestError, Problem, SettingsError
from sdtui.requests.presets import Preset, preset, preset_names, usable_presets
from sdtui.requests.request import REQUEST_FIELDS

_log = logging.getLogger(__name__)
_SEE_LOG = "the log of the server says why"


def served_presets() -> dict[str, Preset]:
    """Return the presets that can be used, and log what is wrong with others. Raises SettingsError
    if their file can't be read."""
    try:
        usable, problems = usable_presets()
    except SettingsError as error:
        _log.warning("%s", error)
        raise SettingsError("the presets can't be read", _SEE_LOG.capitalize()) from error
    for problem in problems:
        _log.warning("%s", problem)
    return {name: _without_files(values) for name, values in usable.items()}


def served_preset(name: object) -> Preset:
    """Return the values of a preset; none for no name. Raises InvalidRequestError."""
    if name is None:
        return {}
    try:
        names = preset_names()
        if isinstance(name, str) and name in names:
            return _without_files(preset(name))
    except SettingsError as error:  # which names the file
        _log.warning("%s", error)
        problem = Problem("preset", name, f"can't be used; {_SEE_LOG}")
        raise InvalidRequestError([problem]) from error
    message = f"must be the name of a preset; there are: {', '.join(names) or 'none'}"
    raise InvalidRequestError([Problem("preset", name, message)])


def _without_files(values: Preset) -> Preset:
    return {each: value for each, value in values.items() if not REQUEST_FIELDS[each].is_file}

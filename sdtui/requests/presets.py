"""Presets: some values of a request under a name, in a file that people may edit.

`presets.toml` in the config folder has a table for each:

    [draft]
    num_inference_steps = 8
    sampler = "Euler a"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sdtui.core import paths
from sdtui.core.errors import InvalidRequestError, SettingsError
from sdtui.core.files import write_atomic
from sdtui.core.locks import exclusive
from sdtui.core.settings import read_toml
from sdtui.core.text import is_text, nearest, shortened
from sdtui.core.text_files import decode_text
from sdtui.requests.field_table import FieldTable
from sdtui.requests.request import REQUEST_FIELDS

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

Preset = Mapping[str, Any]
"""Field → value, by the unique names of fields."""

_CORRECT = "Correct the file or move it away"


def presets_file() -> Path:
    """Return the path of the file with the presets."""
    return paths.config_folder() / "presets.toml"


def load_presets(fields: FieldTable = REQUEST_FIELDS) -> dict[str, Preset]:
    """Return all presets by name, in the order of the file; none if there is no file.

    Raises SettingsError with the preset, the field and what is wrong.
    """
    return {name: _checked(name, table, fields) for name, table in _tables().items()}


def usable_presets() -> tuple[dict[str, Preset], tuple[SettingsError, ...]]:
    """Return the presets that can be used, and what is wrong with the others. Raises SettingsError
    if the file can't be read."""
    usable: dict[str, Preset] = {}
    problems: list[SettingsError] = []
    for name, table in _tables().items():
        try:
            usable[name] = _checked(name, table, REQUEST_FIELDS)
        except SettingsError as error:
            problems.append(error)
    return usable, tuple(problems)


def preset_names() -> list[str]:
    """Return the names of all presets, also of those that can't be used. Raises SettingsError."""
    return list(_tables())


def _tables() -> Mapping[str, object]:
    return read_toml(presets_file(), "Make it readable")


def _checked(name: str, table: object, fields: FieldTable) -> Preset:
    from sdtui.requests.validation import validate_fields

    where = f'{presets_file()}: preset "{shortened(name)}"'
    if not isinstance(table, Mapping):
        raise SettingsError(f"{where}: should be a table of fields", f"Write [{name}] above them")
    try:
        return validate_fields(fields, table)
    except InvalidRequestError as error:
        raise SettingsError(f"{where}: {error}", _CORRECT) from error


def preset(name: str) -> Preset:
    """Return the values of a preset; what is wrong with others doesn't matter. Raises SettingsError
    if there is none of that name, or if it can't be used."""
    presets = _tables()
    if name not in presets:
        near = nearest(name, presets)
        known = f'Did you mean "{near}"?' if near else f"There are: {', '.join(presets) or 'none'}"
        raise SettingsError(f'there is no preset "{shortened(name)}" in {presets_file()}', known)
    return _checked(name, presets[name], REQUEST_FIELDS)


def save_preset(name: str, values: Preset) -> None:
    """Add a preset, or replace the values of that of the name.

    Raises SettingsError if the name or the file can't be used.
    """
    if not (name.strip() and is_text(name)):
        raise SettingsError("a preset needs a name", "Write one")

    def save(document: TOMLDocument) -> None:
        import tomlkit

        if name not in document:
            document[name] = tomlkit.table()
        table = cast("MutableMapping[str, Any]", document[name])
        for key in [*table]:
            if key not in values:
                del table[key]
        table.update({key: _plain(value) for key, value in values.items()})

    _change(save)


def delete_preset(name: str) -> None:
    """Delete a preset, if there is one of that name. Raises SettingsError."""
    _change(lambda document: document.pop(name, None))


def _change(change: Callable[[TOMLDocument], object]) -> None:
    """Change the file, with the comments of what stays kept."""
    import tomlkit  # only where a preset is changed

    file = presets_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(paths.state_folder() / "presets.lock"):
            load_presets()  # a wrong file isn't overwritten
            text = decode_text(file.read_bytes()) if file.exists() else ""
            document = tomlkit.parse(text)
            change(document)
            write_atomic(file, tomlkit.dumps(document).encode())
    except OSError as error:
        raise SettingsError(
            f"{file} can't be written: {error.strerror}", "Make the folder writable"
        ) from error


def _plain(value: object) -> object:
    """Return a value in types of TOML."""
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value if isinstance(value, int | float) else str(value)

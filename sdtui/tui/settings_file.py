"""Writing settings into the config file, with its comments kept."""

from __future__ import annotations

import stat
from dataclasses import fields
from pathlib import Path

from sdtui.core.errors import SettingsError
from sdtui.core.files import write_atomic
from sdtui.core.settings import ABOUT_SETTINGS, FOLDER_LISTS, TABLES, Settings, setting_choices
from sdtui.core.text_files import UnreadableTextError, decode_text

Value = str | bool | list[str]
_TABLE_EXAMPLES = {"keys": '"window.generate" = "ctrl+r"', "server": "port = 7860"}


def write_setting(file: Path, key: str, value: Value | None) -> None:
    """Set a key of the config file, which may be missing; None removes it. The new file has every
    setting as a comment. Raises SettingsError."""
    import tomlkit  # only where a setting is changed
    from tomlkit.exceptions import TOMLKitError

    try:
        file = file.resolve()  # what a link leads to
        is_there = file.exists()
        mode = stat.S_IMODE(file.stat().st_mode) if is_there else 0o666
        text = decode_text(file.read_bytes()) if is_there else template()
        document = tomlkit.parse(text)
        if value is None:
            document.pop(key, None)
        else:
            document[key] = value
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, tomlkit.dumps(document).encode(), mode=mode)
    except (OSError, UnreadableTextError, TOMLKitError) as error:
        raise SettingsError(f"{file} can't be changed: {error}", "Edit it by hand") from error


def create_template(file: Path) -> None:
    """Write a file with every setting as a comment, unless there is one. Raises OSError."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, template().encode())


def template() -> str:
    """Return a config file in which every setting is a comment."""
    parts = ["# Settings of sdtui. Take the # away from a line to set it.\n"]
    for key, about in ABOUT_SETTINGS.items():
        if key in TABLES:
            example = f"[{key}]\n# {_TABLE_EXAMPLES[key]}"
        elif key in FOLDER_LISTS:
            example = f'{key} = ["~/{key.removesuffix("_folders")}s"]'
        else:
            example = f"{key} = {_example(key)}"
        parts.append(f"# {about}\n# {example}\n")
    return "\n".join(parts)


def _example(key: str) -> str:
    choices = setting_choices(key)
    if choices == ("true", "false"):
        return choices[0]
    default = next(each.default for each in fields(Settings) if each.name == key)
    if isinstance(default, float):
        return f"{default:g}"
    texts = {"model": "pocket", "pictures": "~/Pictures/sdtui", "connect": "daemon", "gpus": "all"}
    return f'"{choices[0] if choices else texts.get(key, "auto")}"'

"""Styles: texts that are added to prompts, by name, in A1111's styles.csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdtui.core import paths
from sdtui.core.errors import InvalidRequestError, Problem, SettingsError
from sdtui.core.files import write_atomic
from sdtui.core.locks import exclusive
from sdtui.core.text import is_text, nearest, shortened
from sdtui.core.text_files import SAVE_AS_UTF8, UnreadableTextError, decode_text

_COLUMNS = ("name", "prompt", "negative_prompt")
_PLACE = "{prompt}"
"""What stands in a style for the prompt that it is applied to."""
_COMMENTS = ("#", "---")
"""How the names of rows begin that A1111 doesn't list, or writes as dividers."""
_MOST_CHARACTERS = 10_000_000
_LONGEST = 32_000
"""Letters, as of a prompt."""
csv.field_size_limit(_MOST_CHARACTERS)


@dataclass(frozen=True)
class Style:
    """A named text for each prompt."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""


def default_styles_file() -> Path:
    """Return the file of styles in the config folder."""
    return paths.config_folder() / "styles.csv"


def read_styles(files: Iterable[Path]) -> dict[str, Style]:
    """Return the styles of files by their names; of the same names, that of the first file. Files
    that don't exist are left out. Raises SettingsError for one that can't be read."""
    styles: dict[str, Style] = {}
    for file in files:
        for row in _rows(file):
            name = row.get("name") or ""
            if name and not name.startswith(_COMMENTS):
                styles.setdefault(name, _style(name, row))
    return styles


def _style(name: str, row: Mapping[str, str]) -> Style:
    """Return the style in a row; older files have one column, "text", for the prompt."""
    prompt = row.get("prompt", row.get("text")) or ""
    return Style(name, prompt, row.get("negative_prompt") or "")


def save_style(file: Path, style: Style) -> None:
    """Add a style to a file, or replace the one of its name. The other rows, comments too, stay as
    they are. Raises SettingsError."""
    if not style.name.strip() or style.name.startswith(_COMMENTS) or not is_text(style.name):
        raise SettingsError("a style needs a name without # at its beginning", "Write one")
    if max(map(len, (style.name, style.prompt, style.negative_prompt))) > _LONGEST:
        raise SettingsError(f"a style has at most {_LONGEST:,} letters", "Shorten its texts")
    row = {"name": style.name, "prompt": style.prompt, "negative_prompt": style.negative_prompt}

    def change(rows: list[dict[str, str]]) -> None:
        same = next((each for each in rows if each.get("name") == style.name), None)
        if same is None:
            rows.append(row)
        else:
            same.update(row)

    _change(file, change)


def delete_style(file: Path, name: str) -> None:
    """Delete a style from a file. Raises SettingsError, also if the file has none of that name."""

    def change(rows: list[dict[str, str]]) -> None:
        kept = [each for each in rows if each.get("name", "").strip() != name.strip()]
        if len(kept) == len(rows):
            raise SettingsError(
                f'there is no style "{shortened(name)}" in {file}', "Check its name"
            )
        rows[:] = kept

    _change(file, change)


def _change(file: Path, change: Callable[[list[dict[str, str]]], None]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(paths.state_folder() / "styles.lock"):
            rows = _rows(file)
            change(rows)
            columns = dict.fromkeys([*_COLUMNS, *(column for row in rows for column in row)])
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, list(columns), restval="")
            writer.writeheader()
            writer.writerows(rows)
            # With a byte order mark, as A1111 writes it: spreadsheets expect one.
            write_atomic(file.resolve(), text.getvalue().encode("utf-8-sig"))
    except OSError as error:
        raise SettingsError(
            f"{file} can't be written: {error.strerror}", "Make the folder writable"
        ) from error


def _rows(file: Path) -> list[dict[str, str]]:
    """Return the rows of a file by their columns; none if there is no file. Raises
    SettingsError."""
    try:
        text = decode_text(file.read_bytes())
        reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
        rows = [
            {column: value or "" for column, value in row.items() if isinstance(column, str)}
            for row in reader
        ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SettingsError(
            f"the styles in {file} can't be read: {error.strerror}", "Make it readable"
        ) from error
    except UnreadableTextError as error:
        raise SettingsError(f"the styles in {file} can't be read: {error}", SAVE_AS_UTF8) from error
    except csv.Error as error:
        raise SettingsError(
            f"the styles in {file} can't be read: {error}", "Correct the file or move it away"
        ) from error
    if rows and "name" not in rows[0]:
        problem = f"the styles in {file} can't be read: there is no column called name"
        raise SettingsError(problem, "Its first line should be name,prompt,negative_prompt")
    return rows


def find_styles(names: Sequence[str], styles: Mapping[str, Style]) -> list[Style]:
    """Return the styles of these names; case and blanks around them don't matter where only one
    name fits. Raises InvalidRequestError for a name that no style has."""
    folded = {each.strip().casefold(): each for each in styles}
    found = []
    for name in names:
        style = styles.get(name) or styles.get(folded.get(name.strip().casefold(), ""))
        if style is None:
            near = nearest(name, styles)
            hint = f': did you mean "{near}"?' if near else ""
            message = f'there is no style "{shortened(name)}"{hint}'
            raise InvalidRequestError([Problem("styles", name, message)])
        found.append(style)
    return found


def apply_styles(prompt: str, texts: Iterable[str]) -> str:
    """Return a prompt with the texts of styles: in place of `{prompt}` in them, or before them.

    Source: `merge_prompts` in A1111's modules/styles.py.
    """
    for text in texts:
        if _PLACE in text:
            prompt = text.replace(_PLACE, prompt)
        elif text.strip():
            prompt = ", ".join(filter(None, (prompt.strip(), text.strip())))
    return prompt

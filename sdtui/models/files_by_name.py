"""Find a file of a kind by the name that a request gives it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sdtui.core.errors import ModelNotFoundError
from sdtui.core.paths import expanded, is_file
from sdtui.core.settings import Settings
from sdtui.core.text import nearest, shortened
from sdtui.models.files_by_kind import FileKind, FoundFile, files_of_kind
from sdtui.models.folder_search import named

_A1111_HASH = re.compile(r"\s*\[[0-9a-f]{8}\]$")


def find_path(name: str, what: str) -> FoundFile | None:
    """Return the file or folder of a path; None if the name is none. `what` is what it should be:
    "ControlNet". Raises ModelNotFoundError if it isn't there."""
    path = expanded(name)
    if not (path.is_absolute() or name.startswith(("./", "../"))):
        return None
    if not path.exists():
        raise ModelNotFoundError(f"there is no {what} {name}", "Check the path")
    return FoundFile(path.stem if is_file(path) else path.name, path)


def find_named(name: str, kind: FileKind, what: str, settings: Settings) -> FoundFile:
    """Find a file in the folders of its kind: by its name, with or without the suffix and A1111's
    hash, or by a part of it that only one has. Raises ModelNotFoundError with near names."""
    plain = _A1111_HASH.sub("", name.strip())
    files = files_of_kind(kind, settings)
    found = named(plain, files, lambda each: each.name) or _only_one(plain, files, what)
    if found is not None:
        return found
    names = [each.name for each in files]
    near = nearest(plain, names)
    hint = f'Did you mean "{near}"?' if near else f'"sdtui models --kind {kind}" lists them'
    if not names:
        hint = f"Name the folder of your {what}s in the setting {kind}_folders"
    raise ModelNotFoundError(f'there is no {what} "{shortened(plain)}"', hint)


def _only_one(part: str, files: Iterable[FoundFile], what: str) -> FoundFile | None:
    words = part.casefold()
    found = [each for each in files if words in each.name.casefold()]
    if len(found) <= 1:
        return found[0] if found else None
    names = ", ".join(each.name for each in found[:5])
    raise ModelNotFoundError(
        f'several {what}s have "{shortened(part)}" in their names: {names}', "Write the whole name"
    )

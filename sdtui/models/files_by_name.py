"""Find the files of a kind, by the names that requests give them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from sdtui.core.errors import ModelError, ModelNotFoundError
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
    found = named(plain, files, lambda each: each.name) or only_one(plain, files, what)
    if found is not None:
        return found
    names = [each.name for each in files]
    near = nearest(plain, names)
    hint = f'Did you mean "{near}"?' if near else f'"sdtui models --kind {kind}" lists them'
    if not names:
        hint = f"Name the folder of your {what}s in the setting {kind}_folders"
    raise ModelNotFoundError(f'there is no {what} "{shortened(plain)}"', hint)


def only_one(part: str, files: Iterable[FoundFile], what: str) -> FoundFile | None:
    """Return the file with a part in its name. Raises ModelNotFoundError if several have it."""
    words = part.casefold()
    found = [each for each in files if words in each.name.casefold()]
    if len(found) <= 1:
        return found[0] if found else None
    names = ", ".join(each.name for each in found[:5])
    raise ModelNotFoundError(
        f'several {what}s have "{shortened(part)}" in their names: {names}', "Write the whole name"
    )


Opened = TypeVar("Opened", covariant=True)
"""What is known of a file of a kind."""


@dataclass(frozen=True)
class InstalledFile(Generic[Opened]):
    """A file or folder in the folders of its kind."""

    name: str
    path: Path
    opened: Opened | None
    problem: str = ""
    """Why it can't be used."""


@dataclass(frozen=True)
class NamedFiles(Generic[Opened]):
    """The files of a kind that requests name."""

    kind: FileKind
    what: str
    """What one of them is called: "ControlNet"."""
    open: Callable[[FoundFile], Opened]
    """Reads the header of one. Raises ModelError."""

    def find(self, name: str, settings: Settings, *, allow_files: bool = True) -> Opened:
        """Find one by its path, if `allow_files`, or by its name in the folders (`find_named`).
        Raises the errors of `find_path`, `find_named` and `open`."""
        found = find_path(name, self.what) if allow_files else None
        return self.open(found or find_named(name, self.kind, self.what, settings))

    def installed(self, settings: Settings) -> list[InstalledFile[Opened]]:
        """Return all in the folders, those that can't be used among them."""
        return [self._installed(each) for each in files_of_kind(self.kind, settings)]

    def _installed(self, file: FoundFile) -> InstalledFile[Opened]:
        try:
            return InstalledFile(file.name, file.path, self.open(file))
        except ModelError as error:
            return InstalledFile(file.name, file.path, None, str(error))

"""Walk through folders of models, and find one of their files by its name."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar
from unicodedata import normalize

from sdtui.core.paths import is_folder
from sdtui.core.text import is_text, visible

_log = logging.getLogger(__name__)
_Item = TypeVar("_Item")


def paths_below(
    folder: Path,
    wanted: Callable[[Path], bool],
    enters: Callable[[Path], bool] = lambda _: True,
) -> list[Path]:
    """Return the sorted `wanted` paths below a folder, searching the folders that it `enters`.

    Hidden files, links that lead back, what can't be read, and names that aren't valid UTF-8 are
    left out.
    """
    if not is_folder(folder):
        return []
    try:
        above = [parent.stat() for parent in folder.resolve().parents]
        found = sorted(_below(folder, wanted, enters, above))
    except OSError as error:
        _log.warning("folder %s is skipped: %s", folder, error)
        return []
    for path in found:
        if not is_text(str(path)):
            _log.warning("%s is skipped: its name is no valid text (UTF-8)", visible(str(path)))
    return [path for path in found if is_text(str(path))]


def _below(
    folder: Path,
    wanted: Callable[[Path], bool],
    enters: Callable[[Path], bool],
    parents: Sequence[os.stat_result],
) -> Iterator[Path]:
    """`parents` are the folders above, up to the root. Raises OSError if the folder can't be
    read."""
    status = folder.stat()
    if any(os.path.samestat(status, parent) for parent in parents):
        return
    for entry in list(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if wanted(entry):
            yield entry
        elif is_folder(entry) and enters(entry):
            try:
                yield from _below(entry, wanted, enters, (*parents, status))
            except OSError as error:
                _log.warning("folder %s is skipped: %s", entry, error)


def named(
    name: str, items: Iterable[_Item], name_of: Callable[[_Item], str], suffix: str = ".safetensors"
) -> _Item | None:
    """Return the item of this name: the whole path below its folder, or the end of it from any
    folder on, with or without the suffix. Upper and lower case count only where both exist."""
    wanted = _parts(name, suffix)
    if not wanted:
        return None
    known = [(item, _parts(name_of(item), suffix)) for item in items]
    for spelling in (str, str.casefold):
        spelled = [spelling(part) for part in wanted]
        ends = [
            (item, parts)
            for item, parts in known
            if spelled == [spelling(part) for part in parts[-len(wanted) :]]
        ]
        whole = (item for item, parts in ends if len(parts) == len(wanted))
        found = next(whole, ends[0][0] if ends else None)
        if found is not None:
            return found
    return None


def _parts(name: str, suffix: str) -> list[str]:
    """Return the folders and the name in a file's name without its suffix, as Windows or others
    write it; macOS takes letters with accents apart."""
    parts = [part for part in re.split(r"[/\\]", normalize("NFC", name)) if part]
    if parts and parts[-1].lower().endswith(suffix):
        parts[-1] = parts[-1][: -len(suffix)]
    return parts

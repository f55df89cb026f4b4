"""Wildcard files: lines of text under names.

A text file has one line for each text, and comments on lines of their own. A YAML or JSON file is
a tree whose branches are part of the name, and not the file's own name: `animals: {pets: [cat]}`
in any file is `animals/pets`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sdtui.core.dynamic_prompts.expansion import WeightedText
from sdtui.core.settings import Settings
from sdtui.core.text_files import UnreadableTextError, decode_text, split_lines
from sdtui.models.files_by_kind import FileKind, files_of_kind

_log = logging.getLogger(__name__)
_WEIGHT = re.compile(r"(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})::(.*)", re.DOTALL)
_MOST_BYTES = 50_000_000
"""Larger files are no wildcards."""
_MOST_LINES = 200_000
"""Of a tree, in which aliases can stand for more than could be read."""
_DEEPEST = 50

_Lists = Mapping[str, tuple[WeightedText, ...]]
"""Lines by the name of the wildcard."""


class WildcardFiles:
    """The wildcards of the configured folders as they are now. Files are read when a name needs
    them, and again after they have changed."""

    def __init__(self, settings: Settings) -> None:
        self._files = sorted(
            files_of_kind(FileKind.WILDCARD, settings), key=lambda each: each.name.casefold()
        )
        self.problems: dict[Path, str] = {}
        """What is wrong with files that can't be read."""

    def names(self) -> list[str]:
        """Return the names of all wildcards, sorted."""
        return sorted({name for name, _ in self._lists()}, key=str.casefold)

    def lines(self, name: str) -> Sequence[WeightedText]:
        """Return the lines of all wildcards that a name matches, `*` standing for any part of a
        name between two slashes and `**` for any number of parts. Case doesn't matter."""
        pattern = _pattern(name)
        found = [lists[each] for each, lists in self._lists(pattern) if pattern.fullmatch(each)]
        return found[0] if len(found) == 1 else [line for lines in found for line in lines]

    def _lists(self, pattern: re.Pattern[str] | None = None) -> Iterator[tuple[str, _Lists]]:
        """Yield the name and the lists of each wildcard. Text files whose names don't match are
        not read."""
        for file in self._files:
            is_text = file.path.suffix.lower() == ".txt"
            if is_text and pattern is not None and not pattern.fullmatch(file.name):
                continue
            for name, lines in self._read(file.path).items():
                yield (name or file.name), {name or file.name: lines}

    def _read(self, path: Path) -> _Lists:
        if path in self.problems:
            return {}
        try:
            status = path.stat()
            if status.st_size > _MOST_BYTES:
                raise ValueError(f"is larger than {_MOST_BYTES // 1_000_000} MB")
            return _read(path, status.st_mtime_ns, status.st_size)
        except (OSError, ValueError, RecursionError) as error:
            self.problems[path] = problem = " ".join(str(error).split())
            _log.info("the wildcards in %s can't be read: %s", path, problem)
            return {}


class ReadWildcards(WildcardFiles):
    """Wildcards that were read elsewhere, by name."""

    def __init__(
        self, lists: Mapping[str, Sequence[WeightedText]], problems: Mapping[Path, str]
    ) -> None:
        self._read_lists = {name: tuple(lines) for name, lines in lists.items()}
        self.problems = dict(problems)

    def _lists(self, pattern: re.Pattern[str] | None = None) -> Iterator[tuple[str, _Lists]]:
        del pattern
        yield from ((name, self._read_lists) for name in self._read_lists)


@lru_cache(maxsize=4)
def _pattern(name: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*)", name.replace("\\", "/").strip("/"))
    globs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return re.compile("".join(globs.get(part, re.escape(part)) for part in parts), re.IGNORECASE)


@lru_cache(maxsize=2000)
def _read(path: Path, changed: int, size: int) -> _Lists:
    """Read a file that was changed at this time (ns). The name of a text file's wildcard is "".
    Raises OSError, ValueError or RecursionError."""
    try:
        text = decode_text(path.read_bytes())
    except UnreadableTextError as error:
        raise ValueError(str(error)) from error
    if path.suffix.lower() == ".txt":
        lines = (line.strip() for line in split_lines(text))
        return {"": tuple(_weighted(line) for line in lines if line and not line.startswith("#"))}
    tree = json.loads(text) if path.suffix.lower() == ".json" else _parse_yaml(text)
    found: dict[str, list[WeightedText]] = {}
    for number, (name, line) in enumerate(_lines_of(tree, "")):
        if number >= _MOST_LINES:
            raise ValueError(f"holds more than {_MOST_LINES:,} lines")
        found.setdefault(name, []).append(_weighted(line))
    return {name: tuple(lines) for name, lines in found.items() if name}


def _parse_yaml(text: str) -> Any:
    """Return the tree of a YAML text, with all values as texts. Raises ValueError."""
    import yaml

    try:
        return yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    except yaml.YAMLError as error:
        raise ValueError(f"is no YAML: {error}") from error


def _lines_of(tree: Any, name: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the lines of a tree with their names."""
    if depth > _DEEPEST:
        raise ValueError("is nested too deeply")
    if isinstance(tree, Mapping):
        if _is_unquoted(tree):
            yield name, f"{{{', '.join(map(str, tree))}}}"
            return
        for key, branch in tree.items():
            yield from _lines_of(branch, f"{name}/{key}" if name else str(key), depth + 1)
    elif isinstance(tree, list):
        for branch in tree:
            yield from _lines_of(branch, name, depth + 1)
    elif tree is not None and not isinstance(tree, bool) and str(tree).strip():
        yield name, str(tree).strip()


def _is_unquoted(tree: Mapping[Any, Any]) -> bool:
    """True for `{a|b}` without quotes, which YAML reads as keys without values."""
    return any("|" in str(key) for key in tree) and not any(tree.values())


def _weighted(line: str) -> WeightedText:
    found = _WEIGHT.fullmatch(line)
    return WeightedText(line) if found is None else WeightedText(found[2].strip(), float(found[1]))

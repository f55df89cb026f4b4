"""What the history hands out: plain, frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sdtui.requests.record import GenerationRecord


@dataclass(frozen=True)
class SavedPicture:
    """A picture that is on disk, with the JSON beside it."""

    path: Path
    json_path: Path
    record: GenerationRecord
    """Of this picture alone, with `path` and `sha256` filled in."""


@dataclass(frozen=True)
class Entry:
    """One picture, as the index knows it. `History.record` reads the whole story."""

    id: int
    """Newer pictures have larger ones. Changes when the picture is moved."""
    path: Path
    time: datetime
    """When its run began, in local time, to the millisecond."""
    prompt: str
    negative_prompt: str
    model: str
    sampler: str
    """Empty if it isn't known."""
    seed: int
    width: int
    height: int
    """Both in pixels."""
    steps: int | None
    guidance: float | None
    starred: bool
    tags: tuple[str, ...]
    problem: str
    """What is wrong with the picture file; empty if nothing is."""


@dataclass(frozen=True)
class Page:
    """A part of what a search found, newest first."""

    entries: tuple[Entry, ...]
    total: int
    """How many pictures the search found in all."""
    offset: int


@dataclass(frozen=True)
class Skipped:
    """A file in the pictures folder that is not listed."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Changes:
    """What a look at the pictures folder brought."""

    added: int = 0
    removed: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


@dataclass(frozen=True)
class Stats:
    """The history in numbers."""

    pictures: int
    starred: int
    trashed: int
    skipped: int
    first: datetime | None
    last: datetime | None
    models: Mapping[str, int] = field(default_factory=dict)
    """Pictures by model, most used first."""
    tags: Mapping[str, int] = field(default_factory=dict)
    """Pictures by tag, most used first."""


@dataclass(frozen=True)
class Imported:
    """What an import brought."""

    pictures: tuple[Path, ...] = ()
    known: int = 0
    """Pictures that were left out because the history has them already."""
    skipped: tuple[Skipped, ...] = ()

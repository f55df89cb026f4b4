"""The data that the history returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sdtui.requests.record import GenerationRecord


@dataclass(frozen=True)
class SavedPicture:
    """A picture on disk with its JSON."""

    path: Path
    json_path: Path
    record: GenerationRecord
    """The record of this picture alone, with `path` and `sha256`."""


@dataclass(frozen=True)
class Entry:
    """A picture as the index knows it; `History.record` reads its whole record."""

    id: int
    """Larger for newer pictures. Changes when the picture is moved."""
    path: Path
    time: datetime
    """Start of the run in local time, to the millisecond."""
    prompt: str
    negative_prompt: str
    model: str
    sampler: str
    """Empty if unknown."""
    seed: int | None
    """None if it is unknown."""
    width: int
    height: int
    """Width and height in pixels."""
    steps: int | None
    guidance: float | None
    starred: bool
    tags: tuple[str, ...]
    problem: str
    """What is wrong with the picture file; empty if nothing."""
    owner: str = ""
    """The name of the API key with which a server was asked for it; else empty."""


@dataclass(frozen=True)
class TrashedPicture:
    """A picture in the trash."""

    entry: Entry
    """Its path is that in the trash; its id is of no use."""
    time: datetime
    """When it was moved there, in local time."""
    bytes: int
    """Size of the picture file."""


@dataclass(frozen=True)
class Page:
    """A page of search results, newest first."""

    entries: tuple[Entry, ...]
    total: int
    """Number of pictures on all pages."""
    offset: int


@dataclass(frozen=True)
class Skipped:
    """A file in the pictures folder that is not listed."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Changes:
    """The number of pictures that a refresh added and removed."""

    added: int = 0
    removed: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


@dataclass(frozen=True)
class Stats:
    """Numbers about the whole history."""

    pictures: int
    starred: int
    trashed: int
    skipped: int
    first: datetime | None
    last: datetime | None
    models: Mapping[str, int] = field(default_factory=dict)
    """Number of pictures by model, most used first."""
    tags: Mapping[str, int] = field(default_factory=dict)
    """Number of pictures by tag, most used first."""


@dataclass(frozen=True)
class Imported:
    """The result of an import."""

    pictures: tuple[Path, ...] = ()
    known: int = 0
    """Number of pictures left out because the history has them already."""
    skipped: tuple[Skipped, ...] = ()

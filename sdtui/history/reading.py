"""Reading pictures and their JSON for the index, a little ahead of whoever lists them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sdtui.history.image_metadata import is_whole
from sdtui.history.index import Listing
from sdtui.history.sidecar import UnreadableError, parse_summary, read_bytes

_CHUNK = 50  # pictures handed to a thread at once: fewer cost more than they gain
_AHEAD = 4  # chunks that are read before they are asked for


@dataclass(frozen=True)
class Pair:
    """A picture and its JSON in one folder."""

    picture: os.DirEntry[str]
    sidecar: os.DirEntry[str]

    def stamp(self) -> str:
        """Changes whenever the JSON is written, and when the picture is cut short."""
        return stamp_of(
            self.sidecar.stat(follow_symlinks=False), self.picture.stat(follow_symlinks=False)
        )


@dataclass(frozen=True)
class Skip:
    """A picture that can't be listed."""

    name: str
    reason: str


def stamp_of(sidecar: os.stat_result, picture: os.stat_result) -> str:
    """The stamp of a picture and its JSON."""
    return f"{sidecar.st_mtime_ns}-{sidecar.st_size}-{picture.st_size}"


def read_all(pairs: Sequence[Pair], threads: Executor) -> Iterator[Listing | Skip]:
    """What is to be listed of each pair, in their order."""
    chunks = (pairs[start : start + _CHUNK] for start in range(0, len(pairs), _CHUNK))
    waiting: deque[Future[list[Listing | Skip]]] = deque(
        threads.submit(_read_chunk, chunk) for chunk in islice(chunks, _AHEAD)
    )
    while waiting:
        found = waiting.popleft().result()
        waiting.extend(threads.submit(_read_chunk, chunk) for chunk in islice(chunks, 1))
        yield from found


def _read_chunk(pairs: Sequence[Pair]) -> list[Listing | Skip]:
    return [_read_pair(pair) for pair in pairs]


def _read_pair(pair: Pair) -> Listing | Skip:
    name = pair.picture.name
    try:
        stamp = pair.stamp()
        summary = parse_summary(read_bytes(Path(pair.sidecar.path)))
        problem = "" if is_whole(Path(pair.picture.path)) else "the picture file is cut short"
    except UnreadableError as error:
        return Skip(name, str(error))
    except OSError as error:
        return Skip(name, error.strerror or str(error))
    return Listing(name, stamp, summary, problem)

"""How the jobs of a queue are written: a snapshot, and beside a large one a log of what changed.

A small queue is one JSON file, replaced at every change. From `_SNAPSHOT_BYTES` on a change is a
line that is appended to a log, so that it costs a few milliseconds however many jobs wait; a log as
long as its snapshot becomes part of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from sdtui.core.files import write_atomic
from sdtui.jobs.job import Job

_SNAPSHOT_BYTES = 256 * 1024
"""Size up to which a snapshot is rewritten at every change."""


_Splice = tuple[int, int, Sequence[str]]
"""A place in the order, how many ids are removed there, and those that are inserted."""


class _Snapshot(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)

    jobs: tuple[Job, ...]
    id: str = ""
    """Of this snapshot; version 0.1 wrote none."""


class _Change(BaseModel):
    """A line of the log: jobs that are new or another than before, and how the order changed."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    snapshot: str
    """Id of the snapshot that the log belongs to."""
    jobs: tuple[Job, ...]
    splices: tuple[_Splice, ...]
    """One after the other."""


class StoredQueue:
    """Writes jobs to the file `path` and its log. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log_path = log_of(path)
        self._snapshot = ""
        """Its id; "" if what is on disk is unknown."""
        self._snapshot_bytes = 0
        self._log = -1
        """The open log; -1 if there is none."""
        self._log_bytes = 0
        self._order: list[str] = []
        self._jobs: dict[str, tuple[Job, bytes]] = {}
        """The jobs on disk and their JSON."""

    def write(self, jobs: Sequence[Job]) -> None:
        """Write what changed since the last call. Raises OSError."""
        order = [job.id for job in jobs]
        changed = [job for job in jobs if not self._is_stored(job)]
        splices = _splices(self._order, order)
        if self._snapshot and not changed and not splices:
            return
        kept = set(order)
        for old in set(self._order) - kept:
            del self._jobs[old]
        for job in changed:
            self._jobs[job.id] = job, job.model_dump_json().encode()
        self._order = order
        line = self._line(changed, splices)
        snapshot, self._snapshot = self._snapshot, ""
        if snapshot and max(_SNAPSHOT_BYTES, self._log_bytes + len(line)) < self._snapshot_bytes:
            self._append(line)
            self._snapshot = snapshot
        else:
            self._snapshot = self._write_snapshot()

    def _is_stored(self, job: Job) -> bool:
        stored = self._jobs.get(job.id)
        return stored is not None and stored[0] is job

    def _line(self, changed: Sequence[Job], splices: Sequence[_Splice]) -> bytes:
        jobs = b",".join(self._jobs[job.id][1] for job in changed)
        rest = json.dumps({"splices": splices, "snapshot": self._snapshot})
        return b'{"jobs":[%b],%b\n' % (jobs, rest[1:].encode())

    def _append(self, line: bytes) -> None:
        if self._log < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            self._log = os.open(self._log_path, flags, 0o600)
        if os.write(self._log, line) < len(line):
            raise OSError(f"{self._log_path} is cut off")
        os.fsync(self._log)
        self._log_bytes += len(line)

    def _write_snapshot(self) -> str:
        snapshot = os.urandom(8).hex()
        jobs = b",".join(self._jobs[each][1] for each in self._order)
        data = b'{"jobs":[%b],"id":"%b"}' % (jobs, snapshot.encode())
        write_atomic(self._path, data, mode=0o600)
        # A log of another snapshot is ignored, should the process be killed here.
        self.close()
        self._log_path.unlink(missing_ok=True)
        self._snapshot_bytes = len(data)
        return snapshot

    def close(self) -> None:
        """Close the log; the files stay."""
        if self._log >= 0:
            os.close(self._log)
        self._log, self._log_bytes = -1, 0

    def delete(self) -> None:
        """Delete the files. Raises OSError."""
        self.close()
        delete_queue(self._path)


def read_queue(path: Path) -> list[Job]:
    """Return the jobs of a queue file with its log, in their order. A line that a killed process
    left unfinished is ignored, with everything behind it. Raises OSError or ValidationError."""
    snapshot = _Snapshot.model_validate_json(path.read_bytes())
    jobs = {job.id: job for job in snapshot.jobs}
    order = [job.id for job in snapshot.jobs]
    for change in _changes(path, snapshot.id):
        jobs |= {job.id: job for job in change.jobs}
        for at, removed, ids in change.splices:
            order[at : at + removed] = ids
    return [jobs[each] for each in order]


def _changes(path: Path, snapshot: str) -> Iterator[_Change]:
    try:
        lines = log_of(path).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return
    for line in lines:
        try:
            change = _Change.model_validate_json(line)
        except ValueError:
            return
        if change.snapshot != snapshot or not line.endswith(b"\n"):
            return
        yield change


def log_of(path: Path) -> Path:
    """Return the path of a queue file's log."""
    return path.with_suffix(".log")


def delete_queue(path: Path) -> None:
    """Delete a queue file and its log. Raises OSError."""
    path.unlink(missing_ok=True)
    log_of(path).unlink(missing_ok=True)


def _splices(old: Sequence[str], new: Sequence[str]) -> list[_Splice]:
    """Return the changes that make `new` of `old`: short ones for items that were added or removed
    in one place, and for one that was moved."""
    shorter = min(len(old), len(new))
    start = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    end = 0
    while end < shorter - start and old[-1 - end] == new[-1 - end]:
        end += 1
    left, inserted = old[start : len(old) - end], new[start : len(new) - end]
    if not left and not inserted:
        return []
    last = start + len(left) - 1
    if left[1:] == inserted[:-1] and left[:1] == inserted[-1:]:
        return [(start, 1, ()), (last, 0, left[:1])]
    if left[:-1] == inserted[1:] and left[-1:] == inserted[:1]:
        return [(last, 1, ()), (start, 0, left[-1:])]
    return [(start, len(left), inserted)]

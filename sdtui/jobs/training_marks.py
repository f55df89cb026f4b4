"""Which queue a training belongs to, so that the next process with that queue goes on with it."""

from __future__ import annotations

import os
from collections.abc import Iterable

from sdtui.core.errors import TrainingConflictError, TrainingError
from sdtui.core.locks import is_held, try_hold
from sdtui.training.folder import TrainingFolder


class TrainingMarks:
    """Marks the trainings of a queue: a file in the folder of each names the queue, and is held as
    long as the process lives. Used with its owner's lock held."""

    def __init__(self, queue: str) -> None:
        """`queue` names the queue over restarts."""
        self._queue = queue.encode("utf-8", "surrogateescape")
        self.is_kept = False
        """True if another process will go on with this queue: otherwise nothing is marked."""
        self._held: dict[str, int] = {}

    def add(self, folder: TrainingFolder) -> None:
        """Mark a training as one of this queue. Raises TrainingError if it is another's."""
        name = folder.path.name
        if name in self._held or not self.is_kept:
            return
        try:
            handle = try_hold(folder.queue_file)
            if handle is not None:
                os.ftruncate(handle, 0)
                os.write(handle, self._queue)
        except OSError as error:
            raise TrainingError(f"{folder.path} can't be written: {error.strerror}") from error
        if handle is None:
            raise TrainingConflictError(
                f"the training {name} is queued in another process", "Pause or stop it there"
            )
        self._held[name] = handle

    def remove(self, folder: TrainingFolder) -> None:
        """Let a training belong to no queue any more."""
        handle = self._held.pop(folder.path.name, None)
        folder.queue_file.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)

    def release(self) -> None:
        """Leave the trainings to the next process with this queue."""
        for handle in self._held.values():
            os.close(handle)
        self._held.clear()

    def left(self, folders: Iterable[TrainingFolder]) -> list[TrainingFolder]:
        """Return those that an ended process with this queue had queued or running, in the order in
        which they were queued."""
        found = filter(self._is_left, folders)
        return sorted(found, key=lambda each: each.queue_file.stat().st_mtime_ns)

    def _is_left(self, folder: TrainingFolder) -> bool:
        if folder.path.name in self._held:
            return False
        try:
            found = folder.queue_file.read_bytes()
            return found == self._queue and not is_held(folder.queue_file)
        except OSError:  # the usual one: there is no such file
            return False


def is_queued(folder: TrainingFolder) -> bool:
    """True if a process that lives has a training in its queue."""
    return folder.queue_file.exists() and is_held(folder.queue_file)

"""Locks between processes, through lock files.

filelock would do for `exclusive`, but not for `is_held`, which needs a shared lock and must not
make the file, and importing it takes longer than the window may wait.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)

    def _lock_if_free(handle: int) -> bool:
        return _is_free(handle)

    def _is_free(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)

    def _lock_if_free(handle: int) -> bool:
        return _try(handle, fcntl.LOCK_EX)

    def _is_free(handle: int) -> bool:
        # Shared, so that two processes that check at the same time both find it free.
        return _try(handle, fcntl.LOCK_SH)

    def _try(handle: int, operation: int) -> bool:
        try:
            fcntl.flock(handle, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, waiting until it is free. The system releases it when the process
    ends, however it ends. Not reentrant.

    Raises OSError if the file can't be made or locked.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def hold(path: Path) -> int:
    """Hold the new lock file `path` until the returned handle is closed or the process ends.

    Raises OSError if the file can't be made or locked.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        _lock(handle)
    except OSError:
        os.close(handle)
        raise
    return handle


def try_hold(path: Path) -> int | None:
    """Hold the lock file `path`, which is made if it is missing, until the returned handle is
    closed or the process and its forks end; None if another process holds it.

    Raises OSError if the file can't be made or locked, or is a symlink.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    if _lock_if_free(handle):
        return handle
    os.close(handle)
    return None


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock file `path`, on this machine or on another that sees
    the same folder. A missing file is not held. Raises OSError."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _is_free(handle)
    finally:
        os.close(handle)

"""Pictures that attached clients sent, by their SHA-256, so that each is sent once."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Container
from contextlib import suppress
from pathlib import Path

from sdtui.core.errors import ImageError, OutputError
from sdtui.core.files import write_atomic

_MOST_BYTES = 512 * 2**20
_MOST_TIMES = 4
"""How many times that may be kept for now."""
_KEPT_SECONDS = 3600.0
"""What was sent or named so lately isn't deleted: its job may not be queued yet."""
_NAME = re.compile(r"[0-9a-f]{64}")
_UNSAFE = re.compile(r"[^\w.,() +-]")
_LONGEST = 100
"""Bytes of a file's name."""


class AttachUploads:
    """A bounded folder of files, each in a folder named by its contents. Thread-safe."""

    def __init__(
        self,
        folder: Path,
        check: Callable[[bytes], object],
        in_use: Callable[[], Container[Path]],
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """`check` raises ImageError for what is no picture; `in_use` returns the files that
        unfinished jobs need."""
        self._folder = folder
        self._check = check
        self._in_use = in_use
        self._most_bytes = most_bytes
        self._lock = threading.Lock()

    def of(self, owner: str) -> AttachUploads:
        """Return the uploads with an API key of this name, in a folder of their own."""
        folder = self._folder.with_name(f"{self._folder.name}-{owner}")
        return AttachUploads(folder, self._check, self._in_use, self._most_bytes)

    def find(self, sha256: str) -> Path | None:
        """Return the file of a hash, and take note that it is used; None if it isn't there."""
        if not _NAME.fullmatch(sha256):
            return None
        file = next((self._folder / sha256).glob("[!.]*"), None)
        try:
            if file is not None:
                os.utime(file)
        except OSError:
            return None
        return file

    def contains(self, path: Path) -> bool:
        """True for a file that was sent and is there."""
        return path.parent.parent == self._folder and self.find(path.parent.name) == path

    def keep(self, sha256: str, data: bytes, name: str = "") -> Path:
        """Store a picture, which the client calls `name`. Raises ImageError if it is no picture or
        has another hash, and OutputError."""
        if not _NAME.fullmatch(sha256) or hashlib.sha256(data).hexdigest() != sha256:
            raise ImageError("the picture was damaged on its way", "Send it again")
        self._check(data)
        if self._size_after_cleaning(len(data)) > _MOST_TIMES * self._most_bytes:
            raise OutputError("the server has too many pictures that were sent", "Try again later")
        file = self._folder / sha256 / _safe_name(name)
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(file, data, mode=0o600, durable=False)
        except OSError as error:
            raise OutputError(
                f"the picture that was sent can't be stored: {error.strerror}",
                "Make room on the server's disk",
            ) from error
        return file

    def _size_after_cleaning(self, added: int) -> int:
        """Delete the files that were unused for longest while all, with `added` bytes more, are too
        large; return the bytes of all."""
        with self._lock:
            files = []
            for file in self._folder.glob("*/[!.]*"):
                with suppress(OSError):
                    status = file.stat()
                    files.append((status.st_mtime, status.st_size, file))
            size = added + sum(each for _, each, _ in files)
            if size <= self._most_bytes:
                return size
            in_use = self._in_use()
            for used, each, file in sorted(files):
                if size <= self._most_bytes or time.time() - used < _KEPT_SECONDS:
                    break
                if file not in in_use:
                    file.unlink(missing_ok=True)
                    with suppress(OSError):
                        file.parent.rmdir()
                    size -= each
            return size


def _safe_name(name: str) -> str:
    """Return the end of a name, which has its suffix, as a name that every file system takes."""
    end = _UNSAFE.sub("_", name).encode()[-_LONGEST:].decode(errors="ignore")
    return end.lstrip(".") or "picture"

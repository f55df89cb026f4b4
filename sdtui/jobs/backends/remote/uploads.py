"""Sends the pictures that requests name, each once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from sdtui.core import paths
from sdtui.core.errors import HistoryError, ImageError
from sdtui.jobs.backends.remote.calls import Caller
from sdtui.jobs.wire import CALLS, Call
from sdtui.jobs.wire.files import map_files, uploaded_path


class Uploads:
    """Replaces the paths in requests by pictures that the server has. Thread-safe."""

    def __init__(self, caller: Caller, *, is_needed: bool) -> None:
        """`is_needed` is false if the server sees the same files."""
        self._caller = caller
        self._is_needed = is_needed
        self._hashes: dict[tuple[Path, int, int], str] = {}
        """Of files by path, time and size."""

    def call(self, call: Call, arguments: dict[str, Any]) -> Any:
        """Return what a call returns whose requests name files of this machine. Raises what the
        call raises, and ImageError."""
        change = self._sent if self._is_needed else Path.absolute
        return self._caller.call(call, map_files(arguments, change))

    def _sent(self, path: Path) -> Path:
        """Return what stands for a path: itself if it is one of the server's pictures."""
        if not paths.is_file(path) or self._is_in_history(path):
            return path
        try:
            status = path.stat()
            known = (path, status.st_mtime_ns, status.st_size)
            data = None if known in self._hashes else path.read_bytes()
        except OSError as error:
            raise ImageError(f"{path} can't be read: {error.strerror}", "Check the path") from error
        if data is not None:
            self._hashes[known] = hashlib.sha256(data).hexdigest()
        sha256 = self._hashes[known]
        target = f"/attach/uploads/{sha256}"
        if self._caller.requests.send("HEAD", target).status == 404:
            answer = self._caller.requests.send("PUT", target, data or path.read_bytes())
            self._caller.check(answer)
        return uploaded_path(sha256)

    def _is_in_history(self, path: Path) -> bool:
        """True for a path in the server's pictures folder, if the server has a picture there."""
        folder = Path(self._caller.state("pictures", "folder"))
        if not path.is_relative_to(folder):
            return False
        try:
            self._caller.call(CALLS["pictures", "get"], {"which": path})
        except HistoryError:
            return False
        return True

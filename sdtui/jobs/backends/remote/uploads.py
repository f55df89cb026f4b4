"""Sends the pictures that requests name, each once, and knows them again in what comes back."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sdtui.core import paths
from sdtui.core.errors import HistoryError, ImageError, SdtuiError
from sdtui.core.files import write_atomic
from sdtui.jobs.backends.remote.calls import Caller
from sdtui.jobs.wire import CALLS, Call
from sdtui.jobs.wire.files import map_files, map_request, uploaded_path
from sdtui.requests.request import GenerationRequest

_SENT = re.compile(r"/([0-9a-f]{64})/[^/]+")
"""The end of a path that a server gave to a picture that was sent."""
_REMEMBERED = 1000
"""Pictures whose paths here are remembered."""


class Uploads:
    """Replaces the paths in requests by pictures that the server has. Thread-safe."""

    def __init__(self, caller: Caller, index_file: Path, *, is_needed: bool) -> None:
        """`index_file` remembers the paths of what was sent, also by other processes; `is_needed`
        is false if the server sees the same files."""
        self._caller = caller
        self._index_file = index_file
        self._is_needed = is_needed
        self._hashes: dict[tuple[Path, int, int], str] = {}
        """Of files by path, time and size."""
        self._paths: dict[str, str] | None = None
        """Paths by hash."""
        self._lock = threading.Lock()

    def call(self, call: Call, arguments: dict[str, Any]) -> Any:
        """Return what a call returns whose requests name files of this machine. Raises what the
        call raises, and ImageError."""
        change = self._sent if self._is_needed else Path.absolute
        return self._caller.call(call, map_files(arguments, change))

    def restored(self, request: GenerationRequest) -> GenerationRequest:
        """Return a request with the paths that its pictures have here, where they were sent."""
        if not self._is_needed or not any(map(_hash_in, request.input_images().values())):
            return request
        try:
            return map_request(request, self._path_here)
        except SdtuiError:  # of a newer server
            return request

    def _path_here(self, path: Path) -> Path:
        sha256 = _hash_in(path)
        known = self._known_paths().get(sha256) if sha256 else None
        return path if known is None or not paths.is_file(Path(known)) else Path(known)

    def _sent(self, path: Path) -> Path:
        """Return what stands for a path: itself if it is one of the server's pictures."""
        if not paths.is_file(path) or self._is_in_history(path):
            return path
        try:
            status = path.stat()
            known = (path, status.st_mtime_ns, status.st_size)
            data = None if known in self._hashes else path.read_bytes()
            if data is not None:
                self._hashes[known] = hashlib.sha256(data).hexdigest()
            sha256 = self._hashes[known]
            target = f"/attach/uploads/{sha256}"
            if self._caller.requests.send("HEAD", target).status == 404:
                named = f"{target}?name={quote(path.name, safe='')}"
                data = path.read_bytes() if data is None else data
                self._caller.check(self._caller.requests.send("PUT", named, data))
        except OSError as error:
            raise ImageError(f"{path} can't be read: {error.strerror}", "Check the path") from error
        self._remember(sha256, path)
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

    def _known_paths(self) -> dict[str, str]:
        with self._lock:
            if self._paths is None:
                try:
                    found = json.loads(self._index_file.read_bytes())
                    self._paths = {str(key): str(value) for key, value in found.items()}
                except (OSError, ValueError, AttributeError):
                    self._paths = {}
            return self._paths

    def _remember(self, sha256: str, path: Path) -> None:
        known = self._known_paths()
        if known.get(sha256) == str(path.absolute()):
            return
        with self._lock:
            known[sha256] = str(path.absolute())
            for old in list(known)[:-_REMEMBERED]:
                del known[old]
            data = json.dumps(known).encode()
        try:
            self._index_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(self._index_file, data, mode=0o600, durable=False)
        except OSError:
            return  # only the paths of the server are shown then


def _hash_in(path: Path) -> str | None:
    found = _SENT.search(path.as_posix())
    return found[1] if found else None
